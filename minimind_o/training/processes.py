"""One process or many: started plainly or by torchrun, on CPU (gloo) or CUDA (nccl)."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Processes:
    """This process among the others.

    rank, world_size: as torchrun set them; 0 of 1 when started plainly.
    local_rank: the rank on this machine.
    """

    rank: int
    world_size: int
    device: torch.device
    local_rank: int = 0

    @property
    def is_first_here(self) -> bool:
        """The process that speaks for its machine."""
        return self.local_rank == 0

    @property
    def is_main(self) -> bool:
        """The process that writes files."""
        return self.rank == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum of a tensor over all processes."""
        if self.world_size > 1:
            dist.all_reduce(tensor)
        return tensor

    def mean(self, tensor: Tensor) -> Tensor:
        """The mean of a tensor over all processes."""
        return self.sum(tensor) / self.world_size if self.world_size > 1 else tensor

    def gather(self, value: Any) -> list[Any]:
        """A plain value of every process, in order of rank."""
        if self.world_size == 1:
            return [value]
        values: list[Any] = [None] * self.world_size
        dist.all_gather_object(values, value)
        return values

    def barrier(self) -> None:
        """Wait for every process."""
        if self.world_size > 1:
            dist.barrier()

    def close(self) -> None:
        """Leave the process group."""
        if self.world_size > 1:
            dist.destroy_process_group()


ALONE = Processes(rank=0, world_size=1, device=torch.device("cpu"))
"""One process on the CPU."""


def start_processes() -> Processes:
    """Join the process group torchrun describes in the environment, if it does."""
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    has_cuda = torch.cuda.is_available()
    device = torch.device("cuda", local_rank) if has_cuda else torch.device("cpu")
    if has_cuda:
        torch.cuda.set_device(device)
    if world_size > 1:
        dist.init_process_group("nccl" if has_cuda else "gloo")
        return Processes(
            rank=dist.get_rank(),
            world_size=world_size,
            device=device,
            local_rank=local_rank,
        )
    return Processes(rank=0, world_size=1, device=device)


@contextmanager
def on_termination(call: Callable[[], None]) -> Iterator[None]:
    """Inside, SIGTERM calls `call` instead of ending the process."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may say what a signal does
        return
    before = signal.signal(signal.SIGTERM, lambda *_: call())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def has_fast_bf16(device: torch.device) -> bool:
    """Whether bf16 matrix products run in hardware on this device."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return bool(
        torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    )


def autocast(device: torch.device, precision: str) -> AbstractContextManager:
    """bf16 autocast for `bf16`, and for `auto` where it is fast; otherwise fp32."""
    if precision == "bf16" or (precision == "auto" and has_fast_bf16(device)):
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()
