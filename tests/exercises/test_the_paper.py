"""The checkers of chapter 12 pass right answers and say what is wrong with others."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from minimind_o.evaluation.claims import Check, verdict_of
from minimind_o.evaluation.statistics import student_mean
from minimind_o.exercises import the_paper as exercises
from tests.exercises.verdicts import assert_right, assert_wrong


def own_verdict(values, bound, t):
    n = len(values)
    mean = sum(values) / n
    spread = (sum((v - mean) ** 2 for v in values) / (n - 1)) ** 0.5
    low = mean - t * spread / n**0.5
    if low > bound:
        return "reproduced"
    return "partly" if mean > bound else "not"


def own_confounds(first, second, asked):
    nothing = object()
    names = {*first, *second}
    differing = [n for n in names if first.get(n, nothing) != second.get(n, nothing)]
    return [n for n in differing if n != asked]


def own_range(printed, digits):
    half = 5 * 10 ** -(digits + 1)
    return np.mean([p - half for p in printed]), np.mean([p + half for p in printed])


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (exercises.check_verdict, own_verdict),
        (exercises.check_confounds, own_confounds),
        (exercises.check_mean_range, own_range),
    ],
)
def test_a_right_answer_passes_and_a_stub_is_to_do(check, answer, capsys):
    assert_right(check, answer, capsys)


def by_the_mean(values, bound, t):
    return "reproduced" if np.mean(values) > bound else "not"


def by_the_spread(values, bound, t):
    mean, spread = np.mean(values), np.std(values, ddof=1)
    if mean <= bound:
        return "not"
    return "reproduced" if mean - t * spread > bound else "partly"


def of_all_there_are(values, bound, t):
    mean, error = np.mean(values), np.std(values) / len(values) ** 0.5
    if mean <= bound:
        return "not"
    return "reproduced" if mean - t * error > bound else "partly"


def above_zero(values, bound, t):
    return own_verdict(values, 0, t)


def among_the_first(first, second, asked):
    return [n for n in first if n != asked and first[n] != second.get(n)]


def all_that_differs(first, second, asked):
    return own_confounds(first, second, None)


def shrinking(printed, digits):
    low, high = own_range(printed, digits)
    middle = (low + high) / 2
    reach = (high - middle) / len(printed) ** 0.5
    return middle - reach, middle + reach


def whole_digit(printed, digits):
    mean = np.mean(printed)
    return mean - 10.0**-digits, mean + 10.0**-digits


@pytest.mark.parametrize(
    ("check", "answer", "words"),
    [
        (exercises.check_verdict, by_the_mean, "reaches below the bound"),
        (exercises.check_verdict, by_the_spread, "s / sqrt(n)"),
        (exercises.check_verdict, of_all_there_are, "n - 1 below its root"),
        (exercises.check_verdict, above_zero, "the bound is 0.7"),
        (exercises.check_verdict, lambda v, b, t: True, "give 'reproduced'"),
        (exercises.check_confounds, among_the_first, "only one of the runs has noise"),
        (exercises.check_confounds, all_that_differs, "that is what is asked"),
        (exercises.check_confounds, lambda a, b, c: "start", "a list of names"),
        (exercises.check_mean_range, shrinking, "each of the three may be"),
        (exercises.check_mean_range, whole_digit, "0.45 and 0.55"),
        (exercises.check_mean_range, lambda p, d: 0.5, "two numbers"),
    ],
)
def test_a_wrong_answer_is_told_why(check, answer, words, capsys):
    assert_wrong(check, answer, words, capsys)


def test_the_rule_of_the_exercise_is_that_of_the_claims():
    rng = np.random.default_rng(0)
    check = Check(what="w", above=0.0)
    seen = set()
    for _ in range(200):
        values = rng.normal(0.3, 0.4, 3)
        by_scipy = ttest_1samp(values, 0).confidence_interval(0.95)
        t = (by_scipy.high - values.mean()) / (values.std(ddof=1) / 3**0.5)
        found = exercises.verdict(values, 0.0, t)
        assert found == verdict_of(check, student_mean(list(values)))
        seen.add(found)
    assert len(seen) == 3
