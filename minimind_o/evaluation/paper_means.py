"""The paper's means, taken again from its rows: with a row left out, and by length.

The paper prints rates to three or four digits. So a mean over its rows is known only to
half a unit of their last digit, and so is the printed mean: two figures agree where
these two ranges meet. Decimal arithmetic, so that a half is a half.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from itertools import combinations

from minimind_o.evaluation.paper import BucketRate, Metric, QuestionRate

ROW_DIGITS = 3
"""Digits after the point in table 9."""
MEAN_DIGITS = 4
"""Digits after the point in every table of means and in rows of tables 7 and 10."""


@dataclass(frozen=True, kw_only=True)
class Recomputed:
    """A printed mean next to the mean of the printed rows."""

    printed: float
    mean: float
    """Of the rows as they are printed."""
    is_same: bool
    """It comes out at the printed digits, a half rounded up."""
    is_within_rounding: bool
    """The rows may have been rounded from such that it does."""


def recompute(
    printed: float, rows: Sequence[float], row_digits: int = MEAN_DIGITS
) -> Recomputed:
    """Take a mean again and compare it with the printed one.

    Args:
        printed: the paper's mean, to `MEAN_DIGITS`.
        rows: what it is the mean of, to `row_digits`.
        row_digits: digits after the point in the rows.
    """
    mean = sum(map(_exact, rows), Decimal(0)) / len(rows)
    unit = Decimal(10) ** -MEAN_DIGITS
    slack = (unit + Decimal(10) ** -row_digits) / 2
    return Recomputed(
        printed=printed,
        mean=float(mean),
        is_same=mean.quantize(unit, ROUND_HALF_UP) == _exact(printed),
        is_within_rounding=abs(mean - _exact(printed)) <= slack,
    )


def mean_rate(
    rows: Sequence[QuestionRate],
    model: str,
    metric: Metric,
    without: Collection[int] = (),
) -> float:
    """A model's mean over the questions, those numbered in `without` left out."""
    kept = [
        getattr(row, metric)
        for row in rows
        if row.model == model and row.id not in without
    ]
    return float(sum(map(_exact, kept), Decimal(0)) / len(kept))


def leave_one_out(
    rows: Sequence[QuestionRate], model: str, metric: Metric = "cer"
) -> dict[int, float]:
    """The mean without each question in turn, by its number."""
    numbers = [row.id for row in rows if row.model == model]
    return {n: mean_rate(rows, model, metric, without={n}) for n in numbers}


def members(
    bucket: BucketRate, rows: Sequence[QuestionRate]
) -> list[tuple[QuestionRate, ...]]:
    """Which of a model's questions with errors can be the ones in its bucket.

    The paper does not say which question is in which bucket, but a bucket's mean times
    its number of answers is the sum of their rates. All sets that give both sums, of
    CER and of WER, to rounding; questions without any error may be in it or not.
    """
    wrong = [
        row for row in rows if row.model == bucket.model and max(row.cer, row.wer) > 0
    ]
    return [
        chosen
        for size in range(min(len(wrong), bucket.n) + 1)
        for chosen in combinations(wrong, size)
        if _sums_to(bucket.cer, bucket.n, [row.cer for row in chosen])
        and _sums_to(bucket.wer, bucket.n, [row.wer for row in chosen])
    ]


def bucket_without(
    bucket: BucketRate, row: QuestionRate, metric: Metric = "cer"
) -> float:
    """A bucket's mean once one of its answers is left out, at least 0."""
    total = _exact(getattr(bucket, metric)) * bucket.n
    rest = (total - _exact(getattr(row, metric))) / (bucket.n - 1)
    return float(max(rest, Decimal(0)))


def possible_counts(
    rate: float, lengths: range, digits: int = ROW_DIGITS
) -> list[tuple[int, int]]:
    """(errors, reference length) that give a rate at the printed digits.

    A rate is a fraction of two whole numbers, and few fractions with a small
    denominator come near to any number with three digits.
    """
    half = Decimal(10) ** -digits / 2
    found = []
    for length in lengths:
        errors = int((_exact(rate) * length).to_integral_value(ROUND_HALF_UP))
        if abs(Decimal(errors) / length - _exact(rate)) <= half:
            found.append((errors, length))
    return found


def _sums_to(mean: float, n: int, rates: Sequence[float]) -> bool:
    of_mean = n * Decimal(10) ** -MEAN_DIGITS / 2
    of_rows = len(rates) * Decimal(10) ** -ROW_DIGITS / 2
    total = sum(map(_exact, rates), Decimal(0))
    return abs(_exact(mean) * n - total) <= of_mean + of_rows


def _exact(printed: float) -> Decimal:
    """The decimal number that was printed, not the nearest binary one."""
    return Decimal(repr(printed))
