"""Files of tensors in the released names: what can be read, and how it is written.

Read are safetensors, whole or in shards with an index, and PyTorch's own files (`.bin`,
`.pth`) as long as nothing is in them but tensors under names. Everything is written
aside and renamed, so that an interrupted save leaves the older file as it was.
"""

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from minimind_o.config import OmniConfig, shortened
from minimind_o.errors import UserError, first_line
from minimind_o.foreign_json import parse_json
from minimind_o.written_aside import file_written_aside

WEIGHTS_FILE = "model.safetensors"
SHARD_INDEX = "model.safetensors.index.json"
PICKLED_WEIGHTS_FILE = "pytorch_model.bin"
PICKLED_SHARD_INDEX = "pytorch_model.bin.index.json"
PICKLED_SUFFIXES = (".pth", ".bin", ".pt")
# What torch's unpickler says of anything that is not on its list, as opposed to damage.
_FOREIGN = re.compile(
    r"GLOBAL \S+ was not an allowed|whose module \S+ is blocked|allowlisted|"
    "must be imported"
)


def find_weights(directory: Path) -> Path:
    """The file (or the index of shards) that holds a directory's weights.

    Raises:
        UserError: there is none, or there are several `.pth` files to choose from.
    """
    for name in (
        WEIGHTS_FILE, SHARD_INDEX, PICKLED_WEIGHTS_FILE, PICKLED_SHARD_INDEX
    ):  # fmt: skip
        if (directory / name).is_file():
            return directory / name
    found = sorted(directory.glob("*.pth"))
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise UserError(
            f"{directory} holds several models ({names}); name one of them."
        )
    if not found:
        raise UserError(
            f"There is no {directory / WEIGHTS_FILE}; a model directory holds "
            f"config.json and {WEIGHTS_FILE} or {PICKLED_WEIGHTS_FILE}, or either in "
            "shards with an index, or else one .pth file."
        )
    return found[0]


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of one file, or of the shards that an index names.

    Raises:
        UserError: no such file, a truncated or damaged one, or one that holds anything
            but floating-point tensors under names.
    """
    if not path.is_file():
        raise UserError(f"There is no model file or folder '{path}'.")
    if path.name.endswith(".index.json"):
        return _read_shards(path)
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if path.suffix in PICKLED_SUFFIXES:
        return _read_pickled(path)
    raise UserError(
        f"{path} is no file of weights by its name: it must end in .safetensors or "
        f"{', '.join(PICKLED_SUFFIXES)}."
    )


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return _checked(load_file(path), path)
    except (SafetensorError, OSError) as error:
        raise UserError(
            f"{path} is truncated or not a safetensors file ({first_line(error)}); "
            "make or fetch it again."
        ) from None


def _read_shards(index: Path) -> dict[str, Tensor]:
    try:
        shard_of = parse_json(index.read_text(encoding="utf-8"))["weight_map"]
        shards = sorted(set(shard_of.values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{index} is no index of shards ({first_line(error)}): it must hold a "
            "weight_map from names to files."
        ) from None
    tensors: dict[str, Tensor] = {}
    for shard in shards:
        is_name = (
            isinstance(shard, str) and 0 < len(shard.encode(errors="replace")) < 256
        )
        if not is_name or Path(shard).name != shard:
            raise UserError(
                f"{index} names {shortened(shard)}; a shard is a file beside its index."
            )
        tensors |= read_tensors(index.parent / shard)
    return tensors


def _read_pickled(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(
            path,
            map_location="cpu",
            weights_only=True,
            mmap=zipfile.is_zipfile(path) or None,
        )
    except Exception as error:  # its unpickler runs into damage in many ways
        if _FOREIGN.search(str(error)):
            raise UserError(
                f"{path} is a pickle that holds more than tensors, which could run "
                "code: it is refused."
            ) from None
        raise UserError(
            f"{path} is truncated or not a PyTorch file; make or fetch it again."
        ) from None
    if not isinstance(content, Mapping):
        raise UserError(
            f"{path} holds a {type(content).__name__}; it must hold tensors under "
            "names."
        )
    return _checked(content, path)


def _checked(content: Mapping[Any, Any], path: Path) -> dict[str, Tensor]:
    """The same, certain to be whole floating-point tensors under names."""
    for name, tensor in content.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise UserError(
                f"{path} holds {name!r}, a {type(tensor).__name__}; nothing but "
                "tensors may be in it."
            )
        if tensor.layout != torch.strided or not tensor.is_floating_point():
            raise UserError(
                f"{path} holds {name} as {tensor.dtype}, {tensor.layout}; a parameter "
                "is a dense floating-point tensor."
            )
        if tensor.nbytes > tensor.untyped_storage().nbytes():
            raise UserError(
                f"{path} holds {name} of {tensor.numel()} numbers, but not so many."
            )
    return dict(content)


def write_weights(
    directory: str | Path,
    config: OmniConfig,
    tensors: Mapping[str, Tensor],
    dtype: torch.dtype | None,
) -> None:
    """Write `config.json` and `model.safetensors`; `dtype` None keeps the tensors'."""
    config.save(directory)
    write_safetensors(Path(directory) / WEIGHTS_FILE, tensors, dtype)


def write_safetensors(
    path: Path, tensors: Mapping[str, Tensor], dtype: torch.dtype | None
) -> None:
    """One safetensors file; `dtype` None keeps the tensors' own."""
    copies = {
        name: tensor.detach().to("cpu", dtype, copy=True).contiguous()
        for name, tensor in tensors.items()
    }
    with file_written_aside(path) as aside:
        save_file(copies, aside, metadata={"format": "pt"})


def write_pickled(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """One PyTorch file; tensors that share their memory share it there, too."""
    with file_written_aside(path) as aside:
        torch.save(dict(tensors), aside)
