"""The picture of the model shows the config it was drawn from."""

import pytest

from minimind_o.config import OmniConfig
from minimind_o.model_picture import (
    MODEL_PICTURE,
    draw_model,
    write_model_picture,
)


def texts(config: OmniConfig) -> list[str]:
    return [text.get_text() for text in draw_model(config).axes[0].texts]


@pytest.mark.parametrize(("layers", "talker_layers"), [(8, 4), (4, 2)])
def test_it_shows_the_layers_of_both_parts(layers, talker_layers):
    config = OmniConfig(
        num_hidden_layers=layers, num_talker_hidden_layers=talker_layers
    )
    shown = texts(config)
    named = [text for text in shown if text.startswith("layer ")]
    assert len(named) == layers + talker_layers
    assert f"{layers} layers × 768" in shown
    for part in ("Mimi decoder", "CAM++ voice vector", "bridge", "8 heads"):
        assert part in shown


@pytest.mark.parametrize("bridge_layer", [0, 3, 5])
def test_the_bridge_leaves_the_configured_layer(bridge_layer):
    figure = draw_model(OmniConfig(bridge_layer=bridge_layer))
    axes = figure.axes[0]
    boxes = {
        (round(box.get_y(), 2), round(box.get_height(), 2)): box
        for box in axes.patches
        if hasattr(box, "get_boxstyle") and box.get_x() == 36
    }
    layers = [boxes[key] for key in sorted(boxes)]
    face = layers[bridge_layer].get_facecolor()
    assert sum(box.get_facecolor() == face for box in layers) == 1
    (word,) = [text for text in axes.texts if text.get_text() == "bridge"]
    box = layers[bridge_layer]
    assert box.get_y() < word.get_position()[1] < box.get_y() + box.get_height()


def test_the_committed_picture_is_that_of_the_released_config(tmp_path):
    write_model_picture(OmniConfig(), tmp_path / "model.svg")
    assert (tmp_path / "model.svg").read_bytes() == MODEL_PICTURE.read_bytes()
