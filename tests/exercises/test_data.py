"""The checkers of chapter 7 pass right answers and say what is wrong with others."""

import numpy as np
import pytest

from minimind_o.exercises import data as exercises
from tests.exercises.verdicts import assert_right, assert_wrong


def own_unflatten(flat):
    return np.array([flat[q::8] for q in range(8)])


def own_split(texts, every):
    seen = []
    for text in texts:
        if text not in seen:
            seen.append(text)
    held_out = set(seen[::every])
    return [text in held_out for text in texts]


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (exercises.check_unflatten, own_unflatten),
        (exercises.check_split_by_text, own_split),
    ],
)
def test_a_right_answer_passes_and_a_stub_is_to_do(check, answer, capsys):
    assert_right(check, answer, capsys)


@pytest.mark.parametrize(
    ("check", "answer", "words"),
    [
        (
            exercises.check_unflatten,
            lambda flat: np.array(flat).reshape(8, -1),
            "codebook by codebook",
        ),
        (
            exercises.check_unflatten,
            lambda flat: np.array(flat).reshape(-1, 8),
            "frames before codebooks",
        ),
        (
            exercises.check_split_by_text,
            lambda texts, every: [i % every == 0 for i in range(len(texts))],
            "is on both sides",
        ),
        (
            exercises.check_split_by_text,
            lambda texts, every: [False] * len(texts),
            "it is 3",
        ),
        (exercises.check_split_by_text, lambda texts, every: [True], "you give 1 "),
    ],
)
def test_a_wrong_answer_is_told_why(check, answer, words, capsys):
    assert_wrong(check, answer, words, capsys)
