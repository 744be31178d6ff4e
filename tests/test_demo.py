"""The demo streams, judges and tables; its folder is its own."""

import numpy as np
import pytest
import soundfile

from minimind_o import demo as demo_module
from minimind_o.assets import Assets
from minimind_o.demo import (
    Asked,
    Speaking,
    ask,
    claim_folder,
    demo,
    file_stem,
    other_ways,
)
from minimind_o.errors import UserError
from minimind_o.generation.events import AudioEvent, EndEvent, TextEvent, Timings
from minimind_o.generation.voices import Voice, save_voice

FRAME = np.full(1920, 0.25, np.float32)


class ScriptedEngine:
    """Answers every question with two words and three frames, and keeps the requests.

    While it speaks it looks at `watched`, as an impatient listener would.
    """

    class model:
        class config:
            num_codes = 512

    def __init__(self, num_frames=3):
        self.num_frames = num_frames
        self.requests = []
        self.watched = None
        self.seen_frames = []

    def stream(self, request):
        if not request.question.strip():
            raise UserError("the question is empty")
        self.requests.append(request)
        return self._events(request)

    def _events(self, request):
        yield TextEvent(text="red ", token_id=1)
        for frame in range(self.num_frames):
            codes_Q = np.zeros(8, np.int64)
            yield AudioEvent(pcm_N=FRAME, frame=frame, codes_Q=codes_Q)
            if self.watched:
                self.seen_frames.append(soundfile.info(self.watched).frames // 1920)
        yield TextEvent(text="cat", token_id=2)
        seconds = self.num_frames * 0.08
        timings = Timings(
            time_to_first_text_s=0.01,
            time_to_first_audio_s=0.123 if self.num_frames else None,
            total_s=0.06,
            audio_s=seconds,
        )
        yield EndEvent(
            reason="stop",
            text="red cat",
            codes_QF=np.zeros((8, self.num_frames), np.int64),
            timings=timings,
        )


@pytest.fixture
def assets(tmp_path):
    root = tmp_path / "assets"
    for name in ("ada", "ben", "zoe"):
        codes_QT = np.ones((8, 12), np.int64)
        save_voice(root / "voices", Voice(name=name, codes_QT=codes_QT))
    return Assets(root)


@pytest.fixture
def engine(monkeypatch):
    scripted = ScriptedEngine()

    def load(assets, *, precision, model):
        scripted.precision, scripted.model_folder = precision, model
        return scripted

    monkeypatch.setattr(demo_module, "load_engine", load)
    return scripted


@pytest.fixture
def transcriber(monkeypatch, assets):
    """Hears `red hat` in every sound, one letter in six off."""
    whole = Assets.checked
    monkeypatch.setattr(
        Assets,
        "checked",
        lambda self, name: None if name == "sensevoice" else whole(self, name),
    )
    monkeypatch.setattr(
        demo_module,
        "sensevoice_transcriber",
        lambda folder: lambda waves, rate: ["red hat"] * len(waves),
    )


def test_say_writes_the_sound_while_the_rest_is_being_generated(
    tmp_path, assets, engine, capsys
):
    engine.watched = tmp_path / "a.wav"
    ask(Asked(text="What?"), engine.watched, Speaking(voice="ben"), assets)
    assert engine.seen_frames == [1, 2, 3]
    samples, rate = soundfile.read(engine.watched, dtype="float32")
    assert rate == 24_000
    np.testing.assert_allclose(samples, np.tile(FRAME, 3), atol=1e-4)
    assert capsys.readouterr().out.startswith("red cat\n0.2 s of speech in ")


def test_options_reach_the_engine(tmp_path, assets, engine):
    speaking = Speaking(
        voice="ben",
        seed=7,
        temperature=0.3,
        audio_temperature=0,
        precision="int8",
        model=tmp_path / "mine",
    )
    ask(Asked(text="What?"), tmp_path / "a.wav", speaking, assets)
    (request,) = engine.requests
    assert request.voice.name == "ben"
    assert request.seed == 7
    assert request.text_sampling.temperature == 0.3
    assert request.audio_sampling.temperature == 0
    assert engine.precision == "int8"
    assert engine.model_folder == tmp_path / "mine"


def test_an_answer_without_sound_is_no_success(tmp_path, assets, engine):
    engine.num_frames = 0
    with pytest.raises(UserError, match="no sound"):
        ask(Asked(text="What?"), tmp_path / "a.wav", Speaking(voice="ben"), assets)


def test_a_refused_question_leaves_an_older_answer_alone(tmp_path, assets, engine):
    path = tmp_path / "a.wav"
    path.write_bytes(b"older")
    for question, voice in ((" ", "ben"), ("What?", "nobody")):
        with pytest.raises(UserError):
            ask(Asked(text=question), path, Speaking(voice=voice), assets)
    assert path.read_bytes() == b"older"


def test_the_demo_ends_with_a_table(tmp_path, assets, engine, transcriber, capsys):
    table = demo(
        [Asked(text="What?"), Asked(text="谁？")], tmp_path / "out", Speaking(), assets
    )
    head, _, *rows = table.splitlines()
    for column in ("question", "answer", "heard", "CER", "first sound", "real-time"):
        assert column in head
    assert [row.split() for row in rows] == [
        [first, "red", "cat", "red", "hat", "0.17", "123", "0.25"]
        for first in ("What?", "谁？")
    ]
    # The seen voices take turns; a voice the model was not trained on does not.
    assert [request.voice.name for request in engine.requests] == ["ada", "ben"]
    names = sorted(file.name for file in (tmp_path / "out").glob("*.wav"))
    assert names == ["01_what.wav", "02_谁.wav"]
    shown = capsys.readouterr().out
    assert shown.index("1. What?  [ada]\n   red cat") < shown.index("2. 谁？  [ben]")
    assert table in shown


def test_a_silent_answer_has_a_row_too(tmp_path, assets, engine, transcriber):
    engine.num_frames = 0
    table = demo([Asked(text="What?")], tmp_path / "out", Speaking(), assets)
    assert table.splitlines()[-1].split() == ["What?", "red", "cat", "1.00", "-", "-"]


def test_the_default_questions_are_enough_and_in_both_languages():
    assert len(demo_module.QUESTIONS) >= 6
    assert sum(not question.isascii() for question in demo_module.QUESTIONS) >= 2


def test_the_demo_writes_again_into_its_own_folder_only(tmp_path):
    claim_folder(tmp_path / "new")
    (tmp_path / "new" / "01_what.wav").touch()
    claim_folder(tmp_path / "new")
    mine = tmp_path / "mine"
    mine.mkdir()
    claim_folder(mine)
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "song.wav").touch()
    with pytest.raises(UserError, match="did not write"):
        claim_folder(tmp_path / "music")
    with pytest.raises(UserError, match="is a file"):
        claim_folder(tmp_path / "music" / "song.wav")


@pytest.mark.parametrize(
    ("question", "stem"),
    [
        ("What is three plus four?", "what_is_three_plus_four"),
        ("../../etc/passwd", "etc_passwd"),
        ("五加三等于几？", "五加三等于几"),
        ("???", "answer"),
        ("a" * 99, "a" * 40),
    ],
)
def test_file_names_come_from_questions(question, stem):
    assert file_stem(question) == stem


def test_the_demo_can_ask_by_speech_picture_and_both():
    asked = other_ways(Assets.find())
    ways = {(bool(one.text), bool(one.speech), bool(one.picture)) for one in asked}
    assert ways == {
        (False, True, False),
        (True, False, True),
        (False, True, True),
    }
    assert len({one.name for one in asked}) == len(asked)
    for one in asked:
        assert one.speech is None or one.speech.is_file()
        assert one.picture is None or one.picture.is_file()
