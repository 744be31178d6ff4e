"""Intervals: how far a figure would move with other items of its kind, or other seeds.

Of many items (utterances): they are drawn again with replacement, the figure is
computed anew, and the interval holds the middle of those values (the percentile
bootstrap, Efron 1979; for word error rates Bisani and Ney 2004). Of a few runs that
differ by their seed: too few to be drawn from, so Student's t.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student_t

NUM_RESAMPLES = 2000


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A figure, its interval and the number of items behind it."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}] (n={self.n})"


def bootstrap_ratio(
    numerators: Sequence[float],
    denominators: Sequence[float],
    *,
    level: float = 0.95,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Ratio of sums over items, as in a corpus error rate (errors / reference length).

    Long items weigh more than short ones. Raises ``ValueError`` for no items, for
    unequal lengths, for a negative denominator and where all denominators are zero.
    An interval of zero width says that no item differed, not that none ever will:
    with no error in n items the rate may still be about 3 / n.
    """
    top_N = np.asarray(numerators, dtype=np.float64)
    bottom_N = np.asarray(denominators, dtype=np.float64)
    if top_N.ndim != 1 or top_N.shape != bottom_N.shape:
        raise ValueError(
            f"numerators {top_N.shape} and denominators {bottom_N.shape} must be two "
            "lists of the same length"
        )
    if not 0 < level < 1:
        raise ValueError(f"level {level} is not between 0 and 1")
    if len(top_N) == 0:
        raise ValueError("an estimate needs at least one item")
    if (bottom_N < 0).any() or bottom_N.sum() == 0:
        raise ValueError("denominators must not be negative nor all zero")
    rng = np.random.default_rng(seed)
    num_items = len(top_N)
    ratios = np.full(num_resamples, np.nan)
    for index in range(num_resamples):
        drawn = rng.integers(num_items, size=num_items)
        total = bottom_N[drawn].sum()
        if total > 0:
            ratios[index] = top_N[drawn].sum() / total
    tail = 100 * (1 - level) / 2
    low, high = np.nanpercentile(ratios, [tail, 100 - tail])
    value = float(top_N.sum() / bottom_N.sum())
    return Estimate(value=value, low=float(low), high=float(high), n=num_items)


def bootstrap_mean(
    values: Sequence[float],
    *,
    level: float = 0.95,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Mean over items, each weighing the same; raises as ``bootstrap_ratio`` does."""
    return bootstrap_ratio(
        values,
        np.ones(len(values)).tolist(),
        level=level,
        num_resamples=num_resamples,
        seed=seed,
    )


def student_mean(values: Sequence[float], *, level: float = 0.95) -> Estimate:
    """Mean over runs with different seeds, with Student's interval.

    It takes the runs' figures to be spread as a normal distribution is. Of three runs
    it is 4.3 standard errors wide to either side, of many it is 2.0. Raises
    ``ValueError`` for fewer than two values, of which no spread can be known.
    """
    found_N = np.asarray(values, dtype=np.float64)
    if found_N.ndim != 1 or len(found_N) < 2:
        raise ValueError(f"an interval needs two values, of two seeds, not {values!r}")
    if not 0 < level < 1:
        raise ValueError(f"level {level} is not between 0 and 1")
    count = len(found_N)
    error = found_N.std(ddof=1) / np.sqrt(count)
    reach = float(student_t.ppf((1 + level) / 2, count - 1) * error)
    value = float(found_N.mean())
    return Estimate(value=value, low=value - reach, high=value + reach, n=count)
