"""The model is the released one: same outputs, losses, gradients and parameters."""

import json
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from minimind_o.config import OmniConfig
from minimind_o.model import OmniModel, names

TOLERANCE = 1e-4


class Golden(NamedTuple):
    model: OmniModel
    io: dict[str, Tensor]


@pytest.fixture(scope="module", params=["dense", "moe"])
def golden(request: pytest.FixtureRequest, shared: Path) -> Golden:
    folder, variant = shared / "golden", request.param
    values = json.loads((folder / f"{variant}_config.json").read_text())
    model = OmniModel(OmniConfig.from_dict(values))
    weights = folder / f"{variant}_weights.safetensors"
    model.load_released(load_file(weights), weights.name)
    return Golden(model, load_file(folder / f"{variant}_io.safetensors"))


def media(io: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        "audio_states": io["audio_states"],
        "audio_lengths": io["audio_lens"],
        "image_states": io["image_states"],
        "speaker_embedding": io["speaker_embedding"],
    }


def relative_error(ours: Tensor, theirs: Tensor) -> float:
    return float((ours.detach() - theirs).abs().max() / theirs.abs().max())


def test_logits_with_media(golden: Golden) -> None:
    model, io = golden
    output = model(io["input_ids"], **media(io))
    assert relative_error(output.text_logits, io["text_logits"]) < TOLERANCE
    assert relative_error(output.audio_logits, io["audio_logits"]) < TOLERANCE


def test_logits_without_media(golden: Golden) -> None:
    model, io = golden
    output = model(io["input_ids"], speaker_embedding=io["speaker_embedding"])
    assert relative_error(output.text_logits, io["text_logits_no_media"]) < TOLERANCE
    assert relative_error(output.audio_logits, io["audio_logits_no_media"]) < TOLERANCE


def test_losses_and_every_gradient_norm(golden: Golden) -> None:
    model, io = golden
    model.zero_grad()
    output = model(
        io["input_ids"],
        **media(io),
        text_labels=io["text_labels"],
        audio_labels=io["audio_labels"],
    )
    assert output.text_loss.item() == pytest.approx(io["text_loss"].item(), rel=1e-4)
    assert output.audio_loss.item() == pytest.approx(io["audio_loss"].item(), rel=1e-4)
    assert output.balance_loss.item() == pytest.approx(io["aux_loss"].item(), rel=1e-4)

    (output.text_loss + output.audio_loss + output.balance_loss).backward()
    gradients = {name: p.grad for name, p in model.named_parameters()}
    ours = names.to_released(names.omni_names(model.config), gradients)
    theirs = {
        name.removeprefix("grad_norm."): value.item()
        for name, value in io.items()
        if name.startswith("grad_norm.")
    }
    assert ours.keys() == theirs.keys()
    for name, gradient in ours.items():
        assert gradient.norm().item() == pytest.approx(
            theirs[name], rel=TOLERANCE, abs=1e-8
        ), name


@pytest.mark.parametrize(
    ("variant", "num_parameters"), [("dense", 113_131_266), ("moe", 314_887_938)]
)
def test_released_parameters(shared: Path, variant: str, num_parameters: int) -> None:
    listed = json.loads(
        (shared / "golden" / f"released_{variant}_shapes.json").read_text()
    )
    with torch.device("meta"):
        model = OmniModel(OmniConfig(use_moe=variant == "moe"))
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    ours = names.released_shapes(names.omni_names(model.config), shapes)
    ours[names.TIED_HEAD] = ours[names.TEXT_EMBEDDING]
    assert {name: list(shape) for name, shape in ours.items()} == listed
    assert sum(p.numel() for p in model.parameters()) == num_parameters
