"""Sessions on one model: they share the weights, and nothing else."""

import threading
import time

import numpy as np
import pytest
import torch

from minimind_o.assets import Assets
from minimind_o.errors import UserError
from minimind_o.frozen.mimi import Mimi, load_mimi
from minimind_o.generation.engine import Engine, Request
from minimind_o.generation.loading import load_engine
from minimind_o.generation.sampling import GREEDY
from minimind_o.generation.voices import load_voice
from minimind_o.realtime.host import Host, own_codec
from minimind_o.realtime.session import Session, Sound, State
from tests.realtime.fakes import LevelDetector

QUESTIONS = ("What is three plus four?", "What colour is the sky?", "Say: a red cat.")


@pytest.fixture(scope="module")
def engine() -> Engine:
    return load_engine(Assets.find())


def request(voice: str) -> Request:
    """Greedy: rounding, which hangs on who else answers, hardly ever tips a choice."""
    return Request(
        voice=load_voice(Assets.find().voices, voice),
        text_sampling=GREEDY,
        audio_sampling=GREEDY,
        max_frames=60,
    )


def sound_of(session: Session) -> np.ndarray:
    """Take until the answer is whole; frames in order, none missing."""
    sounds: list[Sound] = []
    started = time.monotonic()
    while time.monotonic() - started < 120:
        sounds += [o for o in session.take() if isinstance(o, Sound)]
        answer = session._answer
        if sounds:
            size = len(sounds[0].pcm_N)
            session.played(session.turn, len(sounds) * size)
        if session.state is State.LISTENING and (sounds or answer is None):
            break
        time.sleep(0.01)
    assert [s.number for s in sounds] == list(range(len(sounds)))
    return np.concatenate([s.pcm_N for s in sounds])


def test_sessions_at_once_say_what_each_would_say_alone(engine: Engine) -> None:
    voices = ("ada", "ben", "clara")
    alone = []
    host = Host(engine, LevelDetector)
    for voice, question in zip(voices, QUESTIONS, strict=True):
        session = host.open(request(voice))
        session.ask(Request(question=question))
        alone.append(sound_of(session))
        session.close()
    together = [host.open(request(voice)) for voice in voices]
    for session, question in zip(together, QUESTIONS, strict=True):
        session.ask(Request(question=question))
    for session, wanted in zip(together, alone, strict=True):
        heard_N = sound_of(session)
        assert heard_N.shape == wanted.shape
        assert np.abs(heard_N - wanted).max() < 1e-4
    host.close()
    assert host.num_sessions == 0
    assert "answers" not in {thread.name for thread in threading.enumerate()}


def test_there_are_no_more_sessions_than_there_may_be(engine: Engine) -> None:
    host = Host(engine, LevelDetector, most_sessions=1)
    session = host.open(request("ada"))
    with pytest.raises(UserError, match="1 conversations are going on already"):
        host.open(request("ben"))
    session.close()
    while host.num_sessions:
        time.sleep(0.01)
    host.open(request("ben"))
    host.close()


def test_a_session_that_fails_takes_no_other_with_it(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    host = Host(engine, LevelDetector)
    broken, whole = host.open(request("ada")), host.open(request("ben"))

    def stream(*_: object) -> None:
        raise RuntimeError("planted")

    broken._answerer.stream = stream  # type: ignore[method-assign, assignment]
    broken.ask(Request(question="Well?"))
    whole.ask(Request(question=QUESTIONS[0]))
    assert len(sound_of(whole))
    assert broken.state is State.CLOSED
    assert len(caplog.records) == 1
    host.close()


def test_codecs_of_two_sessions_share_weights_and_not_their_streams() -> None:
    mimi = load_mimi(Assets.find().mimi)
    other = own_codec(mimi)
    for one, two in zip(mimi.model.parameters(), other.model.parameters(), strict=True):
        assert one.data_ptr() == two.data_ptr()
    codes = torch.randint(0, mimi.num_codes, (1, 8, 6))
    whole = mimi.decode(codes)
    assert isinstance(other, Mimi)
    with mimi.streaming(1), other.streaming(1):
        mimi.step(codes[..., :3].flip(-1))
        parts = [other.step(codes[..., t : t + 1]) for t in range(6)]
    torch.testing.assert_close(torch.cat(parts, -1), whole, atol=1e-4, rtol=0)
