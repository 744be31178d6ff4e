"""The checkers of the quickstart pass right answers and say what others lack."""

import numpy as np
import pytest

from minimind_o.exercises import first_answers as exercises
from tests.exercises.verdicts import assert_right, assert_wrong


def own_gather(events):
    sounds = [e.pcm_N for e in events if hasattr(e, "pcm_N")]
    wave = np.concatenate(sounds) if sounds else np.zeros(0, np.float32)
    return events[-1].text, wave


def twice(events):
    return "".join(getattr(e, "text", "") for e in events), own_gather(events)[1]


def own_probabilities(logits, temperature):
    if temperature == 0:
        return [float(i == np.argmax(logits)) for i in range(len(logits))]
    powers = np.exp(np.array(logits - np.max(logits)) / temperature)
    return powers / powers.sum()


def bare(logits, temperature):
    return np.exp(logits / temperature) / np.exp(logits / temperature).sum()


def careful_but_zero(logits, temperature):
    return bare(logits - np.max(logits), temperature)


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (exercises.check_gather, own_gather),
        (exercises.check_probabilities, own_probabilities),
        (exercises.check_steps_until_heard, lambda frame, q: q + frame),
    ],
)
def test_a_right_answer_passes_and_a_stub_is_to_do(check, answer, capsys):
    assert_right(check, answer, capsys)


@pytest.mark.parametrize(
    ("check", "answer", "words"),
    [
        (exercises.check_gather, twice, "the text twice"),
        (exercises.check_gather, lambda e: own_gather(e)[0], "return two things"),
        (
            exercises.check_gather,
            lambda e: (own_gather(e)[0][1:], own_gather(e)[1]),
            "your text is",
        ),
        (
            exercises.check_gather,
            lambda e: (own_gather(e)[0], own_gather(e)[1][:1920]),
            "has shape",
        ),
        (
            exercises.check_gather,
            lambda e: (own_gather(e)[0], own_gather(e)[1][::-1]),
            "out of order",
        ),
        (
            exercises.check_probabilities,
            lambda x, t: own_probabilities(x, 1.0),
            "For temperature 2",
        ),
        (
            exercises.check_probabilities,
            lambda x, t: own_probabilities(x * t, 1.0),
            "you multiply; divide",
        ),
        (exercises.check_probabilities, bare, "take the maximum off"),
        (exercises.check_probabilities, careful_but_zero, "divide by no 0"),
        (
            exercises.check_probabilities,
            lambda x, t: own_probabilities(x, t)[:2],
            "return 4 numbers",
        ),
        (
            exercises.check_steps_until_heard,
            lambda frame, q: frame,
            "codebook 7 is 7 steps later",
        ),
        (
            exercises.check_steps_until_heard,
            lambda frame, q: frame + 8,
            "with 1 codebooks",
        ),
    ],
)
def test_a_wrong_answer_is_told_why(check, answer, words, capsys):
    assert_wrong(check, answer, words, capsys)
