"""The checkers of chapter 6 pass right answers and say what is wrong with others."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from minimind_o.exercises import talker as exercises
from tests.exercises.verdicts import assert_right, assert_wrong


def own_embed_codes(codes, shared, tables, adapters):
    rows = F.gelu(tables[torch.arange(len(codes)), codes])
    return (shared[codes] + (adapters @ rows[:, :, None])[..., 0]).mean(dim=0)


def own_adapter_parameters(rank, vocab_size, width, num_codebooks):
    one = vocab_size * rank + rank * width
    return sum(one for _ in range(num_codebooks) for _ in ("embedding", "head"))


def own_effective_rank(values):
    shares = [v / float(values.sum()) for v in values.tolist() if v > 0]
    return math.prod(share**-share for share in shares)


def own_cut_rank(matrix, rank):
    # Projected on the leading eigenvectors of X'X.
    _, vectors = np.linalg.eigh((matrix.T @ matrix).numpy())
    kept = torch.from_numpy(vectors[:, ::-1][:, :rank].copy())
    return matrix @ kept @ kept.T


def reading(change):
    """The right answer with one part of its input changed."""
    return lambda *arguments: own_embed_codes(*change(*arguments))


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (exercises.check_embed_codes, own_embed_codes),
        (exercises.check_adapter_parameters, own_adapter_parameters),
        (exercises.check_effective_rank, own_effective_rank),
        (exercises.check_cut_rank, own_cut_rank),
    ],
)
def test_a_right_answer_passes_and_a_stub_is_to_do(check, answer, capsys):
    assert_right(check, answer, capsys)


@pytest.mark.parametrize(
    ("check", "answer", "words"),
    [
        (
            exercises.check_embed_codes,
            lambda c, s, t, a: own_embed_codes(c, s, t, a) * len(c),
            "take their mean",
        ),
        (
            exercises.check_embed_codes,
            reading(lambda c, s, t, a: (c, torch.zeros_like(s), t, a)),
            "shared table is missing",
        ),
        (
            exercises.check_embed_codes,
            reading(lambda c, s, t, a: (c, s, t, torch.zeros_like(a))),
            "adapters are missing",
        ),
        (
            exercises.check_embed_codes,
            reading(lambda c, s, t, a: (c, s, t[:1].expand_as(t), a[:1].expand_as(a))),
            "adapter of codebook 0",
        ),
        (
            exercises.check_embed_codes,
            lambda c, s, t, a: (
                s[c] + (a @ t[torch.arange(len(c)), c][:, :, None])[..., 0]
            ).mean(dim=0),
            "GELU is missing",
        ),
        (exercises.check_embed_codes, lambda c, s, t, a: s[c], "it must be (4,)"),
        (
            exercises.check_adapter_parameters,
            lambda r, v, w, q: r * (v + w) * q,
            "as many in the head",
        ),
        (
            exercises.check_adapter_parameters,
            lambda r, v, w, q: 2 * r * (v + w),
            "each of the 8 codebooks has its own",
        ),
        (
            exercises.check_effective_rank,
            lambda v: math.log(own_effective_rank(v)),
            "the entropy; the rank is",
        ),
        (
            exercises.check_effective_rank,
            lambda v: own_effective_rank(v.square()),
            "not of their squares",
        ),
        (
            exercises.check_effective_rank,
            lambda v: (-(v / v.sum()) * (v / v.sum()).log()).sum().exp(),
            "0 · log 0 counts as 0",
        ),
        (exercises.check_effective_rank, lambda v: len(v), "it is 1.00"),
        (
            exercises.check_cut_rank,
            lambda m, r: m - own_cut_rank(m, m.shape[1] - r),
            "keep the largest",
        ),
        (exercises.check_cut_rank, lambda m, r: m, "nothing is cut off"),
        (exercises.check_cut_rank, lambda m, r: m[:, :r], "it must be (6, 4)"),
    ],
)
def test_a_wrong_answer_is_told_why(check, answer, words, capsys):
    assert_wrong(check, answer, words, capsys)
