"""The checkers of chapter 5 pass right answers and say what is wrong with others."""

import numpy as np
import pytest
import torch

from minimind_o.exercises import bridge as exercises
from tests.exercises.verdicts import assert_right, assert_wrong


def own_read_layers(states, scale, table):
    rms = (states.square().mean(dim=1, keepdim=True) + 1e-6).sqrt()
    return (states / rms * scale) @ table.T


def own_fit_probe(states, targets, ridge):
    # The ridge as rows: a state of sqrt(ridge) in one direction, whose target is 0.
    width, count = states.shape[1], targets.shape[1]
    more = np.vstack([states, ridge**0.5 * np.eye(width)])
    wanted = np.vstack([targets, np.zeros((width, count))])
    return torch.from_numpy(np.linalg.lstsq(more, wanted, rcond=None)[0])


def own_share_preferred(right, wrong):
    better = [a[0] + a[1] < b[0] + b[1] for a, b in zip(right, wrong, strict=True)]
    return sum(map(bool, better)) / len(better)


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (exercises.check_read_layers, own_read_layers),
        (exercises.check_fit_probe, own_fit_probe),
        (exercises.check_share_preferred, own_share_preferred),
    ],
)
def test_a_right_answer_passes_and_a_stub_is_to_do(check, answer, capsys):
    assert_right(check, answer, capsys)


@pytest.mark.parametrize(
    ("check", "answer", "words"),
    [
        (exercises.check_read_layers, lambda s, g, t: s @ t.T, "not normalised"),
        (
            exercises.check_read_layers,
            lambda s, g, t: (s * g) @ t.T,
            "scaled and not normalised",
        ),
        (
            exercises.check_read_layers,
            lambda s, g, t: own_read_layers(s, torch.ones_like(g), t),
            "scale is missing",
        ),
        (
            exercises.check_read_layers,
            lambda s, g, t: (s / s.square().mean(dim=0).sqrt() * g) @ t.T,
            "over the layers",
        ),
        (
            exercises.check_read_layers,
            lambda s, g, t: (s / s.norm(dim=1, keepdim=True) * g) @ t.T,
            "length of the state",
        ),
        (
            exercises.check_read_layers,
            lambda s, g, t: own_read_layers(s, g, t)[-1],
            "it must be (3, 5)",
        ),
        (
            exercises.check_fit_probe,
            lambda x, y, r: own_fit_probe(x, y, 0.0),
            "ridge is missing",
        ),
        (
            exercises.check_fit_probe,
            lambda x, y, r: torch.linalg.solve(x.T @ x + r, x.T @ y),
            "on the diagonal",
        ),
        (exercises.check_fit_probe, lambda x, y, r: x.T @ y, "not solved"),
        (exercises.check_share_preferred, lambda r, w: 0.1, "you give 0.10: it is"),
        (
            exercises.check_share_preferred,
            lambda r, w: float((r.sum(1) < w.sum(1)).double().mean()),
            "all codebooks",
        ),
        (
            exercises.check_share_preferred,
            lambda r, w: own_share_preferred(w, r),
            "dearer recording",
        ),
        (
            exercises.check_share_preferred,
            lambda r, w: float((r[:, 0] < w[:, 0]).double().mean()),
            "codebook 0 alone",
        ),
        (
            exercises.check_share_preferred,
            lambda r, w: float((r[:, :2].sum(1) <= w[:, :2].sum(1)).double().mean()),
            "no preference",
        ),
    ],
)
def test_a_wrong_answer_is_told_why(check, answer, words, capsys):
    assert_wrong(check, answer, words, capsys)
