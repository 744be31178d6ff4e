"""Model directories: `config.json` and `model.safetensors`, in the released names."""

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from minimind_o.config import OmniConfig
from minimind_o.errors import UserError

WEIGHTS_FILE = "model.safetensors"


def read_weights(directory: str | Path) -> tuple[dict[str, Tensor], str]:
    """Read `model.safetensors`; return its tensors and its path for messages.

    Raises:
        UserError: no such file, or a truncated or damaged one.
    """
    path = Path(directory) / WEIGHTS_FILE
    if not path.is_file():
        raise UserError(
            f"There is no {path}; a model directory holds config.json and "
            f"{WEIGHTS_FILE}."
        )
    try:
        return load_file(path), str(path)
    except (SafetensorError, OSError) as error:
        raise UserError(
            f"{path} is truncated or not a safetensors file ({error}); make or fetch "
            "it again."
        ) from None


def write_weights(
    directory: str | Path,
    config: OmniConfig,
    tensors: Mapping[str, Tensor],
    dtype: torch.dtype | None,
) -> None:
    """Write both files; `dtype` None keeps the tensors' own.

    The weights appear under their name only when complete, so an interrupted save
    leaves the older file as it was.
    """
    config.save(directory)
    path = Path(directory) / WEIGHTS_FILE
    partial = path.with_suffix(".partial")
    save_file(
        {
            name: tensor.detach().to("cpu", dtype, copy=True).contiguous()
            for name, tensor in tensors.items()
        },
        partial,
        metadata={"format": "pt"},
    )
    os.replace(partial, path)
