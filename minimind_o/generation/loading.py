"""From a tree of assets to an engine that answers."""

from __future__ import annotations

from pathlib import Path

from minimind_o.assets import Assets
from minimind_o.config import WeightPrecision
from minimind_o.data.encoders import MediaEncoders
from minimind_o.errors import UserError
from minimind_o.frozen.mimi import Mimi, load_mimi
from minimind_o.generation.engine import Engine
from minimind_o.matrix_layout import store_by_columns
from minimind_o.model import OmniModel
from minimind_o.model.precision import to_precision
from minimind_o.tokenizer import load as load_tokenizer


def load_engine(
    assets: Assets,
    device: str = "cpu",
    precision: WeightPrecision = "fp32",
    model: Path | None = None,
) -> Engine:
    """A model with the assets' tokenizer, codec and encoders.

    Args:
        assets: the tree.
        device: where model and codec run.
        precision: of the model's weights (`minimind_o.model.precision`).
        model: its folder; the assets' own unless given.

    Raises:
        UserError: an asset is missing or damaged, or model and codec do not belong
            together.
    """
    folder = model or assets.omni
    omni = OmniModel.from_pretrained(folder, must_speak=True)
    omni = to_precision(omni, precision).to(device)
    store_by_columns(omni)
    mimi = load_mimi(assets.mimi, device)
    check_codec(omni, folder, mimi, assets.mimi)
    encoders = MediaEncoders(assets.path("sensevoice"), assets.path("siglip2"), device)
    return Engine(omni, load_tokenizer(assets.tokenizer), mimi, encoders=encoders)


def check_codec(
    model: OmniModel, model_directory: Path, mimi: Mimi, mimi_directory: Path
) -> None:
    """Refuse a codec that does not read what the model writes.

    Raises:
        UserError: naming both directories.
    """
    if mimi.num_codes != model.config.num_codes:
        raise UserError(
            f"the model in {model_directory} writes codes of {model.config.num_codes} "
            f"entries, the codec in {mimi_directory} reads {mimi.num_codes}: they must "
            "come from one tree of assets"
        )
