"""Every source of chance a process has, as plain values that a checkpoint can hold."""

import random
from typing import Any

import numpy as np
import torch


def seed_all(seed: int) -> None:
    """Begin every source of chance anew."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 (libraries use it)
    torch.manual_seed(seed)  # CUDA's, too


def random_states() -> dict[str, Any]:
    """The states of python, numpy, torch and, where there are any, CUDA devices."""
    name, keys, *rest = np.random.get_state()  # noqa: NPY002 (libraries use it)
    return {
        "python": random.getstate(),
        "numpy": [name, torch.from_numpy(np.array(keys, np.int64)), *rest],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_random_states(states: dict[str, Any]) -> None:
    """Go on with `random_states` from another time."""
    version, numbers, following = states["python"]
    random.setstate((version, tuple(numbers), following))
    name, keys, *rest = states["numpy"]
    keys = keys.numpy().astype(np.uint32)
    np.random.set_state((name, keys, *rest))  # noqa: NPY002
    torch.set_rng_state(states["torch"])
    if torch.cuda.is_available() and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
