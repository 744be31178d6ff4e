"""The spoken and the picture set: what is asked, by whom, and what is shown."""

import io
import itertools

import numpy as np
import pytest
import soundfile
from PIL import Image

from minimind_o.data.facts import spoken
from minimind_o.data.pictures import is_held_out, random_scene
from minimind_o.data.speakers import sound_alike
from minimind_o.data.speech import SEEN_VOICES, UNSEEN_VOICES, VOICES
from minimind_o.nano import a2a, t2a
from minimind_o.nano.a2a import asked_aloud, asking_voices, draw_said, draw_training
from minimind_o.nano.answers import TAIL_VOICES
from minimind_o.nano.i2t import QUESTIONS, draw_rows
from minimind_o.nano.t2a import draw_held_out


def test_nobody_who_asks_in_the_test_asks_in_training() -> None:
    asking = asking_voices()
    assert {voice.name for voice in asking["test"]} == set(UNSEEN_VOICES)
    for one, other in itertools.product(asking["test"], asking["train"]):
        assert not sound_alike(one, other)
    assert len(asking["train"]) > 100


def test_questions_are_in_the_sound_alone() -> None:
    items = draw_held_out("test", 8, 0)
    rows = asked_aloud(items, "test", seed=0)
    assert [row.item for row in rows] == items
    for row in rows:
        assert row.question == ""
        assert row.picture is None
        wave, rate = soundfile.read(io.BytesIO(row.speech))
        assert rate == 16_000
        assert 0.5 < len(wave) / rate < 12
        assert np.abs(wave).max() > 0.2
        assert len(row.speech) < 8000 * len(wave) / rate  # it is compressed
    again = asked_aloud(items, "test", seed=0)
    for row, other in zip(rows, again, strict=True):
        # The same voice, speed and room; the synthesiser's phases run on.
        lengths = [soundfile.info(io.BytesIO(r.speech)).frames for r in (row, other)]
        assert lengths[0] == lengths[1]


def test_spoken_training_is_of_facts_in_many_voices() -> None:
    items = draw_training(1, 300)
    assert {item.dialogue.kind for item in items} == {"fact"}
    assert {item.voice for item in items} <= {*SEEN_VOICES, *TAIL_VOICES}
    assert not {item.voice for item in items} & set(UNSEEN_VOICES)
    assert {item.dialogue.language for item in items} == {"en", "zh"}


def test_what_is_said_again_is_in_the_sound_and_coded_already(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard = []

    def spoken_question(text: str, language: str, *others: object) -> bytes:
        heard.append((text, language))
        return b"sound"

    monkeypatch.setattr(a2a, "spoken_question", spoken_question)
    items = draw_said(0, 60)
    assert set(items) <= set(t2a.draw_training(0, 200))
    rows = asked_aloud(items, "train", seed=0)
    for row, (text, language) in zip(rows, heard, strict=True):
        english = row.item.dialogue.language == "en"
        assert (row.question, language) == (
            ("Say:", "en-us") if english else ("读：", "cmn")
        )
        assert text == spoken(row.item.dialogue.marked_answer)[0]
    assert any("[[" in text for text, _ in heard)  # a pronunciation is forced


def test_pictures_come_with_written_or_spoken_questions() -> None:
    rows = draw_rows("train", 60, seed=0)
    spoken = [row for row in rows if row.speech is not None]
    assert 10 <= len(spoken) <= 30
    for row in rows:
        assert row.question.startswith("<image>\n")
        written = row.question.removeprefix("<image>\n")
        language = row.item.dialogue.language
        assert written == "" if row.speech else written in QUESTIONS[language]
        with Image.open(io.BytesIO(row.picture)) as picture:
            assert picture.size == (64, 64)
            assert picture.format in ("PNG", "JPEG")
    assert {row.item.voice for row in rows} - set(SEEN_VOICES)


def test_a_scene_is_drawn_anew_for_each_of_its_pictures() -> None:
    rows = draw_rows("train_more", 8, seed=0)
    assert len(rows) == 24
    for first in range(0, 24, 3):
        three = rows[first : first + 3]
        assert len({row.item.key for row in three}) == 1  # one recording
        assert len({row.picture for row in three}) == 3


def test_the_test_shows_what_training_never_does() -> None:
    rng = np.random.default_rng(0)
    for held_out in (True, False):
        for _ in range(40):
            scene = random_scene(rng, held_out=held_out)
            assert {is_held_out(thing) for thing in scene.things} == {held_out}
    answers = [{row.item.dialogue.answer for row in draw_rows(split, 80, 0)}
               for split in ("train", "test")]  # fmt: skip
    assert not answers[0] & answers[1]
    assert {row.item.voice for row in draw_rows("test", 40, 0)} <= set(VOICES)
