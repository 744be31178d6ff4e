"""The vision encoder: what it gives, both kinds of directory, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import (
    SiglipConfig,
    SiglipModel,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from minimind_o.errors import UserError
from minimind_o.frozen.siglip2 import (
    NANO_SIGLIP2,
    Siglip2,
    load_siglip2,
    save_siglip2,
)

TINY = {
    **NANO_SIGLIP2, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2
}  # fmt: skip
TINY_TEXT = {
    "vocab_size": 20, "hidden_size": 32, "intermediate_size": 48,
    "num_hidden_layers": 1, "num_attention_heads": 4, "max_position_embeddings": 8,
}  # fmt: skip


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A tiny vision encoder with random weights."""
    torch.manual_seed(0)
    save_siglip2(SiglipVisionModel(SiglipVisionConfig(**TINY)), tmp_path, torch.float32)
    return tmp_path


def pictures() -> list[Image.Image]:
    """Three pictures of different sizes and colour modes."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (90, 40, 3), dtype=np.uint8)
    return [
        Image.fromarray(pixels),
        Image.new("L", (200, 200), 90),
        Image.new("RGBA", (64, 64), (255, 0, 0, 128)),
    ]


def test_a_picture_of_any_size_gives_one_state_per_patch(directory: Path) -> None:
    encoder = load_siglip2(directory)
    states = encoder.encode(pictures())
    assert states.shape == (3, 64, 32)
    assert (encoder.num_tokens, encoder.hidden_size) == (64, 32)
    assert not states.requires_grad
    alone = encoder.encode(pictures()[:1])
    assert torch.allclose(states[:1], alone, atol=1e-5)


def test_pixels_are_scaled_to_the_square_between_minus_one_and_one(
    directory: Path,
) -> None:
    encoder = load_siglip2(directory)
    black, white = Image.new("RGB", (10, 30)), Image.new("RGB", (30, 10), "white")
    pixels = encoder.pixels([black, white])
    assert pixels.shape == (2, 3, 64, 64)
    assert torch.allclose(pixels[0], torch.tensor(-1.0))
    assert torch.allclose(pixels[1], torch.tensor(1.0))


def test_the_states_are_those_of_the_library(directory: Path) -> None:
    encoder = load_siglip2(directory)
    library = SiglipVisionModel.from_pretrained(directory).eval()
    with torch.no_grad():
        expected = library(encoder.pixels(pictures())).last_hidden_state
    assert torch.equal(encoder.encode(pictures()), expected)


def test_a_directory_with_both_towers_gives_the_same_states(tmp_path: Path) -> None:
    torch.manual_seed(0)
    both = SiglipModel(SiglipConfig(text_config=TINY_TEXT, vision_config=TINY)).eval()
    vision = SiglipVisionModel(SiglipVisionConfig(**TINY)).eval()
    vision.vision_model.load_state_dict(both.vision_model.state_dict())
    save_siglip2(vision, tmp_path / "alone", torch.float32)
    save_siglip2(vision, tmp_path / "both", torch.float32)
    both.save_pretrained(tmp_path / "both")
    assert "text_config" in json.loads((tmp_path / "both/config.json").read_text())
    states = [
        load_siglip2(tmp_path / name).encode(pictures()) for name in ("alone", "both")
    ]
    assert torch.equal(states[0], states[1])


def test_the_published_size_has_as_many_tokens_as_a_run_of_placeholders() -> None:
    with torch.device("meta"):
        config = SiglipVisionConfig(
            hidden_size=768, num_hidden_layers=12, num_attention_heads=12,
            intermediate_size=3072, image_size=256, patch_size=32,
        )  # fmt: skip
        model = SiglipVisionModel(config)
    encoder = Siglip2(model, None)  # type: ignore[arg-type]
    assert (encoder.num_tokens, encoder.hidden_size) == (64, 768)


def test_half_precision_weights_load_as_single(directory: Path) -> None:
    encoder = load_siglip2(directory)
    save_siglip2(encoder.model, directory)
    assert encoder.model.dtype == torch.float32
    kinds = {t.dtype for t in load_file(directory / "model.safetensors").values()}
    assert kinds == {torch.float16}
    again = load_siglip2(directory)
    assert again.model.dtype == torch.float32
    assert torch.allclose(
        again.encode(pictures()), encoder.encode(pictures()), atol=2e-2
    )


@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "preprocessor_config.json"]
)
def test_a_missing_file_is_named(directory: Path, name: str) -> None:
    (directory / name).unlink()
    with pytest.raises(UserError, match=rf"{name} is missing"):
        load_siglip2(directory)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", b"{"),
        ("config.json", b"[]"),
        ("config.json", b'{"image_size": 60, "patch_size": 8}'),
        ("preprocessor_config.json", b"\xff\xfe"),
        ("model.safetensors", b"half a file"),
    ],
)
def test_a_damaged_file_is_named(directory: Path, name: str, content: bytes) -> None:
    (directory / name).write_bytes(content)
    with pytest.raises(UserError, match=name) as error:
        load_siglip2(directory)
    assert "\n" not in str(error.value)


def test_weights_of_another_shape_or_name_are_refused(directory: Path) -> None:
    path = directory / "model.safetensors"
    tensors = load_file(path)
    name = "vision_model.post_layernorm.weight"
    for changed, message in (
        ({k: v for k, v in tensors.items() if k != name}, f"lacks parameter '{name}'"),
        ({**tensors, "vision_model.extra": torch.ones(1)}, "unknown parameter"),
        ({**tensors, name: torch.ones(31)}, f"wrong shape for parameter '{name}'"),
    ):
        save_file(changed, path, metadata={"format": "pt"})
        with pytest.raises(UserError, match=message):
            load_siglip2(directory)


def test_no_picture_is_refused(directory: Path) -> None:
    with pytest.raises(UserError, match="no picture"):
        load_siglip2(directory).encode([])


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"num_hidden_layers": 10**9}, "num_hidden_layers must be a whole number"),
        ({"hidden_size": 10**9}, "hidden_size must be a whole number from 1 to"),
        ({"num_hidden_layers": 128, "hidden_size": 8192, "num_attention_heads": 4,
          "intermediate_size": 32768}, "they do not belong together"),
    ],
)  # fmt: skip
def test_absurd_sizes_are_refused_unbuilt(
    tmp_path: Path, fields: dict, words: str
) -> None:
    save_siglip2(SiglipVisionModel(SiglipVisionConfig(**TINY)), tmp_path)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))
    with pytest.raises(UserError, match=words):
        load_siglip2(tmp_path)
