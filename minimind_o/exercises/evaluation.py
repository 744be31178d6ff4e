"""Chapter 11: answers and checkers for error rates, intervals and normalisers."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from minimind_o.evaluation.numerals import english_number
from minimind_o.exercises.marking import Function, Wrong, mark, same_number


def edit_distance(reference: Sequence[str], heard: Sequence[str]) -> int:
    """The fewest substitutions, deletions and insertions that make one the other."""
    # The row of the table above: the distance of the reference so far to each prefix.
    row = list(range(len(heard) + 1))
    for i, wanted in enumerate(reference, start=1):
        above, row = row, [i]
        for j, found in enumerate(heard, start=1):
            swap = above[j - 1] + (wanted != found)
            row.append(min(swap, above[j] + 1, row[j - 1] + 1))
    return row[-1]


def check_edit_distance(answer: Function) -> Function:
    """Check each kind of error alone, all together, and texts that are empty."""
    cases = (
        ("red", "red", "nothing is wrong"),
        ("red", "rod", "one substitution"),
        ("red", "re", "one deletion"),
        ("red", "reds", "one insertion"),
        ("", "red", "three insertions: there is nothing to compare them with"),
        ("red", "", "three deletions"),
        ("abcd", "bcd", "one deletion; all that comes after is only shifted"),
        ("kitten", "sitting", "two substitutions and an insertion"),
        ("intention", "execution", "five, by the best of several ways"),
    )

    def examine(distance: Function) -> None:
        for reference, heard, because in cases:
            found = distance(list(reference), list(heard))
            question = f"'{reference}' heard as '{heard}'"
            same_number(found, edit_distance(reference, heard), question, because)

    return mark(answer, edit_distance, examine)


def bootstrap_interval(
    values: ArrayLike, num_draws: int, rng: np.random.Generator
) -> tuple[float, float]:
    """The middle 95 % of the means of as many values, drawn again with replacement."""
    array = np.asarray(values, float)
    drawn = rng.choice(array, (num_draws, len(array)))
    low, high = np.percentile(drawn.mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def check_bootstrap_interval(answer: Function) -> Function:
    """Check its place, its width, and that it narrows with the number of values."""

    def examine(interval: Function) -> None:
        rng = np.random.default_rng(0)
        few = rng.exponential(1.0, 30)
        for values in (few, np.tile(few, 9)):
            found = interval(values, 2000, np.random.default_rng(1))
            if np.shape(found) != (2,):
                raise Wrong(f"You give {found!r}; two numbers are wanted: low, high.")
            low, high = map(float, found)
            question = f"{len(values)} values with the mean {values.mean():.2f}"
            if low > high:
                raise Wrong(f"For {question} your low end is above your high end.")
            if np.isclose(low, high):
                raise Wrong(
                    f"For {question} your interval has no width: draw *with* "
                    "replacement, or every draw is the same values in another order."
                )
            right = bootstrap_interval(values, 2000, np.random.default_rng(2))
            width = (high - low) / (right[1] - right[0])
            if width > 2:
                raise Wrong(
                    f"For {question} yours is {width:.1f} times as wide as it must be: "
                    "is it the spread of the values, or that of their *mean*?"
                )
            if not 0.85 < width < 1.15 or abs(low - right[0]) > 0.15 * np.diff(right):
                raise Wrong(
                    f"For {question} you give {low:.2f} to {high:.2f}; it is about "
                    f"{right[0]:.2f} to {right[1]:.2f}: from the 2.5th to the 97.5th "
                    "percentile of the means."
                )

    return mark(answer, bootstrap_interval, examine)


def spell_out(text: str) -> str:
    """Lower case, numbers and their signs as words, only letters and apostrophes."""
    text = text.lower().replace("\u2019", "'")
    text = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    text = re.sub(r"(?<!\w)-(?=\d)", "minus ", text)
    text = re.sub(r"(?<=\d)\.(?=\d)", " point ", text)
    text = re.sub(r"\d+", lambda match: f" {english_number(int(match[0]))} ", text)
    return " ".join(re.sub(r"[^a-z' ]", " ", text).split())


SAME = (
    ("It is Red!", "it is red"),
    ("I have 50.", "i have fifty"),
    ("Twenty-one days", "21 days"),
    ("1,000 cats", "one thousand cats"),
    ("Wait - what?", "wait what"),
)
"""Spellings of one sound."""
DIFFERENT = (
    ("I have 50.", "i have fifteen"),
    ("It is -5 degrees.", "it is five degrees"),
    ("We're here.", "were here"),
    ("3.5 days", "thirty five days"),
    ("It is not red.", "it is red"),
)
"""What is written, and something else that was heard."""


def check_spell_out(answer: Function) -> Function:
    """Check that one sound gets one spelling, and that no error is hidden."""

    def examine(normaliser: Function) -> None:
        for written, heard in SAME + DIFFERENT:
            a, b = normaliser(written), normaliser(heard)
            if not isinstance(a, str):
                raise Wrong(f"For '{written}' you give {a!r}; a text is wanted.")
            if (written, heard) in SAME and a != b:
                raise Wrong(
                    f"'{written}' and '{heard}' sound alike, but yours are '{a}' and "
                    f"'{b}': an error where there is none."
                )
            if (written, heard) in DIFFERENT and a == b:
                raise Wrong(
                    f"'{written}' was heard as '{heard}', which is wrong, but yours "
                    f"are both '{a}': the error is hidden."
                )

    return mark(answer, spell_out, examine)
