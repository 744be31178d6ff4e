"""A model cut into parts, one on each process (FSDP), and whole again for a file.

With `fully_shard` a process keeps its share of every weight, gradient and optimiser
state, and a block's weights are put together only while the block runs (Zhao et al.
2023, arXiv 2304.11277). For a model that would not fit on one device; a smaller one is
faster whole on each (`DistributedDataParallel`). The functions here take either.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor

from minimind_o.model.blocks import Block
from minimind_o.training.optimiser import Optimisers
from minimind_o.training.processes import Processes

_WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)
_FROM_WHOLE = StateDictOptions(full_state_dict=True)


def shard(model: nn.Module, processes: Processes) -> None:
    """Cut every block, and what is left of the model, among the processes.

    A scalar cannot be cut: every process has all of these (`exchange_scalars`).
    """
    mesh = init_device_mesh(processes.device.type, (processes.world_size,))
    for module in model.modules():
        if isinstance(module, Block):
            fully_shard(module, mesh=mesh)
    scalars = {parameter for parameter in model.parameters() if parameter.ndim == 0}
    fully_shard(model, mesh=mesh, ignored_params=scalars)


def exchange_scalars(model: nn.Module, processes: Processes) -> None:
    """Take the mean of the gradients that no one else exchanges."""
    if not is_sharded(model):
        return
    for parameter in model.parameters():
        if parameter.grad is not None and not isinstance(parameter, DTensor):
            parameter.grad = processes.mean(parameter.grad)


def clip_gradients(model: nn.Module, max_norm: float) -> Tensor:
    """Scale all gradients so that their norm is `max_norm` at most; the norm before."""
    of_kind: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for parameter in model.parameters():
        if parameter.grad is not None:
            of_kind[isinstance(parameter, DTensor)].append(parameter)
    norms = [
        _whole(nn.utils.get_total_norm([p.grad for p in group if p.grad is not None]))
        for group in of_kind.values()
        if group
    ]
    norm = torch.linalg.vector_norm(torch.stack(norms))
    for group in of_kind.values():
        if group:
            nn.utils.clip_grads_with_norm_(group, max_norm, norm)
    return norm


def is_sharded(model: nn.Module) -> bool:
    """Whether `shard` has been at it."""
    return isinstance(model, FSDPModule)


def weights(model: nn.Module) -> dict[str, Any]:
    """All weights, whole; of a sharded model on the first process, which needs all."""
    if is_sharded(model):
        return get_model_state_dict(model, options=_WHOLE)
    return model.state_dict()


def set_weights(model: nn.Module, whole_weights: dict[str, Any]) -> None:
    """Take over what `weights` gave."""
    if is_sharded(model):
        set_model_state_dict(model, whole_weights, options=_FROM_WHOLE)
    else:
        model.load_state_dict(whole_weights)


def optimiser_states(model: nn.Module, optimiser: Optimisers) -> list[dict[str, Any]]:
    """The states of the optimisers, whole likewise."""
    if not is_sharded(model):
        return optimiser.state_dict()
    return [
        dict(get_optimizer_state_dict(model, each, options=_WHOLE))
        for each in optimiser.optimisers
    ]


def set_optimiser_states(
    model: nn.Module, optimiser: Optimisers, states: list[dict[str, Any]]
) -> None:
    """Take over what `optimiser_states` gave.

    Raises:
        ValueError: the states are of other optimisers or parameters.
    """
    if not is_sharded(model):
        optimiser.load_state_dict(states)
        return
    for each, state in zip(optimiser.optimisers, states, strict=True):
        set_optimizer_state_dict(model, each, state, options=_FROM_WHOLE)


def _whole(tensor: Tensor) -> Tensor:
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
