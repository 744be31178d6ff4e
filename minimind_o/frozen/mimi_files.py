"""A codec's files in moshi's format and in transformers', read and written.

- our directory: `config.json` for `moshi.models.loaders.get_mimi`, `model.safetensors`;
- the published `kyutai/mimi`: `config.json` of `model_type` mimi, `model.safetensors`;
- kyutai's file `tokenizer-e351c8d8-checkpoint125.safetensors`, alone or in a folder:
  the published codec without a config (moshi's repositories have a config.json beside
  it that is the language model's).

The two classes write the same codes of a wave of whole frames (1,920 samples). A last
frame that is not whole they fill up differently, and its codes may differ.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from moshi.models import loaders
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import EncodecFeatureExtractor

from minimind_o.config import CodecFormat
from minimind_o.errors import UserError, first_line
from minimind_o.foreign_json import parse_json
from minimind_o.frozen.mimi_config import (
    MODEL_TYPE,
    check_moshi_config,
    to_moshi_config,
    to_transformers_config,
)
from minimind_o.frozen.mimi_names import (
    codec_format,
    name_in_file,
    to_moshi,
    to_transformers,
)
from minimind_o.model.name_lists import differences
from minimind_o.written_aside import check_free, file_written_aside, written_aside

KYUTAI_FILE = loaders.MIMI_NAME
CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"


@dataclass(frozen=True, kw_only=True)
class CodecFiles:
    """What a codec's files say, whatever their format was; the weights fit the config.

    config: the dictionary for `get_mimi`.
    tensors: name in kyutai's file -> tensor.
    source: the weights' file.
    config_source: where the config comes from, for messages.
    found_format: whose names the file had.
    """

    config: dict[str, Any]
    tensors: dict[str, Tensor]
    source: Path
    config_source: str
    found_format: CodecFormat


def read_codec(path: Path) -> CodecFiles:
    """Read a codec's directory or file, in either format.

    Raises:
        UserError: a file is missing, truncated or not a codec's; or weights that do not
            fit the config, every name in one message.
    """
    if path.is_dir() and (path / KYUTAI_FILE).is_file():
        path = path / KYUTAI_FILE
    if path.suffix == ".safetensors":
        weights, config_source = path, f"{path} (taken for the published codec)"
        values: Any = {"model_type": MODEL_TYPE}
        _check_present(weights)
    else:
        weights, config_file = path / WEIGHTS_FILE, path / CONFIG_FILE
        config_source = str(config_file)
        _check_present(config_file)
        _check_present(weights)
        values = _read_json(config_file)
    config = _moshi_config(values, config_source)
    expected = expected_shapes(config, config_source)
    tensors = _read_weights(weights)
    found_format = codec_format(tensors)
    try:
        if found_format == "transformers":
            tensors = to_moshi(tensors, config["transformer"]["num_heads"])
    except RuntimeError as error:
        raise UserError(
            f"{weights} cannot be read as Mimi weights: {first_line(error)}"
        ) from None
    tensors = {name_in_file(name): tensor for name, tensor in tensors.items()}
    problems = differences(expected, tensors)
    if problems:
        raise UserError(
            f"{weights} cannot be read as Mimi weights of {config_source}; {problems}."
        )
    return CodecFiles(
        config=config,
        tensors=tensors,
        source=weights,
        config_source=config_source,
        found_format=found_format,
    )


def read_codec_config(file: Path) -> dict[str, Any]:
    """The dictionary for `get_mimi` in a `config.json` of either format.

    Raises:
        UserError: it is none, or of absurd sizes.
    """
    return _moshi_config(_read_json(file), str(file))


def _read_json(file: Path) -> Any:
    try:
        return parse_json(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(
            f"{file} is not a Mimi configuration: it is no JSON ({error})."
        ) from None


def _moshi_config(values: Any, source: str) -> dict[str, Any]:
    config = values
    if isinstance(values, dict) and values.get("model_type") == MODEL_TYPE:
        config = to_moshi_config(values, source)
    check_moshi_config(config, source)
    return config


def convert_codec(
    source: Path, out: Path, to: CodecFormat | None = None, force: bool = False
) -> CodecFormat:
    """Write a codec in the other format, every number as it is.

    Args:
        source: what `read_codec` reads.
        out: the folder; for moshi also a file that ends in `.safetensors`, which has no
            place for a config and so must be the published codec.
        to: the format; None: the one that `source` is not in.
        force: write over what is there.

    Returns:
        The format written.

    Raises:
        UserError: the codec cannot be read, the format cannot hold it, or something is
            at `out`.
    """
    check_free(out, force)
    codec = read_codec(source)
    others: dict[CodecFormat, CodecFormat]
    others = {"moshi": "transformers", "transformers": "moshi"}
    to = to or others[codec.found_format]
    if out.suffix != ".safetensors":
        with written_aside(out) as folder:
            _write_folder(folder, codec, to)
    elif to == "transformers":
        raise UserError(f"{out} is a file; transformers reads a folder: name one.")
    elif codec.config != to_moshi_config({}, CONFIG_FILE):
        raise UserError(
            f"{out} is a file, which has no place for a config, and the codec in "
            f"{codec.source} is not of the published size: name a folder."
        )
    else:
        with file_written_aside(out) as aside:
            save_file(codec.tensors, aside)
    return to


def _write_folder(folder: Path, codec: CodecFiles, to: CodecFormat) -> None:
    tensors, config = codec.tensors, codec.config
    if to == "transformers":
        transformers_config = to_transformers_config(config, codec.config_source)
        transformers_config.architectures = ["MimiModel"]
        transformers_config.save_pretrained(folder)
        EncodecFeatureExtractor(
            feature_size=config["channels"], sampling_rate=config["sample_rate"]
        ).save_pretrained(folder)
        tensors = to_transformers(tensors, config["transformer"]["num_heads"])
    else:
        text = json.dumps(config, indent=2) + "\n"
        (folder / CONFIG_FILE).write_text(text, encoding="utf-8")
    save_file(tensors, folder / WEIGHTS_FILE, metadata={"format": "pt"})


def _check_present(file: Path) -> None:
    if not file.is_file():
        raise UserError(
            f"the codec file {file} is missing: run `minimind-o nano mimi`, or name a "
            f"folder of kyutai/mimi or kyutai's file {KYUTAI_FILE}."
        )


def expected_shapes(config: dict[str, Any], source: str) -> dict[str, torch.Size]:
    """Name in kyutai's file -> shape, at the cost of no memory.

    Raises:
        UserError: moshi cannot build such a codec.
    """
    try:
        with torch.device("meta"):
            model = loaders.get_mimi(None, config, "meta", config["quantizer"]["n_q"])
    except Exception as error:  # moshi checks with assertions and by running into it
        raise UserError(
            f"{source} is not a Mimi configuration ({type(error).__name__}: "
            f"{first_line(error)})."
        ) from None
    return {name_in_file(n): t.shape for n, t in model.state_dict().items()}


def _read_weights(weights: Path) -> dict[str, Tensor]:
    try:
        return load_file(weights)
    except (SafetensorError, OSError) as error:
        raise UserError(
            f"{weights} cannot be read as Mimi weights: {first_line(error)}"
        ) from None
