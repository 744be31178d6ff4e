"""The checkers of chapter 4 pass right answers and say what is wrong with others."""

import pytest
import torch
import torch.nn.functional as F

from minimind_o.exercises import thinker as exercises
from tests.exercises.verdicts import assert_right, assert_wrong


def own_attend(queries, keys, values):
    batch = (x[None, None] for x in (queries, keys, values))
    return F.scaled_dot_product_attention(*batch, is_causal=True)[0, 0]


def own_rotate(vector, angles):
    half = len(vector) // 2
    turned = torch.complex(vector[:half], vector[half:]) * torch.polar(
        torch.ones(half), angles
    )
    return torch.cat([turned.real, turned.imag])


def own_balance(probabilities, chosen):
    total = 0.0
    for expert in range(probabilities.shape[1]):
        total += (chosen == expert).float().mean() * probabilities[:, expert].mean()
    return probabilities.shape[1] * total


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (exercises.check_attend, own_attend),
        (exercises.check_rotate, own_rotate),
        (exercises.check_balance, own_balance),
    ],
)
def test_a_right_answer_passes_and_a_stub_is_to_do(check, answer, capsys):
    assert_right(check, answer, capsys)


@pytest.mark.parametrize(
    ("check", "answer", "words"),
    [
        (
            exercises.check_attend,
            lambda q, k, v: (q @ k.T / 2).softmax(-1) @ v,
            "look ahead",
        ),
        (
            exercises.check_attend,
            lambda q, k, v: own_attend(q * 2, k, v),
            "root of the head's width",
        ),
        (
            exercises.check_attend,
            lambda q, k, v: (q @ k.T / 2).tril().softmax(-1) @ v,
            "minus infinity",
        ),
        (exercises.check_attend, lambda q, k, v: v[0], "it must be (5, 4)"),
        (exercises.check_rotate, lambda x, a: own_rotate(x, -a), "the other way"),
        (
            exercises.check_balance,
            lambda p, c: own_balance(p, c) / p.shape[1],
            "multiply by the number",
        ),
        (exercises.check_balance, lambda p, c: torch.tensor(2.0), "it is 1.000"),
    ],
)
def test_a_wrong_answer_is_told_why(check, answer, words, capsys):
    assert_wrong(check, answer, words, capsys)
