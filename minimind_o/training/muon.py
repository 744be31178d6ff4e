"""Muon: the update of a matrix is made orthogonal before it is applied.

Jordan et al. 2024 (kellerjordan.github.io/posts/muon); the update is scaled as in Liu
et al. 2025 (arXiv 2502.16982), so that a learning rate means what it means to AdamW.

It computes what `torch.optim.Muon` does, for less: in float32 where bfloat16 would be
emulated (a quarter of the time on such a CPU), and each matrix on one process only,
from which the others have it.

Shapes: a matrix is (M, N), with M at most N while it is made orthogonal.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from minimind_o.training.processes import Processes, has_fast_bf16

MOMENTUM = 0.95
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of x, x³ and x⁵; they bring singular values near 1 soon, not exactly."""
NUM_ITERATIONS = 5
RMS = 0.2
"""Root mean square of an update before the learning rate, as AdamW's is."""


class Muon(torch.optim.Optimizer):
    """For matrices alone; the gradients must be the same on all processes.

    Args:
        params: groups of matrices, each with its `weight_decay`.
        lr: learning rate.
        processes: share the work.
    """

    def __init__(
        self, params: Iterable[dict[str, Any]], lr: float, processes: Processes
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": 0.0})
        self.processes = processes
        matrices = [p for group in self.param_groups for p in group["params"]]
        self._owners = owners([p.shape for p in matrices], processes.world_size)
        is_fast = has_fast_bf16(processes.device)
        self._dtype = torch.bfloat16 if is_fast else torch.float32

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Update every matrix that has a gradient."""
        assert closure is None
        matrices = [
            (parameter, group, owner)
            for (group, parameter), owner in zip(
                self._each(), self._owners, strict=True
            )
            if parameter.grad is not None
        ]
        directions = [
            self._direction(parameter, is_own=owner == self.processes.rank)
            for parameter, _, owner in matrices
        ]
        if self.processes.world_size > 1:
            directions = self._exchanged(directions)
        for (parameter, group, _), direction in zip(matrices, directions, strict=True):
            rate = group["lr"]
            parameter.mul_(1 - rate * group["weight_decay"])
            scale = RMS * math.sqrt(max(parameter.shape))
            parameter.add_(direction, alpha=-rate * scale)

    def _each(self) -> list[tuple[dict[str, Any], Tensor]]:
        return [(group, p) for group in self.param_groups for p in group["params"]]

    def _direction(self, parameter: Tensor, *, is_own: bool) -> Tensor:
        """The momentum made orthogonal, or zeros where another process does that."""
        gradient, state = parameter.grad, self.state[parameter]
        assert gradient is not None
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        momentum = state["momentum_buffer"]
        momentum.lerp_(gradient, 1 - MOMENTUM)
        if not is_own:
            return torch.zeros_like(parameter)
        ahead = gradient.lerp(momentum, MOMENTUM)  # Nesterov's
        return orthogonal(ahead.to(self._dtype)).to(parameter.dtype)

    def _exchanged(self, directions: list[Tensor]) -> list[Tensor]:
        """All of them, from the one process that has each; the others add zeros."""
        flat = self.processes.sum(torch.cat([d.reshape(-1) for d in directions]))
        parts = flat.split([d.numel() for d in directions])
        return [p.view_as(d) for p, d in zip(parts, directions, strict=True)]


def orthogonal(matrix: Tensor) -> Tensor:
    """The nearest matrix with singular values near 1 (Newton-Schulz)."""
    if matrix.shape[0] > matrix.shape[1]:
        return orthogonal(matrix.T).T
    a, b, c = NEWTON_SCHULZ
    x_MN = matrix / matrix.norm().clamp(min=1e-7)
    for _ in range(NUM_ITERATIONS):
        gram_MM = x_MN @ x_MN.T
        update_MM = torch.addmm(gram_MM, gram_MM, gram_MM, beta=b, alpha=c)
        x_MN = torch.addmm(x_MN, update_MM, x_MN, beta=a)
    return x_MN


def owners(shapes: list[torch.Size], num_processes: int) -> list[int]:
    """Which process makes each matrix orthogonal, so that all have about as much."""
    load = [0] * num_processes
    chosen = [0] * len(shapes)
    work = [min(shape) ** 2 * (2 * max(shape) + min(shape)) for shape in shapes]
    for index in sorted(range(len(shapes)), key=lambda i: -work[i]):
        chosen[index] = load.index(min(load))
        load[chosen[index]] += work[index]
    return chosen
