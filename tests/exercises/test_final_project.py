"""The checkers of chapter 14 pass right answers and say what is wrong with others."""

import numpy as np
import pytest
from scipy import stats

from minimind_o.exercises import final_project as exercises
from tests.exercises.verdicts import assert_right, assert_wrong


def interval(differences, quantile=None, ddof=1, root=True):
    n = len(differences)
    quantile = stats.t.ppf(0.975, n - 1) if quantile is None else quantile
    error = np.std(differences, ddof=ddof) / (np.sqrt(n) if root else 1)
    middle = np.mean(differences)
    return middle - quantile * error, middle + quantile * error


def word(low, high, margin):
    if max(-low, high) <= margin and margin > 0:
        return "same"
    return "higher" if low > 0 else "lower" if high < 0 else "undecided"


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (exercises.check_seed_interval, interval),
        (exercises.check_verdict, word),
    ],
)
def test_a_right_answer_passes_and_a_stub_is_to_do(check, answer, capsys):
    assert_right(check, answer, capsys)


@pytest.mark.parametrize(
    ("check", "answer", "words"),
    [
        (exercises.check_seed_interval, lambda d: 0.5, "two numbers"),
        (
            exercises.check_seed_interval,
            lambda d: interval(d, quantile=1.96),
            "Student's t",
        ),
        (exercises.check_seed_interval, lambda d: interval(d, ddof=0), "n - 1"),
        (exercises.check_seed_interval, lambda d: interval(d, root=False), "mean"),
        (exercises.check_seed_interval, lambda d: (min(d) - 9, max(d) + 3), "middle"),
        (exercises.check_verdict, lambda a, b, m: "no difference", "say one of"),
        (exercises.check_verdict, lambda a, b, m: "higher", "'lower'"),
        (
            exercises.check_verdict,
            lambda a, b, m: "higher" if a > 0 else "lower" if b < 0 else "same",
            "much else that would matter",
        ),
        (exercises.check_verdict, lambda a, b, m: word(a, b, 0), "too small to matter"),
    ],
)
def test_a_wrong_answer_is_told_why(check, answer, words, capsys):
    assert_wrong(check, answer, words, capsys)
