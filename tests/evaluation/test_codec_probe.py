"""Frames get the phoneme in their middle; the lookup table is scored on new frames."""

import numpy as np
import pytest

from minimind_o.data.speech import Utterance
from minimind_o.evaluation.codec_probe import (
    frame_phonemes,
    guess_accuracy,
    lookup_accuracy,
    lookup_table,
)

PHONEMES = (("_:", 0), ("m", 150), ("'aI", 300), ("_:", 420))
UTTERANCE = Utterance(wave=np.zeros(500, np.float32), words=(), phonemes=PHONEMES)


def test_a_frame_has_the_phoneme_of_its_middle():
    # Middles at 50, 150, 250, 350, 450; a phoneme that starts at the middle counts.
    names = frame_phonemes(UTTERANCE, 5, 100)
    assert names.tolist() == ["_", "m", "m", "aI", "_"]


def test_before_the_first_phoneme_is_silence():
    late = Utterance(wave=UTTERANCE.wave, words=(), phonemes=(("m", 150),))
    assert frame_phonemes(late, 2, 100).tolist() == ["_", "m"]


CODES = np.array([0, 0, 0, 1, 1])
LABELS = np.array(list("aabbc"))


def test_a_code_stands_for_its_commonest_label_the_first_of_equals():
    assert lookup_table(CODES, LABELS) == {0: "a", 1: "b"}


@pytest.mark.parametrize(
    ("codes", "labels", "accuracy"),
    [([0, 1], "ab", 1.0), ([0, 1], "ba", 0.0), ([0, 7, 7, 7], "aabc", 0.5)],
)
def test_accuracy_is_that_on_new_frames(codes, labels, accuracy):
    new = np.array(codes), np.array(list(labels))
    assert lookup_accuracy(CODES, LABELS, *new) == accuracy


def test_chance_is_the_commonest_label_of_the_old_frames():
    assert guess_accuracy(np.array(list("aab")), np.array(list("abbb"))) == 0.25
