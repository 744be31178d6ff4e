"""Chapter 4: answers and checkers for attention, rotary positions and experts.

Shape legend: T position, E width of a head, N position of a batch, X expert.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from minimind_o.exercises.marking import Function, Wrong, mark, same_numbers


def attend(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Causal attention of one head: (T, E) from three (T, E)."""
    scores = queries @ keys.T / math.sqrt(queries.shape[1])
    ahead = torch.ones_like(scores).triu(1).bool()
    return scores.masked_fill(ahead, -torch.inf).softmax(dim=-1) @ values


def check_attend(answer: Function) -> Function:
    """Check the scale, the mask and the sum."""
    generator = torch.Generator().manual_seed(0)
    queries, keys, values = torch.randn(3, 5, 4, generator=generator) * 2
    scores = queries @ keys.T
    ahead = torch.ones(5, 5).triu(1).bool()
    faults = {
        "positions look ahead; a score above the diagonal must count for nothing": (
            (scores / 2).softmax(-1) @ values
        ),
        "the scores are not divided by the root of the head's width": (
            scores.masked_fill(ahead, -torch.inf).softmax(-1) @ values
        ),
        "masked scores are 0 instead of minus infinity": (
            (scores / 2).masked_fill(ahead, 0.0).softmax(-1) @ values
        ),
        "the softmax runs over queries; it must run over keys": (
            (scores / 2).masked_fill(ahead, -torch.inf).T.softmax(-1).T.nan_to_num()
            @ values
        ),
    }

    def examine(write: Function) -> None:
        found = write(queries.clone(), keys.clone(), values.clone())
        right = attend(queries, keys, values)
        same_numbers(found, right, faults)

    return mark(answer, attend, examine)


def rotate(vector: Tensor, angles: Tensor) -> Tensor:
    """Turn each pair (i, i + E/2) of (E,) by its angle of (E/2,)."""
    first, second = vector.chunk(2)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([first * cos - second * sin, second * cos + first * sin])


def check_rotate(answer: Function) -> Function:
    """Check which numbers are pairs, and the direction."""
    generator = torch.Generator().manual_seed(0)
    vector, angles = torch.randn(6, generator=generator), torch.tensor([0.5, 1.0, 2.0])
    pairs = vector.view(3, 2)
    cos, sin = angles.cos(), angles.sin()
    neighbours = torch.stack(
        [pairs[:, 0] * cos - pairs[:, 1] * sin, pairs[:, 1] * cos + pairs[:, 0] * sin],
        dim=1,
    )
    faults = {
        "neighbours are turned; the pairs are i and i + E/2": neighbours.flatten(),
        "the turn goes the other way": rotate(vector, -angles),
    }

    def examine(turn: Function) -> None:
        found = turn(vector.clone(), angles.clone())
        same_numbers(found, rotate(vector, angles), faults)

    return mark(answer, rotate, examine)


def balance(probabilities: Tensor, chosen: Tensor) -> Tensor:
    """X · Σ (share of positions sent to an expert) · (its mean probability)."""
    num_experts = probabilities.shape[1]
    load = F.one_hot(chosen, num_experts).float().mean(dim=0)
    return num_experts * (load * probabilities.mean(dim=0)).sum()


def check_balance(answer: Function) -> Function:
    """Check even use, all in one, and something between."""
    even = torch.full((8, 4), 0.25), torch.arange(8) % 4
    one = F.one_hot(torch.zeros(8, dtype=torch.long), 4).float(), torch.zeros(8).long()
    generator = torch.Generator().manual_seed(0)
    between = torch.randn(8, 4, generator=generator).softmax(-1)
    cases = (
        ("four experts used evenly", *even),
        ("all positions sent to one of four experts", *one),
        ("something between", between, between.argmax(dim=-1)),
    )

    def examine(measure: Function) -> None:
        for question, probabilities, chosen in cases:
            found = float(measure(probabilities.clone(), chosen.clone()))
            right = float(balance(probabilities, chosen))
            if math.isclose(found * probabilities.shape[1], right, rel_tol=1e-4):
                raise Wrong(
                    f"For {question} you give {found:.3f}; multiply by the number of "
                    "experts, so that even use gives 1."
                )
            if not math.isclose(found, right, rel_tol=1e-4):
                raise Wrong(f"For {question} you give {found:.3f}; it is {right:.3f}.")

    return mark(answer, balance, examine)
