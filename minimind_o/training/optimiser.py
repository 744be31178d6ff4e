"""Muon for the matrices of the blocks, AdamW for the rest; warm-up, then a cosine.

Muon costs a part of a small step and needs about half the steps (LOG.md). AdamW alone
is what the released model was trained with.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from minimind_o.model.omni import OmniModel
from minimind_o.training.muon import Muon
from minimind_o.training.processes import ALONE, Processes
from minimind_o.training.recipe import PARTS, TrainingRecipe


def freeze_others(model: OmniModel, learning: Sequence[str]) -> None:
    """Only the parts that learn have gradients: data-parallel training insists."""
    for part in PARTS:
        if part not in learning:
            model.get_submodule(part).requires_grad_(False)


class Optimisers:
    """One or two optimisers, used as one."""

    def __init__(self, *optimisers: torch.optim.Optimizer) -> None:
        self.optimisers = optimisers

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of all of them."""
        return [group for each in self.optimisers for group in each.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        for each in self.optimisers:
            each.zero_grad(set_to_none)

    def step(self) -> None:
        """Update every parameter."""
        for each in self.optimisers:
            each.step()

    def state_dict(self) -> list[dict[str, Any]]:
        """What `load_state_dict` needs to go on."""
        return [each.state_dict() for each in self.optimisers]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        """Go on where a checkpoint stopped.

        Raises:
            ValueError: the states are of other optimisers or parameters.
        """
        for each, state in zip(self.optimisers, states, strict=True):
            each.load_state_dict(state)


def build_optimiser(
    model: nn.Module, recipe: TrainingRecipe, processes: Processes = ALONE
) -> Optimisers:
    """What the recipe names, over the parameters that have gradients.

    Norms, biases, scales and embeddings do not decay; the Thinker learns at
    `recipe.thinker_rate` of the rate.
    """
    groups: dict[tuple[bool, float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        is_matrix = parameter.ndim >= 2 and "embed" not in name
        by_muon = recipe.optimiser == "muon" and is_block_matrix(name, parameter)
        share = recipe.thinker_rate if name.startswith("thinker.") else 1.0
        decay = recipe.weight_decay if is_matrix else 0.0
        groups.setdefault((by_muon, decay, share), []).append(parameter)

    def of(chosen: bool) -> list[dict[str, Any]]:
        return [
            {"params": parameters, "weight_decay": decay, "share": share}
            for (by_muon, decay, share), parameters in groups.items()
            if by_muon == chosen
        ]

    return muon_and_adamw(of(True), of(False), recipe.learning_rate, processes)


def muon_and_adamw(
    by_muon: list[dict[str, Any]],
    by_adamw: list[dict[str, Any]],
    rate: float,
    processes: Processes = ALONE,
) -> Optimisers:
    """Two optimisers over groups of parameters, or one where Muon has none."""
    adamw = torch.optim.AdamW(by_adamw, lr=rate, betas=(0.9, 0.95), eps=1e-8)
    if not by_muon:
        return Optimisers(adamw)
    return Optimisers(Muon(by_muon, rate, processes), adamw)


def is_block_matrix(name: str, parameter: nn.Parameter) -> bool:
    """A linear map inside a block; an expert's gate has too few rows to count."""
    return (
        parameter.ndim == 2 and "layers." in name and not name.endswith(".gate.weight")
    )


def learning_rate_at(
    step: int, num_steps: int, peak: float, warmup_steps: int
) -> float:
    """Linear warm-up, then a cosine down to 2 % of the peak."""
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, num_steps - warmup_steps)
    return peak * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


def set_learning_rate(
    optimiser: torch.optim.Optimizer | Optimisers, value: float
) -> None:
    """Give every parameter group the rate, or its share of it."""
    for group in optimiser.param_groups:
        group["lr"] = value * group.get("share", 1.0)
