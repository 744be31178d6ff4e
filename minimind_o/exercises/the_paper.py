"""Chapter 12: answers and checkers for verdicts, confounds and printed means."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minimind_o.exercises.marking import Function, Wrong, mark

REPRODUCED, PARTLY, NOT = "reproduced", "partly", "not"


def verdict(values: ArrayLike, bound: float, t: float) -> str:
    """Whether numbers of several seeds lie above a bound: all of the interval, or not.

    Args:
        values: one number a seed.
        bound: what the claim says they are above.
        t: how many standard errors the interval reaches to either side.
    """
    array = np.asarray(values, float)
    mean = array.mean()
    error = array.std(ddof=1) / np.sqrt(len(array))
    if mean <= bound:
        return NOT
    return REPRODUCED if mean - t * error > bound else PARTLY


def check_verdict(answer: Function) -> Function:
    """Check each verdict, and that the interval is that of the mean over seeds."""
    cases = (
        ([0.3, 0.31, 0.32], 0.0, 4.303, "the seeds agree and are far above"),
        ([-0.3, -0.31, -0.32], 0.0, 4.303, "the seeds agree, on the other side"),
        ([0.3, 0.02, 0.1], 0.0, 4.303, "the interval reaches below the bound"),
        ([0.1, -0.2, -0.01], 0.0, 4.303, "the mean is below the bound"),
        ([0.66, 0.64, 0.65], 0.7, 4.303, "the bound is 0.7, not 0"),
        ([0.1, 0.16, 0.2], 0.0, 4.303, "the standard error is s / sqrt(n)"),
        ([0.1, 0.2, 0.28], 0.0, 3.9, "s has n - 1 below its root (`ddof=1`)"),
        ([0.1, 0.2, 0.3, 0.2, 0.1, 0.3], 0.0, 2.571, "more seeds, a smaller t"),
    )

    def examine(judge: Function) -> None:
        for values, bound, t, because in cases:
            found = judge(np.array(values), bound, t)
            right = verdict(values, bound, t)
            if found not in (REPRODUCED, PARTLY, NOT):
                raise Wrong(
                    f"You give {found!r}; give '{REPRODUCED}', '{PARTLY}' or '{NOT}'."
                )
            if found != right:
                raise Wrong(
                    f"For {values} and the bound {bound:g}, t = {t:g}, you give "
                    f"'{found}'; it is '{right}': {because}."
                )

    return mark(answer, verdict, examine)


def confounds(
    first: Mapping[str, Any], second: Mapping[str, Any], asked: str
) -> list[str]:
    """What differs between two runs besides what one asks about, sorted by name."""
    names = set(first) | set(second)
    return sorted(
        name
        for name in names - {asked}
        if name not in first or name not in second or first[name] != second[name]
    )


def check_confounds(answer: Function) -> Function:
    """Check a clean comparison, one confound, two, and one that only one run has."""
    plain = {"width": 256, "start": "copied", "rate": 0.003, "steps": 200}
    cases: tuple[tuple[dict[str, Any], str, str], ...] = (
        ({"width": 128}, "width", "only the width differs, and that is what is asked"),
        ({"width": 128, "start": "random"}, "width", "the start differs, too"),
        ({"width": 128, "start": "random", "rate": 0.001}, "width", "two differ"),
        ({"width": 128, "start": "random"}, "start", "the start is asked here"),
        ({"width": 128, "noise": 0.05}, "width", "only one of the runs has noise"),
        ({"width": 128, "rate": 0.0}, "width", "0 is a value like any other"),
    )

    def examine(find: Function) -> None:
        for changes, asked, because in cases:
            other = {**plain, **changes}
            for first, second in ((plain, other), (other, plain)):
                found = find(dict(first), dict(second), asked)
                right = confounds(first, second, asked)
                if not isinstance(found, Sequence) or isinstance(found, str):
                    raise Wrong(f"You give {found!r}; a list of names is wanted.")
                if sorted(found) != right:
                    raise Wrong(
                        f"For {first} and {second}, asked about {asked!r}, you give "
                        f"{list(found)}; it is {right}: {because}."
                    )

    return mark(answer, confounds, examine)


def mean_range(printed: Sequence[float], digits: int) -> tuple[float, float]:
    """The lowest and the highest mean that rows printed to so many digits can have."""
    half = 0.5 * 10.0**-digits
    mean = math.fsum(printed) / len(printed)
    return mean - half, mean + half


def check_mean_range(answer: Function) -> Function:
    """Check rows of one and several digits, and rows that differ in number."""
    cases = (
        ([0.5], 1, "0.45 and 0.55 are both printed as 0.5"),
        ([0.1, 0.2, 0.3], 1, "each of the three may be half a digit off"),
        ([0.647, 0.565], 3, "half of the last of three digits is 0.0005"),
        ([0.25] * 20, 2, "twenty rows that are all rounded alike are off alike"),
    )

    def examine(limits: Function) -> None:
        for printed, digits, because in cases:
            found = limits(list(printed), digits)
            if np.shape(found) != (2,):
                raise Wrong(f"You give {found!r}; two numbers are wanted: low, high.")
            right = mean_range(printed, digits)
            if not np.allclose(found, right, rtol=0, atol=10.0**-digits / 1e3):
                low, high = map(float, found)
                raise Wrong(
                    f"For {len(printed)} rows such as {printed[0]} you give {low:.5f} "
                    f"to {high:.5f}; it is {right[0]:.5f} to {right[1]:.5f}: {because}."
                )

    return mark(answer, mean_range, examine)
