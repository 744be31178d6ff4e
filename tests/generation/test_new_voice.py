"""A recording becomes a voice prompt, or one sentence says why not."""

import numpy as np
import pytest

from minimind_o.data.speech import VOICES, render
from minimind_o.errors import UserError
from minimind_o.generation.new_voice import (
    MIN_SPEECH_SECONDS,
    check_name,
    checked_speech,
    loudness,
)

RATE = 24_000


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """Three seconds or so of a clean voice."""
    text = "The old teacher reads a letter by the window."
    return render(text, "en-us", VOICES["frank"]).wave


def with_noise(wave: np.ndarray, level: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, level, len(wave))
    return (wave + noise).astype(np.float32)


def test_good_speech_is_cut_to_where_it_sounds(speech: np.ndarray) -> None:
    quiet = np.zeros(RATE, np.float32)
    cut = checked_speech(np.concatenate([quiet, speech, quiet]), RATE, "it")
    assert abs(len(cut) - len(speech)) < 0.4 * RATE
    assert len(cut) > MIN_SPEECH_SECONDS * RATE


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda wave: wave[: RATE // 2], r"holds 0\.\d s of speech"),
        (lambda wave: wave * 1e-3, "is silent"),
        (np.zeros_like, "is silent"),
        (lambda wave: np.clip(wave * 20, -1, 1), "is clipped"),
        (lambda wave: with_noise(wave, 0.2), "is too noisy"),
    ],
    ids=["short", "faint", "silent", "clipped", "noisy"],
)
def test_what_will_not_do_is_refused(speech, spoil, words) -> None:
    with pytest.raises(UserError, match=f"^it {words}"):
        checked_speech(spoil(speech), RATE, "it")


def test_a_little_noise_is_borne(speech: np.ndarray) -> None:
    checked_speech(with_noise(speech, 0.003), RATE, "it")


def test_loudness_is_in_decibels_of_full_scale() -> None:
    levels = loudness(np.full(RATE, 0.1, np.float32), RATE)
    assert len(levels) == 50
    np.testing.assert_allclose(levels, -20, atol=1e-3)


@pytest.mark.parametrize("name", ["", "Ada", "a/b", "..", "-x", "a" * 33, "zoé"])
def test_a_name_must_make_a_good_file_name(name: str) -> None:
    with pytest.raises(UserError, match="cannot name a voice"):
        check_name(name)
    check_name("gail-2")
