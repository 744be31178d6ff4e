"""The session: turns, interruptions, and what of them is remembered."""

import threading

import numpy as np
import pytest

from minimind_o.errors import UserError
from minimind_o.generation.engine import Request
from minimind_o.realtime.session import (
    Problem,
    Session,
    SessionSettings,
    Silence,
    Sound,
    State,
    StateChange,
    TextPiece,
)
from minimind_o.realtime.simulate import VirtualClient
from tests.realtime.fakes import (
    FRAME,
    LevelDetector,
    ScriptedAnswerer,
    recording,
    speech,
)

LONG = tuple(f"word{number} " for number in range(40))


def client(
    answerer: ScriptedAnswerer | None = None,
    settings: SessionSettings | None = None,
    work: int = 16,
) -> VirtualClient:
    """A client of a session that hears by level."""
    session = Session(
        answerer or ScriptedAnswerer(), LevelDetector(), Request(), settings
    )
    return VirtualClient(session, work=work)


def states(one: VirtualClient) -> list[State]:
    return [o.state for _, o in one.heard.outputs if isinstance(o, StateChange)]


def of_kind(one: VirtualClient, kind: type) -> list:
    return [output for _, output in one.heard.outputs if isinstance(output, kind)]


def test_a_turn_goes_once_around() -> None:
    answerer = ScriptedAnswerer()
    one = client(answerer)
    one.wait(0.5)
    one.listen(speech(0.6))
    one.wait(2.0)
    assert states(one) == [
        State.HEARING,
        State.THINKING,
        State.SPEAKING,
        State.LISTENING,
    ]
    assert "".join(t.text for t in of_kind(one, TextPiece)) == "one two three four"
    sounds = of_kind(one, Sound)
    assert [(s.turn, s.number) for s in sounds] == [(1, n) for n in range(4)]
    played_N = one.heard.speaker_N
    said_N = np.concatenate([s.pcm_N for s in sounds])
    assert np.array_equal(played_N[played_N != 0], said_N)
    assert one.session.history == [
        {"role": "user", "content": "(spoken)"},
        {"role": "assistant", "content": "one two three four"},
    ]
    assert answerer.closed == 1


def test_the_question_has_what_came_before_it_was_noticed() -> None:
    answerer = ScriptedAnswerer()
    one = client(answerer)
    before = 0.05 * np.random.default_rng(0).standard_normal(16_000).clip(-1, 1)
    one.listen(before.astype(np.float32))
    asked = speech(0.6)
    one.listen(asked)
    one.wait(1.0)
    wave_N = recording(answerer.requests[0])
    start = int(np.flatnonzero(np.abs(wave_N) > 0.1)[0])
    assert start >= 0.3 * 16_000
    assert np.array_equal(wave_N[start - 1 :][: len(asked)], asked)


def interrupted(after: float, answerer: ScriptedAnswerer) -> VirtualClient:
    """A user who asks, hears `after` seconds of the answer, and speaks again."""
    one = client(answerer)
    one.wait(0.5)
    one.listen(speech(0.6))
    while one.session.state is not State.SPEAKING:
        one.wait(0.032)
    one.wait(after)
    one.listen(speech(0.6))
    return one


def test_an_interruption_is_silent_at_once_and_keeps_what_was_heard() -> None:
    answerer = ScriptedAnswerer(LONG)
    one = interrupted(1.0, answerer)
    (silence,) = of_kind(one, Silence)
    assert silence.turn == 1
    spoken = [np.abs(window).max() > 0 for window in one.heard.played]
    onset = len(spoken) - round(0.6 / 0.032)
    assert any(spoken[onset - 5 : onset])
    assert not any(spoken[onset + 4 :])
    heard = one.session.history[-1]["content"]
    assert heard
    assert "".join(LONG).startswith(heard)
    played = sum(spoken) * 0.032 / 0.08  # frames, of which each has a word
    assert abs(len(heard.split()) - played) <= 2
    # The next answer starts fresh, and is whole.
    one.wait(0.6)
    while one.session.state is not State.LISTENING:
        one.wait(0.1)
    second = [s.number for s in of_kind(one, Sound) if s.turn == 2]
    assert second == list(range(40))
    assert answerer.closed == 2


def test_nothing_of_the_interrupted_answer_comes_after_its_silence() -> None:
    one = interrupted(0.5, ScriptedAnswerer(LONG))
    one.wait(2.0)
    outputs = [o for _, o in one.heard.outputs]
    at = next(i for i, o in enumerate(outputs) if isinstance(o, Silence))
    after = [o.turn for o in outputs[at:] if isinstance(o, Sound | TextPiece)]
    assert after
    assert 1 not in after


def test_who_goes_on_before_the_answer_is_heard_has_asked_one_question() -> None:
    answerer = ScriptedAnswerer()
    one = client(answerer, work=0)
    one.listen(speech(0.6))
    one.wait(0.6)
    assert one.session.state is State.THINKING
    one.listen(speech(0.8))
    one.wait(0.6)
    one.work = 16
    one.wait(2.0)
    assert len(answerer.requests) == 1
    voiced = np.abs(recording(answerer.requests[0])) > 0.1
    assert voiced.sum() > 0.8 * 1.3 * 16_000
    assert len(one.session.history) == 2


def test_a_noise_is_no_question_and_no_reason_to_stop_thinking() -> None:
    answerer = ScriptedAnswerer()
    one = client(answerer, work=0)
    one.listen(speech(0.13))
    one.wait(1.0)
    assert states(one) == [State.HEARING, State.LISTENING]
    assert one.session.turn == 0
    one.listen(speech(0.6))
    one.wait(0.6)
    one.listen(speech(0.13))
    one.wait(0.6)
    one.work = 16
    one.wait(2.0)
    assert len(answerer.requests) == 1
    assert one.session.history[-1]["content"] == "one two three four"


def test_silence_changes_nothing() -> None:
    one = client()
    one.wait(10.0)
    assert one.heard.outputs == []
    assert one.session.state is State.LISTENING


def test_a_written_question_interrupts_like_a_spoken_one() -> None:
    answerer = ScriptedAnswerer(LONG)
    one = client(answerer)
    one.session.ask(Request(question="What is this?", picture=b"picture"))
    one.wait(0.5)
    one.session.ask(Request(question="And this?"))
    one.wait(5.0)
    assert [r.question for r in answerer.requests] == ["What is this?", "And this?"]
    assert answerer.requests[0].picture == b"picture"
    assert [turn["content"] for turn in one.session.history[::2]] == [
        "What is this?",
        "And this?",
    ]
    assert len(of_kind(one, Silence)) == 1


def test_a_question_that_cannot_be_answered_is_one_sentence() -> None:
    answerer = ScriptedAnswerer()
    answerer.fails = True
    one = client(answerer)
    one.listen(speech(0.6))
    one.wait(1.0)
    (problem,) = of_kind(one, Problem)
    assert problem.message == "the question is too long."
    answerer.fails = False
    one.listen(speech(0.6))
    one.wait(2.0)
    assert one.session.history[-1]["content"] == "one two three four"


def test_an_answer_waits_for_a_client_that_takes_nothing() -> None:
    settings = SessionSettings(most_waiting_s=0.4, patience_s=2.0)
    session = Session(ScriptedAnswerer(LONG), LevelDetector(), Request(), settings)
    session.ask(Request(question="Well?"))
    for _ in range(500):
        session.work()
    sounds = [o for o in session.take() if isinstance(o, Sound)]
    assert len(sounds) == 5
    for _ in range(500):
        session.work()
    assert len([o for o in session.take() if isinstance(o, Sound)]) == 5


def test_a_client_that_is_gone_is_let_go() -> None:
    settings = SessionSettings(patience_s=2.0)
    answerer = ScriptedAnswerer(LONG)
    session = Session(answerer, LevelDetector(), Request(), settings)
    session.ask(Request(question="Well?"))
    session.work()
    late = np.concatenate([np.zeros(round(2.5 * 16_000), np.float32), speech(1.0)])
    session.hear(late)
    assert session.state is State.CLOSED
    while session.work():
        pass
    assert answerer.closed == 1
    session.hear(speech(1.0))
    assert session.state is State.CLOSED


def test_a_client_that_reports_nothing_is_taken_to_have_played_it() -> None:
    session = Session(ScriptedAnswerer(), LevelDetector(), Request())
    session.ask(Request(question="Well?"))
    while session.work():
        pass
    session.take()
    session.hear(np.zeros(round(3.0 * 16_000), np.float32))
    assert session.state is State.SPEAKING
    session.hear(np.zeros(round(0.5 * 16_000), np.float32))
    assert session.state is State.LISTENING
    assert session.history[-1]["content"] == "one two three four"


def test_a_long_answer_is_played_to_its_end() -> None:
    one = client(ScriptedAnswerer(tuple(f"word{n} " for n in range(150))), work=400)
    one.session.ask(Request(question="Well?"))
    one.wait(11.9)
    assert one.session.state is State.SPEAKING
    one.wait(0.3)
    assert one.session.state is State.LISTENING


@pytest.mark.parametrize(
    ("wave", "words"),
    [
        (np.zeros((10, 2), np.float32), r"shape \(10, 2\)"),
        (np.zeros(10, np.int16), "type int16"),
        (np.full(10, np.nan, np.float32), "must be finite"),
    ],
)
def test_what_is_no_sound_is_refused_and_the_session_goes_on(
    wave: np.ndarray, words: str
) -> None:
    one = client()
    with pytest.raises(UserError, match=words):
        one.session.hear(wave)
    one.listen(speech(0.6))
    one.wait(2.0)
    assert len(one.session.history) == 2


def test_frames_of_any_length_are_the_same_sound() -> None:
    asked = np.concatenate([speech(0.6), np.zeros(16_000, np.float32)])
    found = []
    for size in (1, 160, 511, 4096):
        answerer = ScriptedAnswerer()
        session = Session(answerer, LevelDetector(), Request())
        for start in range(0, len(asked), size):
            session.hear(asked[start : start + size])
        session.work()
        found.append(recording(answerer.requests[0]))
    assert all(np.array_equal(found[0], other) for other in found)


def test_reports_of_what_was_never_there_are_refused() -> None:
    session = Session(ScriptedAnswerer(), LevelDetector(), Request())
    session.ask(Request(question="Well?"))
    while session.work():
        pass
    session.take()
    session.played(1, FRAME)
    with pytest.raises(UserError, match=rf"sample 0; that must lie in {FRAME}\.\."):
        session.played(1, 0)
    with pytest.raises(UserError, match=r"up to sample 9999999"):
        session.played(1, 9_999_999)
    session.played(7, 5)  # of no turn that is there
    session.played(1, 4 * FRAME)
    assert session.state is State.LISTENING


def test_every_stage_of_a_turn_is_stamped_in_order() -> None:
    one = client()
    one.listen(speech(0.6))
    one.wait(2.0)
    stamps = one.session.stamps[1]
    names = ["end of speech", "decided", "first text", "first sound"]
    times = [stamps[name] for name in [*names, "first sample played"]]
    assert times == sorted(times)
    assert times[1] - times[0] == pytest.approx(0.512)


def test_two_threads_may_use_a_session() -> None:
    answerer = ScriptedAnswerer(LONG)
    one = client(answerer, work=0)
    ends = threading.Event()

    def work() -> None:
        while not ends.is_set():
            one.session.work()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for _ in range(30):
            one.listen(speech(0.3))
            one.wait(0.6)
    finally:
        ends.set()
        worker.join()
    for turn in range(1, one.session.turn + 1):
        numbers = [s.number for s in of_kind(one, Sound) if s.turn == turn]
        assert numbers == list(range(len(numbers)))
