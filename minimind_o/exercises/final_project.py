"""Chapter 14: answers and checkers for intervals over seeds, and verdicts from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minimind_o.ablations.review import VERDICTS, verdict_of
from minimind_o.evaluation.statistics import Estimate, student_mean
from minimind_o.exercises.marking import Function, Wrong, mark


def seed_interval(differences: Sequence[float]) -> tuple[float, float]:
    """Student's 95 % interval for the mean of the differences, one for each seed."""
    found = student_mean(differences)
    return found.low, found.high


def check_seed_interval(answer: Function) -> Function:
    """Check where it lies, and that few seeds make it as wide as they must."""

    def examine(interval: Function) -> None:
        cases = ([0.1, 0.2, 0.3], [-1.0, 1.0], [0.5, 0.4, 0.7, 0.1, 0.3, 0.6])
        for case in cases:
            found = interval(list(case))
            if np.shape(found) != (2,):
                raise Wrong(f"You give {found!r}; two numbers are wanted: low, high.")
            low, high = map(float, found)
            right_low, right_high = seed_interval(case)
            mean, width, right = np.mean(case), high - low, right_high - right_low
            question = f"differences {case}"
            if not np.isclose((low + high) / 2, mean, atol=1e-3):
                raise Wrong(
                    f"For {question} the middle must be their mean, {mean:.2f}."
                )
            biased = np.std(case) / np.std(case, ddof=1)
            if np.isclose(width, right * biased, rtol=1e-3):
                raise Wrong(
                    f"For {question} the spread must be that of a sample: divide by "
                    "n - 1 (ddof=1), not by n."
                )
            if np.isclose(width, right * np.sqrt(len(case)), rtol=1e-3):
                raise Wrong(
                    f"For {question} that is the spread of the differences; their "
                    "*mean* scatters less, by the root of their number."
                )
            if width < 0.95 * right:
                raise Wrong(
                    f"For {question} yours is {width:.2f} wide, not {right:.2f}: is it "
                    "Student's t with n - 1 degrees of freedom, at 0.975?"
                )
            if not np.allclose((low, high), (right_low, right_high), atol=1e-3):
                raise Wrong(
                    f"For {question} you give {low:.3f} to {high:.3f}; it is "
                    f"{right_low:.3f} to {right_high:.3f}."
                )

    return mark(answer, seed_interval, examine)


def verdict(low: float, high: float, margin: float) -> str:
    """What an interval of differences allows to be said, in one word."""
    return verdict_of(Estimate(value=0.0, low=low, high=high, n=3), margin)


CASES = (
    (0.1, 0.4, 0.02, "all of it is above 0"),
    (-0.4, -0.1, 0.02, "all of it is below 0"),
    (-0.3, 0.5, 0.02, "it holds 0, and much else that would matter"),
    (-0.01, 0.015, 0.02, "all of it is too small to matter"),
    (0.001, 0.015, 0.02, "all of it is above 0, but too small to matter"),
    (-0.01, 0.03, 0.02, "it holds 0, and something that would matter"),
    (0.01, 0.03, 0.02, "all of it is above 0, and some of it matters"),
    (-0.01, 0.01, 0.0, "without a margin nothing is too small to matter"),
)
"""Low, high, margin, and why the verdict is what it is."""


def check_verdict(answer: Function) -> Function:
    """Check each verdict, and that no difference *found* is not called none."""

    def examine(word: Function) -> None:
        for low, high, margin, because in CASES:
            found, right = word(low, high, margin), verdict(low, high, margin)
            question = f"[{low}, {high}] with a margin of {margin}"
            if found not in VERDICTS:
                raise Wrong(
                    f"For {question} you say {found!r}; say one of "
                    f"{', '.join(VERDICTS)}."
                )
            if found != right:
                raise Wrong(
                    f"For {question} you say '{found}'; it is '{right}': {because}."
                )

    return mark(answer, verdict, examine)
