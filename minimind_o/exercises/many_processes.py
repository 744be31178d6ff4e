"""Chapter 8: answers and checkers for training on many processes."""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from minimind_o.exercises.marking import Function, Wrong, mark

# The loss of a whole step


def mean_over_all(sums: Sequence[float], counts: Sequence[int]) -> float:
    """The mean loss of all labels, from each process's sum and number of labels."""
    return sum(sums) / sum(counts)


def check_mean_over_all(answer: Function) -> Function:
    """Check processes with equally many labels, with unequal ones, and with none."""
    cases = (
        ("sums (6, 2) and counts (2, 2)", [6.0, 2.0], [2, 2]),
        ("sums (30, 1) and counts (10, 1)", [30.0, 1.0], [10, 1]),
        ("sums (8, 0, 4) and counts (4, 0, 1)", [8.0, 0.0, 4.0], [4, 0, 1]),
    )

    def examine(mean: Function) -> None:
        for question, sums, counts in cases:
            found, right = float(mean(sums, counts)), mean_over_all(sums, counts)
            if math.isclose(found, right, rel_tol=1e-6):
                continue
            means = [s / c for s, c in zip(sums, counts, strict=True) if c]
            if math.isclose(found, sum(means) / len(means), rel_tol=1e-6):
                raise Wrong(
                    f"For {question} you give {found:g}, the mean of the means: a "
                    f"label counts more where there are few. It is {right:g}."
                )
            raise Wrong(f"For {question} you give {found:g}; it is {right:g}.")

    return mark(answer, mean_over_all, examine)


# Who gets which rows


def share(rows: list[int], rank: int, world_size: int) -> list[int]:
    """The rows of one process of several: every row has one, and none has more work."""
    return rows[rank::world_size]


def check_share(answer: Function) -> Function:
    """Check that every row is somebody's, once, and that nobody has two more."""

    def examine(divide: Function) -> None:
        for num_rows, world_size in ((8, 2), (10, 4), (3, 4), (101, 7)):
            rows = list(range(100, 100 + num_rows))
            shares = [
                list(divide(rows, rank, world_size)) for rank in range(world_size)
            ]
            found = Counter(row for part in shares for row in part)
            question = f"{num_rows} rows on {world_size} processes"
            missing = [row for row in rows if row not in found]
            twice = [row for row, count in found.items() if count > 1]
            if missing:
                raise Wrong(
                    f"With {question} {len(missing)} rows are nobody's, such as row "
                    f"{missing[0] - 100}."
                )
            if twice:
                raise Wrong(f"With {question} row {twice[0] - 100} comes twice.")
            sizes = [len(part) for part in shares]
            if max(sizes) - min(sizes) > 1:
                raise Wrong(
                    f"With {question} one has {max(sizes)} rows and another "
                    f"{min(sizes)}: the others would wait for it."
                )

    return mark(answer, share, examine)


# What a checkpoint holds


class SmallTrainer:
    """Finds the lowest point of a valley, with momentum and with noise.

    weight: where it stands. momentum: how fast it moves. rng: where the noise is from.
    """

    def __init__(self, seed: int = 0) -> None:
        self.weight = np.array([4.0, -3.0])
        self.momentum = np.zeros(2)
        self.rng = np.random.default_rng(seed)
        self.steps = 0

    def step(self) -> float:
        """One update; returns the height before it."""
        height = float((self.weight**2).sum())
        gradient = 2 * self.weight + self.rng.normal(0, 0.5, 2)
        self.momentum *= 0.9  # in place, as optimisers do
        self.momentum += gradient
        self.weight -= 0.02 * self.momentum
        self.steps += 1
        return height

    def load(self, state: dict[str, Any]) -> None:
        """Take over what a checkpoint holds; what it does not stays new."""
        for name, value in copy.deepcopy(state).items():
            setattr(self, name, value)


def save(trainer: SmallTrainer) -> dict[str, Any]:
    """Everything that the next step hangs on, as it is now."""
    return copy.deepcopy(vars(trainer))


def check_save(answer: Function) -> Function:
    """Check that a trainer that was loaded makes the same steps."""

    def examine(store: Function) -> None:
        whole = SmallTrainer()
        for _ in range(5):
            whole.step()
        kept = copy.deepcopy(vars(whole))
        state = store(whole)
        if not isinstance(state, dict):
            raise Wrong(f"You give {type(state).__name__}; a dictionary is wanted.")
        following = [whole.step() for _ in range(5)]
        resumed = SmallTrainer(seed=99)
        resumed.load(state)
        for name, value in kept.items():
            found = getattr(resumed, name)
            if name == "rng":
                is_same = found.bit_generator.state == value.bit_generator.state
            else:
                is_same = np.array_equal(found, value)
            if is_same:
                continue
            if name not in state:
                raise Wrong(f"Without the {name} the run goes on as another one.")
            raise Wrong(
                f"The {name} in your checkpoint changes with the trainer: it is no "
                "copy."
            )
        if [resumed.step() for _ in range(5)] != following:
            raise Wrong("The run goes on as another one.")

    return mark(answer, save, examine)


# How fast many are


def step_seconds(
    compute: float, gradient_bytes: float, bandwidth: float, processes: int
) -> float:
    """Seconds of a step whose gradients are summed around a ring.

    Each process sends, and receives, 2 (n - 1) / n times the gradients (Patarasuk &
    Yuan 2009, doi 10.1016/j.jpdc.2008.09.002).

    Args:
        compute: seconds without any exchange.
        gradient_bytes: of all gradients.
        bandwidth: bytes a second between neighbours.
        processes: n.
    """
    sent = 2 * (processes - 1) / processes * gradient_bytes
    return compute + sent / bandwidth


def check_step_seconds(answer: Function) -> Function:
    """Check one process, two, and very many."""
    cases = ((1.0, 400.0, 100.0, 1), (1.0, 400.0, 100.0, 2), (0.5, 90.0, 10.0, 1000))

    def examine(predict: Function) -> None:
        for compute, size, bandwidth, processes in cases:
            found = float(predict(compute, size, bandwidth, processes))
            right = step_seconds(compute, size, bandwidth, processes)
            if not math.isclose(found, right, rel_tol=1e-6):
                raise Wrong(
                    f"For {compute:g} s of work, {size:g} bytes at {bandwidth:g} bytes "
                    f"a second and {processes} processes you give {found:g} s; it is "
                    f"{right:g} s."
                )

    return mark(answer, step_seconds, examine)
