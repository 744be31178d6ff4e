"""SigLIP2, the vision encoder: a picture to one state per patch.

The classes are transformers' `SiglipVisionModel` and `SiglipImageProcessor`. A
directory holds `config.json`, `model.safetensors` and `preprocessor_config.json`; one
with the text tower as well, as the published ones are, loads through the same lines.

Shapes: B picture, L patch, D width, H and W pixels.
"""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor
from transformers import SiglipImageProcessor, SiglipVisionConfig, SiglipVisionModel
from transformers.utils import logging as transformers_logging

from minimind_o.errors import UserError, first_line
from minimind_o.foreign_json import parse_json
from minimind_o.matrix_layout import store_by_columns

FILES = ("config.json", "model.safetensors", "preprocessor_config.json")

# The most of what decides how much there is to build.
_MOST: Mapping[str, int] = {
    "hidden_size": 8_192,
    "intermediate_size": 32_768,
    "num_hidden_layers": 128,
    "num_attention_heads": 128,
    "num_channels": 4,
    "image_size": 2_048,
    "patch_size": 512,
}
# All others are not about the vision tower, and some cost memory: `num_labels` makes a
# dictionary of so many names.
_KNOWN = frozenset(inspect.signature(SiglipVisionConfig).parameters)

NANO_SIGLIP2: dict[str, Any] = {
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "image_size": 64,
    "patch_size": 8,
}


class Siglip2:
    """A loaded vision encoder with its image processor."""

    def __init__(
        self, model: SiglipVisionModel, processor: SiglipImageProcessor
    ) -> None:
        self.model = model
        self.processor = processor

    @property
    def hidden_size(self) -> int:
        """Width D of a state."""
        return int(self.model.config.hidden_size)

    @property
    def num_tokens(self) -> int:
        """Patches L of a picture."""
        config = self.model.config
        return int(config.image_size // config.patch_size) ** 2

    def pixels(self, pictures: Sequence[Image.Image]) -> Tensor:
        """What the encoder gets: (B, 3, H, W), scaled and normalised, RGB."""
        arrays = [np.asarray(picture.convert("RGB")) for picture in pictures]
        prepared = self.processor(
            arrays, return_tensors="pt", input_data_format="channels_last"
        )
        pixels: Tensor = prepared["pixel_values"]
        return pixels

    @torch.no_grad()
    def encode(self, pictures: Sequence[Image.Image]) -> Tensor:
        """States (B, L, D) of pictures of any size; each is scaled to a square.

        Raises:
            UserError: no picture at all.
        """
        if not pictures:
            raise UserError("there is no picture to encode; give at least one.")
        device, dtype = self.model.device, self.model.dtype
        output = self.model(self.pixels(pictures).to(device, dtype))
        states: Tensor = output.last_hidden_state
        return states


def load_siglip2(directory: Path | str, device: torch.device | str = "cpu") -> Siglip2:
    """Load a vision encoder directory, strictly.

    Raises:
        UserError: a missing, truncated or mismatching file, named.
    """
    directory = Path(directory)
    for name in FILES:
        if not (directory / name).is_file():
            raise UserError(
                f"the vision encoder file {directory / name} is missing: a directory "
                f"holds {', '.join(FILES)}."
            )
    config = read_config(directory / "config.json")
    _check_size(config, directory)
    try:
        processor = SiglipImageProcessor.from_pretrained(directory)
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{directory / 'preprocessor_config.json'} cannot be read: "
            f"{first_line(error)}"
        ) from None
    weights = directory / "model.safetensors"
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # what is missing is said below
    try:
        model, report = SiglipVisionModel.from_pretrained(
            directory,
            config=config,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,  # reported, and refused below
            output_loading_info=True,
        )
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        raise UserError(
            f"{weights} cannot be read as SigLIP2 weights: {first_line(error)}"
        ) from None
    finally:
        transformers_logging.set_verbosity(verbosity)
    unexpected = [k for k in report["unexpected_keys"] if k.startswith("vision_model.")]
    for kind, keys in (
        ("lacks", report["missing_keys"]),
        ("has the unknown", unexpected),
        ("has the wrong shape for", report["mismatched_keys"]),
    ):
        if keys:
            raise UserError(f"{weights} {kind} parameter {min(keys)!r}.")
    model.to(device)
    store_by_columns(model)
    return Siglip2(model.eval(), processor)


def read_config(path: Path) -> SiglipVisionConfig:
    """The vision tower's configuration, alone or inside the two towers'.

    Raises:
        UserError: it is none, or of absurd sizes.
    """
    try:
        values = parse_json(path.read_text("utf-8"))
        values = values.get("vision_config", values)
        config = SiglipVisionConfig(**{n: v for n, v in values.items() if n in _KNOWN})
        for name, most in _MOST.items():
            value = getattr(config, name)
            if type(value) is not int or not 1 <= value <= most:
                raise ValueError(f"{name} must be a whole number from 1 to {most}")
        if config.image_size % config.patch_size:
            raise ValueError("patch_size does not divide image_size")
        if config.hidden_size % config.num_attention_heads:
            raise ValueError("num_attention_heads does not divide hidden_size")
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} is not a SigLIP2 configuration ({first_line(error)})."
        ) from None
    return config


def _check_size(config: SiglipVisionConfig, directory: Path) -> None:
    """Refuse, unbuilt, a configuration of more numbers than the weights' file holds."""
    width, inner = config.hidden_size, config.intermediate_size
    layer = 4 * width * width + 2 * width * inner
    least = config.num_hidden_layers * layer
    found = (directory / "model.safetensors").stat().st_size
    if least > found:  # of a byte each at the least
        raise UserError(
            f"{directory / 'config.json'} describes {least:,} parameters or more, and "
            f"model.safetensors has {found:,} bytes: they do not belong together."
        )


def save_siglip2(
    model: SiglipVisionModel,
    directory: Path | str,
    dtype: torch.dtype = torch.float16,
) -> None:
    """Write a vision encoder directory."""
    size = model.config.image_size
    half = [0.5, 0.5, 0.5]
    processor = SiglipImageProcessor(
        size={"height": size, "width": size}, image_mean=half, image_std=half
    )
    current = model.dtype
    model.to(dtype).save_pretrained(directory)
    model.to(current)
    processor.save_pretrained(directory)
