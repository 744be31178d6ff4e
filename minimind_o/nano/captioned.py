"""Many pictures with what they show and one description each."""

from dataclasses import dataclass

import numpy as np

from minimind_o.data.pictures import (
    DAMAGES,
    PICTURE_SIZE,
    Scene,
    damaged,
    describe,
    draw,
    random_scene,
)
from minimind_o.data.world import Language

MANDARIN_SHARE = 0.25


@dataclass(frozen=True, kw_only=True)
class Captioned:
    """Pictures, what they show, and one description each."""

    pixels: np.ndarray
    """(N, H, W, 3) uint8"""
    scenes: list[Scene]
    texts: list[str]


def draw_captioned(seed: int, count: int, *, held_out: bool) -> Captioned:
    """Pictures drawn at random, damaged in turn, a quarter described in Mandarin."""
    rng = np.random.default_rng([seed, held_out])
    pixels = np.empty((count, PICTURE_SIZE, PICTURE_SIZE, 3), np.uint8)
    scenes, texts = [], []
    for index in range(count):
        mandarin = rng.random() < MANDARIN_SHARE
        language: Language = "zh" if mandarin else "en"
        scene = random_scene(rng, held_out=held_out, language=language)
        damage = DAMAGES[index % len(DAMAGES)]
        pixels[index] = np.asarray(damaged(draw(scene, rng), damage, rng))
        scenes.append(scene)
        texts.append(describe(scene, language))
    return Captioned(pixels=pixels, scenes=scenes, texts=texts)
