"""A model written so that another program reads it, every tensor as it was.

`released`: a Transformers directory, the released config's fields in `config.json` and
`model.safetensors`, as the released `MiniMindOmni.from_pretrained` reads. The released
directory also holds the code and the tokenizer, which are not ours to write.
`released-pth`: a state dict, as the released training scripts read; the text head is in
it under both its names. Where its shapes do not tell the whole config, that goes beside
it. `safetensors`: our own directory.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from minimind_o.config import CONFIG_FILE, ExportFormat
from minimind_o.errors import UserError
from minimind_o.model import names
from minimind_o.model.checkpoints import Checkpoint, config_beside, read_checkpoint
from minimind_o.model.derived_config import config_from_shapes
from minimind_o.model.files import WEIGHTS_FILE, write_pickled, write_safetensors
from minimind_o.model.omni import OmniModel
from minimind_o.released_config import fixed_otherwise, to_released
from minimind_o.written_aside import check_free, file_written_aside, written_aside

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
USUAL_DTYPE: Mapping[ExportFormat, str] = {
    "released": "bf16",
    "released-pth": "fp16",
    "safetensors": "keep",
}
"""The dtype of each format where none is asked for; the released files' own."""


def export(
    source: str | Path,
    out: Path,
    export_format: ExportFormat,
    *,
    dtype: str | None = None,
    force: bool = False,
) -> Checkpoint:
    """Read a model in any form and write it in another.

    Args:
        source: what `minimind_o.model.checkpoints` reads.
        out: the directory; the file, ending in `.pth`, of `released-pth`.
        export_format: how.
        dtype: one of `EXPORT_DTYPES`; None: the format's usual one.
        force: write over what is there.

    Returns:
        What was read.

    Raises:
        UserError: the model cannot be read, something is at `out`, or a number is too
            large for the dtype.
    """
    _check_target(out, export_format, force)
    checkpoint = read_checkpoint(source)
    tensors = _tensors(checkpoint, dtype or USUAL_DTYPE[export_format])
    fields = to_released(checkpoint.config, checkpoint.is_language_model)
    if export_format == "released-pth":
        _write_state_dict(out, tensors, fields, checkpoint.is_language_model)
        return checkpoint
    if export_format == "safetensors":
        fields = checkpoint.config.to_dict()
    else:
        fields["torch_dtype"] = str(_dtype_of(tensors)).removeprefix("torch.")
    with written_aside(out) as folder:
        _write_json(folder / CONFIG_FILE, fields)
        write_safetensors(folder / WEIGHTS_FILE, tensors, None)
    return checkpoint


def unlike_the_released(checkpoint: Checkpoint) -> list[str]:
    """What keeps the released code from running a model; usually nothing."""
    if checkpoint.is_language_model:
        return []
    return fixed_otherwise(checkpoint.config)


def _check_target(out: Path, export_format: ExportFormat, force: bool) -> None:
    is_file = export_format == "released-pth"
    if is_file and out.suffix != ".pth":
        raise UserError(f"{out} is to be a released state dict: it must end in .pth.")
    if not is_file and out.is_file():
        raise UserError(f"{out} is a file; --format {export_format} writes a folder.")
    if is_file and out.is_dir():
        raise UserError(f"{out} is a folder; --format {export_format} writes a file.")
    check_free(out, force, *([config_beside(out)] if is_file else []))


def _tensors(checkpoint: Checkpoint, dtype: str) -> dict[str, Tensor]:
    """The parameters, checked, without the second name of the text head."""
    wanted = names.thinker_names if checkpoint.is_language_model else names.omni_names
    name_map = wanted(checkpoint.config)
    shapes = OmniModel.parameter_shapes(checkpoint.config)
    names.check_names(
        name_map,
        checkpoint.tensors,
        {name: shapes[name] for name in name_map},
        checkpoint.source,
    )
    tensors = dict(checkpoint.tensors)
    tensors.pop(names.TIED_HEAD, None)
    if dtype == "keep":
        return tensors
    return {n: _cast(n, t, DTYPES[dtype]) for n, t in tensors.items()}


def _cast(name: str, tensor: Tensor, dtype: torch.dtype) -> Tensor:
    cast = tensor.to(dtype)
    if not torch.isfinite(cast).all() and torch.isfinite(tensor).all():
        raise UserError(
            f"{name} holds {float(tensor.abs().max()):g}, too large for {dtype}: "
            "export with --dtype bf16 or fp32."
        )
    return cast


def _dtype_of(tensors: Mapping[str, Tensor]) -> torch.dtype:
    return tensors[names.TEXT_EMBEDDING].dtype


def _write_state_dict(
    out: Path,
    tensors: dict[str, Tensor],
    fields: dict[str, object],
    is_language_model: bool,
) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    try:
        derived = config_from_shapes(shapes, str(out), is_language_model)
        told = to_released(derived, is_language_model) == fields
    except UserError:
        told = False
    write_pickled(out, {**tensors, names.TIED_HEAD: tensors[names.TEXT_EMBEDDING]})
    if told:
        config_beside(out).unlink(missing_ok=True)
    else:
        _write_json(config_beside(out), fields)


def _write_json(path: Path, fields: Mapping[str, object]) -> None:
    with file_written_aside(path) as aside:
        aside.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
