"""AdamW with decay on matrices only, and a warm-up–cosine schedule."""

import math

import torch
from torch import nn

from minimind_o.model.omni import OmniModel


def freeze_unreachable(model: OmniModel, thinker_only: bool) -> None:
    """Parameters no example of the stage can reach get no gradient (DDP insists)."""
    unreachable: list[nn.Module] = [model.audio_projector, model.image_projector]
    if thinker_only:
        unreachable.append(model.talker)
    for module in unreachable:
        module.requires_grad_(False)


def build_optimiser(
    model: nn.Module,
    learning_rate: float,
    weight_decay: float,
    thinker_rate: float = 1.0,
) -> torch.optim.AdamW:
    """AdamW (betas 0.9, 0.95); norms, biases, scales and embeddings do not decay.

    `thinker_rate`: the Thinker's learning rate as a share of the others'.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        is_matrix = parameter.ndim >= 2 and "embed" not in name
        share = thinker_rate if name.startswith("thinker.") else 1.0
        key = (weight_decay if is_matrix else 0.0, share)
        groups.setdefault(key, []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": parameters, "weight_decay": decay, "share": share}
            for (decay, share), parameters in groups.items()
        ],
        lr=learning_rate,
        betas=(0.9, 0.95),
        eps=1e-8,
    )


def learning_rate_at(
    step: int, num_steps: int, peak: float, warmup_steps: int
) -> float:
    """Linear warm-up, then a cosine down to 2 % of the peak."""
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, num_steps - warmup_steps)
    return peak * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


def set_learning_rate(optimiser: torch.optim.Optimizer, value: float) -> None:
    """Give every parameter group the rate, or its share of it."""
    for group in optimiser.param_groups:
        group["lr"] = value * group.get("share", 1.0)
