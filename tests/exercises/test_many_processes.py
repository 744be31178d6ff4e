"""The checkers of chapter 8 pass right answers and say what is wrong with others."""

import copy

import pytest

from minimind_o.exercises import many_processes as exercises
from tests.exercises.verdicts import assert_right, assert_wrong


def own_mean(sums, counts):
    total = 0.0
    for part in sums:
        total += part
    return total / max(1, sum(counts))


def own_share(rows, rank, world_size):
    first = len(rows) * rank // world_size
    return rows[first : len(rows) * (rank + 1) // world_size]


def own_save(trainer):
    names = ("weight", "momentum", "rng", "steps")
    return {name: copy.deepcopy(getattr(trainer, name)) for name in names}


def own_seconds(compute, size, bandwidth, n):
    return compute + (size - size / n) * 2 / bandwidth


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (exercises.check_mean_over_all, own_mean),
        (exercises.check_share, own_share),
        (exercises.check_save, own_save),
        (exercises.check_step_seconds, own_seconds),
    ],
)
def test_a_right_answer_passes_and_a_stub_is_to_do(check, answer, capsys):
    assert_right(check, answer, capsys)


def mean_of_means(sums, counts):
    means = [s / c for s, c in zip(sums, counts, strict=True) if c]
    return sum(means) / len(means)


def without_the_rest(rows, rank, world_size):
    size = len(rows) // world_size
    return rows[rank * size : (rank + 1) * size]


def with_neighbours(rows, rank, world_size):
    size = -(-len(rows) // world_size)
    return rows[max(0, rank * size - 1) : (rank + 1) * size]


def all_to_the_last(rows, rank, world_size):
    return rows if rank == world_size - 1 else []


def only(*names):
    def save(trainer):
        return {name: copy.deepcopy(getattr(trainer, name)) for name in names}

    return save


@pytest.mark.parametrize(
    ("check", "answer", "words"),
    [
        (exercises.check_mean_over_all, mean_of_means, "the mean of the means"),
        (exercises.check_mean_over_all, lambda s, c: sum(s), "you give 8; it is 2"),
        (exercises.check_share, without_the_rest, "2 rows are nobody's, such as row 8"),
        (exercises.check_share, with_neighbours, "row 3 comes twice"),
        (exercises.check_share, all_to_the_last, "the others would wait"),
        (exercises.check_save, only("weight", "steps", "rng"), "Without the momentum"),
        (exercises.check_save, only("weight", "steps", "momentum"), "Without the rng"),
        (exercises.check_save, vars, "it is no copy"),
        (exercises.check_save, lambda trainer: 3, "a dictionary is wanted"),
        (exercises.check_step_seconds, lambda c, s, b, n: c + s / b, "you give 5 s"),
    ],
)
def test_a_wrong_answer_is_told_why(check, answer, words, capsys):
    assert_wrong(check, answer, words, capsys)
