"""Chapter 3: answers and checkers for encoder states, projectors and injection.

Shape legend: B batch, T position, L encoder state, E encoder width, D Thinker width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from minimind_o.exercises.marking import (
    Function,
    Wrong,
    mark,
    same_number,
    same_numbers,
    same_shape,
)
from minimind_o.model.projectors import Projector

WINDOW_MS, HOP_MS, STACKED = 25, 10, 6


def num_states(milliseconds: int) -> int:
    """States of a recording: windows of 25 ms every 10 ms, six steps to a state."""
    windows = 1 + (milliseconds - WINDOW_MS) // HOP_MS
    return -(-windows // STACKED)


def check_num_states(answer: Function) -> Function:
    """Check lengths that come out even and lengths that do not."""

    def examine(count: Function) -> None:
        for milliseconds in (1000, 2000, 85, 86, 95, 3333):
            because = (
                "windows that fit whole, 10 ms apart, and then six to a state, the "
                "last state perhaps of fewer"
            )
            same_number(
                count(milliseconds),
                num_states(milliseconds),
                f"{milliseconds} ms",
                because,
            )

    return mark(answer, num_states, examine)


def project(states: Tensor, projector: Projector) -> Tensor:
    """Norm, linear map, GELU, linear map."""
    out: Tensor = projector(states)
    return out


def check_project(answer: Function) -> Function:
    """Check against the module, and that steps were not forgotten."""
    torch.manual_seed(0)
    projector = Projector(6, 5)
    torch.nn.init.normal_(projector.norm.weight, 1.0, 0.3)
    torch.nn.init.normal_(projector.norm.bias, 0.0, 0.3)
    states = torch.randn(2, 4, 6)

    def examine(write: Function) -> None:
        with torch.no_grad():
            found = write(states.clone(), projector)
            right = projector(states)
            hidden = projector.input_proj(projector.norm(states))
            faults = {
                "the norm is missing": projector.output_proj(
                    F.gelu(projector.input_proj(states))
                ),
                "the GELU is missing": projector.output_proj(hidden),
                "there is a ReLU where a GELU belongs": projector.output_proj(
                    F.relu(hidden)
                ),
            }
        same_numbers(found, right, faults, whose="projector")

    return mark(answer, project, examine)


def inject(embedded: Tensor, is_placeholder: Tensor, projected: Tensor) -> Tensor:
    """Embeddings (B, T, D) with projected states (N, D) in the placeholders' place."""
    out = embedded.clone()
    out[is_placeholder] = projected
    return out


def check_inject(answer: Function) -> Function:
    """Check order, rows without placeholders, and that the input is left alone."""
    generator = torch.Generator().manual_seed(0)
    embedded = torch.randn(3, 6, 2, generator=generator)
    mask = torch.zeros(3, 6, dtype=torch.bool)
    mask[0, 1:3] = True
    mask[2, 2:5] = True
    projected = torch.randn(5, 2, generator=generator)

    def examine(place: Function) -> None:
        given = embedded.clone()
        found = place(given, mask.clone(), projected.clone())
        right = inject(embedded, mask, projected)
        if not torch.equal(given, embedded):
            raise Wrong("The embeddings you were given have changed; make a copy.")
        same_shape(found, right)
        if not torch.equal(found[~mask], right[~mask]):
            raise Wrong("A position that is no placeholder has changed.")
        if not torch.allclose(found, right):
            raise Wrong(
                "The placeholders do not hold the states in order: row by row, and in "
                "a row from left to right."
            )

    return mark(answer, inject, examine)
