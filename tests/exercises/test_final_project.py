"""The checkers of chapter 14 pass right answers and say what is wrong with others."""

import re

import numpy as np
import pytest
from scipy import stats

from minimind_o.exercises import final_project as exercises
from tests.exercises.verdicts import stub


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


RIGHT = {"seed_interval": interval, "verdict": word}


def checker(name):
    return getattr(exercises, f"check_{name}")


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_answer_passes_and_is_kept(name, capsys):
    assert checker(name)(RIGHT[name]) is RIGHT[name]
    assert capsys.readouterr().out.startswith("ok: ")


@pytest.mark.parametrize("name", RIGHT)
def test_an_empty_stub_is_to_do_and_the_reference_stands_in(name, capsys):
    assert checker(name)(stub) is getattr(exercises, name)
    assert capsys.readouterr().out.startswith("to do: stub returns nothing yet.")


@pytest.mark.parametrize("name", RIGHT)
def test_the_reference_passes_its_own_checker(name, capsys):
    checker(name)(getattr(exercises, name))
    assert capsys.readouterr().out.startswith("ok: ")


@pytest.mark.parametrize(
    ("name", "wrong", "words"),
    [
        ("seed_interval", lambda d: 0.5, "two numbers"),
        ("seed_interval", lambda d: interval(d, quantile=1.96), "Student's t"),
        ("seed_interval", lambda d: interval(d, ddof=0), "n - 1"),
        ("seed_interval", lambda d: interval(d, root=False), "mean"),
        ("seed_interval", lambda d: (min(d) - 9, max(d) + 3), "middle"),
        ("verdict", lambda a, b, m: "no difference", "say one of"),
        ("verdict", lambda a, b, m: "higher", "'lower'"),
        (
            "verdict",
            lambda a, b, m: "higher" if a > 0 else "lower" if b < 0 else "same",
            "much else that would matter",
        ),
        ("verdict", lambda a, b, m: word(a, b, 0), "too small to matter"),
    ],
)
def test_a_wrong_answer_is_told_why(name, wrong, words, capsys):
    assert checker(name)(wrong) is getattr(exercises, name)
    said = capsys.readouterr().out
    assert said.startswith("not yet: ")
    assert len(said.splitlines()) == 1
    assert re.search(words, said), said
