"""The checkers of chapter 10 pass right answers and say what is wrong with others."""

import numpy as np
import pytest

from minimind_o.exercises import voices as exercises
from tests.exercises.verdicts import assert_right, assert_wrong


def own_cosine(a, b):
    a, b = a / np.sqrt((a**2).sum()), b / np.sqrt((b**2).sum())
    return (a * b).sum()


def own_nearest(vector, known):
    cosines = {name: own_cosine(vector, other) for name, other in known.items()}
    return sorted(cosines, key=cosines.get)[-1]


def own_positions(assistant_start, num_reference):
    first = max(1, assistant_start - num_reference)
    return first - 1, first


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (exercises.check_cosine, own_cosine),
        (exercises.check_nearest_voice, own_nearest),
        (exercises.check_prompt_positions, own_positions),
    ],
)
def test_a_right_answer_passes_and_a_stub_is_to_do(check, answer, capsys):
    assert_right(check, answer, capsys)


def by_distance(vector, known):
    return min(known, key=lambda name: np.linalg.norm(vector - known[name]))


@pytest.mark.parametrize(
    ("check", "answer", "words"),
    [
        (exercises.check_cosine, np.dot, "divide it by the lengths"),
        (exercises.check_cosine, lambda a, b: 1.0, "it is 0"),
        (exercises.check_nearest_voice, by_distance, "Distance is not what counts"),
        (exercises.check_nearest_voice, lambda v, k: 0, "give a voice's name"),
        (
            exercises.check_prompt_positions,
            lambda start, frames: (start - frames - 1, start - frames),
            "no position below 0",
        ),
        (
            exercises.check_prompt_positions,
            lambda start, frames: (0, 1),
            "it is (14, 15)",
        ),
        (exercises.check_prompt_positions, lambda start, frames: (1,), "two numbers"),
    ],
)
def test_a_wrong_answer_is_told_why(check, answer, words, capsys):
    assert_wrong(check, answer, words, capsys)
