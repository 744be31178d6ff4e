"""Synthetic speech: the voices, where words begin, and which frame speaks which."""

import hashlib
import re
import subprocess
import sys
import time

import numpy as np
import pytest

from minimind_o.data.facts import spoken
from minimind_o.data.speech import (
    SAMPLE_RATE,
    SEEN_VOICES,
    UNSEEN_VOICES,
    VOICES,
    Voice,
    random_voice,
    render,
)
from minimind_o.data.world import Dialogue
from minimind_o.errors import UserError
from minimind_o.nano.alignment import frame_alignment
from minimind_o.nano.answers import speak
from minimind_o.nano.llm import WorldText

TEXT = "The old teacher reads a letter by the window."
FRAME_SIZE = 1920


def colour(wave: np.ndarray) -> np.ndarray:
    """Mean log energy per frequency: who speaks, whatever is said."""
    frames = wave[: len(wave) // 1024 * 1024].reshape(-1, 1024) * np.hanning(1024)
    return np.log((np.abs(np.fft.rfft(frames)) ** 2).mean(axis=0) + 1e-5)


def test_five_voices_are_seen_and_seven_are_not() -> None:
    assert SEEN_VOICES == ("ada", "ben", "clara", "dan", "eva")
    assert UNSEEN_VOICES == ("frank", "gina", "hugo", "iris", "jack", "kate", "leo")


def test_a_voice_is_known_among_the_twelve_by_another_sentence() -> None:
    texts = (
        f"{TEXT} We will walk slowly over the bridge tomorrow. A cow and a sheep live "
        "on the farm. Please tell me what is nine plus eleven.",
        "Seven happy children play in the warm garden. My brother likes cold milk and "
        "sweet bread. Every Monday the queen buys yellow flowers. The fast horse jumps "
        "over a small river.",
    )
    known, heard = (
        {name: colour(render(text, "en-us", v).wave) for name, v in VOICES.items()}
        for text in texts
    )
    for name in VOICES:
        distances = {
            other: np.abs(heard[name] - known[other]).mean() for other in known
        }
        assert min(distances, key=lambda other: distances[other]) == name, distances


@pytest.mark.parametrize("name", VOICES)
def test_a_wave_is_mono_float_at_24_khz_and_does_not_clip(name: str) -> None:
    utterance = render(TEXT, "en-us", VOICES[name])
    assert SAMPLE_RATE == 24_000
    assert utterance.wave.dtype == np.float32
    assert utterance.wave.ndim == 1
    assert 1.0 < len(utterance.wave) / SAMPLE_RATE < 2.5  # nine short words
    assert 0.05 < np.abs(utterance.wave).max() <= 0.951


def test_words_and_phonemes_come_in_order_and_within_the_wave() -> None:
    for language, text in (("en-us", TEXT), ("cmn", "我喜欢红苹果和绿茶。")):
        utterance = render(text, language, VOICES["ben"])
        offsets = [offset for offset, _ in utterance.words]
        samples = [sample for _, sample in utterance.words]
        assert samples == sorted(samples)
        assert offsets == sorted(offsets)
        assert 0 <= samples[0] < samples[-1] < len(utterance.wave)
        times = [sample for _, sample in utterance.phonemes]
        assert times == sorted(times)
        assert times[-1] <= len(utterance.wave)
    english = render(TEXT, "en-us", VOICES["ben"])
    words = [TEXT[offset:].split()[0] for offset, _ in english.words]
    assert words == TEXT.split()


def test_a_word_begins_where_it_is_said_to_begin() -> None:
    text = "It is red. The dog sleeps."
    utterance = render(text, "en-us", VOICES["ben"])
    (second,) = (
        s for offset, s in utterance.words if text[offset:] == "The dog sleeps."
    )
    # Between the two sentences there is silence, and the second breaks it.
    before = np.abs(utterance.wave[second - 2400 : second - 240]).max()
    after = np.abs(utterance.wave[second : second + 2400]).max()
    assert before < 0.02 < after


def test_rendering_is_the_same_in_every_process() -> None:
    script = (
        "import hashlib\n"
        "from minimind_o.data.speech import VOICES, render\n"
        f"waves = [render({TEXT!r}, 'en-us', v).wave for v in VOICES.values()]\n"
        "print(hashlib.sha256(b''.join(w.tobytes() for w in waves)).hexdigest())"
    )
    command = [sys.executable, "-c", script]
    digests = set()
    for _ in range(2):
        started = time.monotonic()
        run = subprocess.run(command, check=True, capture_output=True, text=True)
        digests.add(run.stdout)
        # A generator seeded by the clock would be seeded by its seconds.
        time.sleep(max(0.0, 1.1 - (time.monotonic() - started)))
    assert len(digests) == 1
    assert digests != {hashlib.sha256(b"").hexdigest() + "\n"}


def test_random_voices_follow_the_generator() -> None:
    one, same = (random_voice(np.random.default_rng(3), "x") for _ in range(2))
    assert one == same
    assert random_voice(np.random.default_rng(4), "x") != one
    for seed in range(20):
        assert len(
            render(
                "a red cat", "en-us", random_voice(np.random.default_rng(seed), "x")
            ).wave
        )


def test_an_unknown_language_or_variant_is_named() -> None:
    with pytest.raises(UserError, match=r"no voice 'xx\+f2'"):
        render("hello", "xx", VOICES["ada"])
    nobody = Voice(
        name="nobody", variant="x9", pitch=50, pitch_range=50, rate=180, seen=False
    )
    with pytest.raises(UserError, match=r"no voice 'en-us\+x9'"):
        render("hello", "en-us", nobody)
    assert len(render("hello", "en-us", VOICES["ada"]).wave)


@pytest.mark.parametrize("text", ["", "...", " "])
def test_a_text_without_sound_is_named(text: str) -> None:
    with pytest.raises(UserError, match=f"no sound for '{text}'"):
        render(text, "en-us", VOICES["ada"])


@pytest.fixture(scope="module")
def dialogues() -> list[Dialogue]:
    """Drawn answers, and some with forced pronunciation."""
    world = WorldText(11)
    drawn = [world.draw(0.6) for _ in range(400)]
    forced = [d for d in drawn if "{" in d.marked_answer]
    return drawn[:60] + forced


def test_alignment_walks_along_the_text(dialogues: list[Dialogue]) -> None:
    missed, total = 0, 0
    for index, dialogue in enumerate(dialogues):
        utterance, origins = speak(dialogue, SEEN_VOICES[index % 5])
        alignment = np.array(
            frame_alignment(utterance, origins, dialogue.answer, FRAME_SIZE)
        )
        assert len(alignment) == -(-len(utterance.wave) // FRAME_SIZE)
        silent = np.flatnonzero(alignment < 0)
        speaking = alignment[alignment >= 0]
        assert len(speaking), dialogue
        assert (np.diff(speaking) >= 0).all(), dialogue
        # Silence comes only after the speech, at most two frames of it.
        assert len(silent) <= 3
        assert (silent >= len(speaking)).all(), dialogue
        assert speaking[0] < 3  # the first letter's sound may end within the frame
        assert all(dialogue.answer[character].isalnum() for character in speaking)
        if dialogue.language == "en":
            named = set(speaking.tolist())
            words = [
                set(range(*match.span()))
                for match in re.finditer(r"[A-Za-z']+", dialogue.answer)
            ]
            missed += sum(not word & named for word in words)
            total += len(words)
    # Only words shorter than a frame of 80 ms ("a", "is") may be passed over.
    assert missed < 0.05 * total


def test_alignment_names_a_forced_word_by_its_place_in_the_text() -> None:
    text, origins = spoken("I wind{w'aInd} the clock")
    utterance = render(text, "en-us", VOICES["ben"])
    alignment = frame_alignment(utterance, origins, "I wind the clock", FRAME_SIZE)
    named = set(alignment) - {-1}
    assert named <= {0, *range(2, 6), *range(7, 10), *range(11, 16)}
    assert {0, 2} <= named
    assert named & set(range(11, 16))
    assert len(named & set(range(2, 6))) > 1  # its sounds are laid over its letters


def test_a_sentence_said_to_begin_at_the_space_before_begins_at_its_word() -> None:
    text, origins = spoken("cat. dog.")
    utterance = render(text, "en-us", VOICES["ben"])
    assert [text[offset] for offset, _ in utterance.words] == ["c", " "]
    assert 5 in frame_alignment(utterance, origins, "cat. dog.", FRAME_SIZE)


def test_alignment_of_another_frame_size_has_as_many_more_frames() -> None:
    text, origins = spoken("one two three")
    utterance = render(text, "en-us", VOICES["ben"])
    coarse = frame_alignment(utterance, origins, "one two three", FRAME_SIZE)
    fine = frame_alignment(utterance, origins, "one two three", FRAME_SIZE // 4)
    assert {0, 4, 8} <= set(fine) - {-1} <= {0, 1, 2, 4, 5, 6, *range(8, 13)}
    # A fine frame is judged by its own middle, an eighth of a coarse one further.
    steps = np.array([fine[4 * i + 2] - c for i, c in enumerate(coarse[:-1])])
    assert (steps >= 0).all()
    assert steps.mean() < 1
