"""The bootstrap interval is seeded, honest about n and weighs items as it says."""

import numpy as np
import pytest

from minimind_o.evaluation.statistics import bootstrap_mean, bootstrap_ratio


def test_ratio_weighs_items_by_length_and_mean_does_not() -> None:
    errors, lengths = [0, 10], [90, 10]
    assert bootstrap_ratio(errors, lengths).value == pytest.approx(0.1)
    assert bootstrap_mean([0.0, 1.0]).value == pytest.approx(0.5)


def test_same_seed_same_interval_other_seed_other_interval() -> None:
    values = np.random.default_rng(1).random(50).tolist()
    assert bootstrap_mean(values, seed=3) == bootstrap_mean(values, seed=3)
    assert bootstrap_mean(values, seed=3) != bootstrap_mean(values, seed=4)


def test_interval_agrees_with_the_normal_one_and_narrows_with_n() -> None:
    values = np.random.default_rng(2).normal(5.0, 2.0, size=400)
    estimate = bootstrap_mean(values.tolist())
    half = 1.96 * values.std() / 20
    assert estimate.n == 400
    assert estimate.low == pytest.approx(values.mean() - half, abs=0.03)
    assert estimate.high == pytest.approx(values.mean() + half, abs=0.03)
    few = bootstrap_mean(values[:25].tolist())
    assert few.high - few.low > 2 * (estimate.high - estimate.low)


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(200):
        values = (rng.random(60) < 0.3).astype(float).tolist()
        estimate = bootstrap_mean(values, num_resamples=300)
        covered += estimate.low <= 0.3 <= estimate.high
    assert 0.88 <= covered / 200 <= 0.99


def test_higher_level_is_wider() -> None:
    values = [0.0, 0.2, 0.4, 0.1, 0.9, 0.3]
    wide, narrow = bootstrap_mean(values, level=0.99), bootstrap_mean(values, level=0.5)
    assert wide.low < narrow.low
    assert wide.high > narrow.high


def test_resamples_without_any_reference_do_not_spoil_the_interval() -> None:
    estimate = bootstrap_ratio([0, 1], [0, 4])
    assert np.isfinite([estimate.low, estimate.high]).all()


@pytest.mark.parametrize(
    ("numerators", "denominators", "message"),
    [
        ([], [], "at least one"),
        ([1], [1, 2], "same length"),
        ([1, 1], [0, 0], "all zero"),
        ([1, 1], [3, -1], "negative"),
    ],
)
def test_impossible_input_is_refused(
    numerators: list[float], denominators: list[float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        bootstrap_ratio(numerators, denominators)
