"""What a linear map can read from the vision encoder's states.

A probe is a linear map from a picture's states to one attribute. It is fitted on
pictures the encoder was trained on and judged on things in colours and sizes that
nothing was trained on: what it gets right, the states tell (Alain & Bengio 2016,
arXiv 1610.01644).
"""

import numpy as np
import torch
from PIL import Image

from minimind_o.data.pictures import Scene
from minimind_o.frozen.siglip2 import Siglip2
from minimind_o.nano.captioned import Captioned, draw_captioned

ATTRIBUTES = ("colour", "shape", "size", "place", "count")


def attribute(scene: Scene, name: str) -> str | None:
    """The value of an attribute in a scene that has one thing of it, else None."""
    if scene.kind == "two":
        return None
    thing = scene.things[0]
    if name == "count":
        return str(scene.number) if scene.kind == "count" else None
    if name == "place":
        return scene.place or None
    return {"colour": thing.colour, "shape": thing.name, "size": thing.size}[name]


def probe(
    encoder: Siglip2, train: Captioned, seed: int, count: int = 4000
) -> dict[str, float]:
    """Share of right answers per attribute, `colour_right` and so on.

    Ridge regression from the mean and the spread of the states to one-hot values.
    """
    test = draw_captioned(seed, count // 2, held_out=True)
    scenes = (train.scenes[:count], test.scenes)
    pixels = (train.pixels[:count], test.pixels)
    features = [summaries(encoder, part) for part in pixels]
    figures = {}
    for name in ATTRIBUTES:
        values = [[attribute(scene, name) for scene in part] for part in scenes]
        known = sorted({value for value in values[0] if value is not None})
        chosen, targets = [], []
        for part_values, part_features in zip(values, features, strict=True):
            rows = [i for i, value in enumerate(part_values) if value in known]
            chosen.append(part_features[rows])
            targets.append(np.array([known.index(str(part_values[i])) for i in rows]))
        weights = _ridge(chosen[0], np.eye(len(known))[targets[0]])
        guessed = (_with_one(chosen[1]) @ weights).argmax(axis=1)
        figures[f"{name}_right"] = float((guessed == targets[1]).mean())
    return figures


def summaries(
    encoder: Siglip2, pixels: np.ndarray, batch_size: int = 200
) -> np.ndarray:
    """Mean and standard deviation over a picture's patch states, (N, 2 · D)."""
    out = []
    for first in range(0, len(pixels), batch_size):
        pictures = [Image.fromarray(p) for p in pixels[first : first + batch_size]]
        states_BLD = encoder.encode(pictures)
        out.append(torch.cat([states_BLD.mean(1), states_BLD.std(1)], dim=1).numpy())
    return np.concatenate(out).astype(np.float64)


def _with_one(features: np.ndarray) -> np.ndarray:
    return np.concatenate([features, np.ones((len(features), 1))], axis=1)


def _ridge(
    features: np.ndarray, targets: np.ndarray, penalty: float = 1e-2
) -> np.ndarray:
    x = _with_one(features)
    gram = x.T @ x + penalty * len(x) * np.eye(x.shape[1]) * 1e-2
    return np.linalg.solve(gram, x.T @ targets)
