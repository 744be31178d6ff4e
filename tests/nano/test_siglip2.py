"""The vision encoder's training: its loss, a few steps, resuming, and the probes."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from minimind_o import tokenizer as tokenizers
from minimind_o.assets import Assets
from minimind_o.data.pictures import Scene, Thing, is_held_out, phrases
from minimind_o.nano import picture_probes
from minimind_o.nano.captioned import Captioned, draw_captioned
from minimind_o.nano.picture_probes import attribute, probe
from minimind_o.nano.siglip2 import (
    ContrastiveTrainer,
    Siglip2Recipe,
    encode_texts,
    sigmoid_loss,
    to_pixels,
    train_siglip2,
)

RECIPE = Siglip2Recipe(
    pictures=40, steps=6, batch_size=8, text_layers=1, warmup_steps=2
)


@pytest.fixture(scope="module")
def data() -> Captioned:
    """Forty training pictures."""
    return draw_captioned(0, 40, held_out=False)


@pytest.fixture(scope="module")
def tokenizer() -> tokenizers.Tokenizer:
    """The committed tokenizer."""
    return tokenizers.load(Assets.find().tokenizer)


def test_the_loss_asks_yes_or_no_of_every_pair() -> None:
    logits = torch.tensor([[2.0, -1.0], [0.5, 3.0]])
    same = torch.eye(2, dtype=torch.bool)
    sigmoid = 1 / (1 + np.exp(-np.array([2.0, 1.0, -0.5, 3.0])))
    assert float(sigmoid_loss(logits, same)) == pytest.approx(
        -np.log(sigmoid).sum() / 2
    )
    twice = torch.ones(2, 2, dtype=torch.bool)  # both texts are true of both
    assert float(sigmoid_loss(logits.abs() * 9, twice)) < 0.02


def test_texts_end_where_the_text_tower_reads(tokenizer: tokenizers.Tokenizer) -> None:
    ids = encode_texts(["a red star", "a"], tokenizer)
    assert ids[0].tolist() == tokenizer.encode("a red star")
    assert ids[1].tolist() == [0] * (ids.shape[1] - 1) + tokenizer.encode("a")


def test_pictures_are_what_their_texts_say_and_differ_by_split(data: Captioned) -> None:
    assert len({picture.tobytes() for picture in data.pixels}) == 40
    assert len(set(data.texts)) == len(data.texts)
    for scene, true_T in zip(data.scenes, data.true_NT, strict=True):
        true = {
            text for text, is_true in zip(data.texts, true_T, strict=True) if is_true
        }
        assert true == phrases(scene, "en") | phrases(scene, "zh")
        assert not any(map(is_held_out, scene.things))
    assert data.true_NT.any(axis=0).all()
    for scene in draw_captioned(0, 20, held_out=True).scenes:
        assert all(map(is_held_out, scene.things))


def test_training_sees_the_pixels_that_the_processor_gives() -> None:
    pixels = to_pixels(np.array([[[[0, 255, 51]]]], np.uint8))
    assert pixels.shape == (1, 3, 1, 1)
    assert pixels.flatten().tolist() == pytest.approx([-1, 1, -0.6])


def test_a_step_asks_what_is_true_of_its_pictures_and_nothing_else(
    data: Captioned, tokenizer: tokenizers.Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def loss(logits_BT: torch.Tensor, true_BT: torch.Tensor) -> torch.Tensor:
        assert logits_BT.shape == true_BT.shape
        asked.append(true_BT)
        return sigmoid_loss(logits_BT, true_BT)

    monkeypatch.setattr("minimind_o.nano.siglip2.sigmoid_loss", loss)
    ContrastiveTrainer(RECIPE, tokenizer, data).step()
    assert asked[0].shape[0] == RECIPE.batch_size
    assert asked[0].any(dim=0).all()
    assert asked[0].shape[1] < len(data.texts)


def test_a_resumed_training_is_the_one_that_never_stopped(
    data: Captioned, tokenizer: tokenizers.Tokenizer
) -> None:
    whole = ContrastiveTrainer(RECIPE, tokenizer, data)
    losses = [whole.step()["loss"] for _ in range(6)]
    assert np.mean(losses[-2:]) < 0.9 * losses[0]
    first = ContrastiveTrainer(RECIPE, tokenizer, data)
    for _ in range(3):
        first.step()
    second = ContrastiveTrainer(RECIPE, tokenizer, data)
    second.load_state(first.state())
    again = [second.step()["loss"] for _ in range(3)]
    assert again == pytest.approx(losses[3:], rel=1e-4)


def test_a_directory_is_written_and_its_figures_are_shares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_probes, "ATTRIBUTES", ("colour", "size"))
    recipe = dataclasses.replace(RECIPE, steps=2)
    out = tmp_path / "out"
    figures = train_siglip2(recipe, Assets.find().tokenizer, tmp_path / "work", out)
    assert {file.name for file in out.iterdir()} == {
        "config.json", "model.safetensors", "preprocessor_config.json"
    }  # fmt: skip
    assert 0 <= figures["colour_right"] <= 1
    assert (tmp_path / "work" / "siglip2.pt").is_file()


def test_attributes_are_those_of_scenes_with_one_kind_of_thing() -> None:
    star = Thing(name="star", colour="blue", size="big")
    one = Scene(kind="one", things=(star,), place="up")
    values = {n: attribute(one, n) for n in picture_probes.ATTRIBUTES}
    assert values == {
        "colour": "blue", "shape": "star", "size": "big", "place": "up", "count": None
    }  # fmt: skip
    count = Scene(kind="count", things=(star,), number=4)
    assert (attribute(count, "count"), attribute(count, "place")) == ("4", None)
    two = Scene(kind="two", things=(star, star), place="left")
    assert {attribute(two, n) for n in picture_probes.ATTRIBUTES} == {None}


def test_a_probe_finds_what_the_states_hold_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def where(encoder: object, pixels: np.ndarray) -> np.ndarray:
        from_ground = np.abs(pixels.astype(float) - pixels[:, :1, :1]).mean(axis=3)
        cells = from_ground.reshape(len(pixels), 4, 16, 4, 16).mean(axis=(2, 4))
        return cells.reshape(len(pixels), 16) / cells.sum(axis=(1, 2))[:, None]

    def noise(encoder: object, pixels: np.ndarray) -> np.ndarray:
        return np.random.default_rng(0).normal(size=(len(pixels), 3))

    train = draw_captioned(1, 300, held_out=False)
    monkeypatch.setattr(picture_probes, "ATTRIBUTES", ("place",))
    rights = []
    for features in (where, noise):
        monkeypatch.setattr(picture_probes, "summaries", features)
        rights.append(probe(None, train, 0, 300)["place_right"])  # type: ignore[arg-type]
    assert rights[0] > 0.8
    assert rights[1] < 0.5
