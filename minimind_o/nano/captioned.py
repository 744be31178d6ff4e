"""Many pictures with what they show, and everything short that can be said of them."""

from dataclasses import dataclass

import numpy as np

from minimind_o.data.pictures import (
    DAMAGES,
    PICTURE_SIZE,
    Scene,
    damaged,
    draw,
    phrases,
    random_scene,
)
from minimind_o.data.world import Language

MANDARIN_SHARE = 0.25


@dataclass(frozen=True, kw_only=True)
class Captioned:
    """Pictures, what they show, and which texts are true of which."""

    pixels: np.ndarray
    """(N, H, W, 3) uint8"""
    scenes: list[Scene]
    texts: list[str]
    """All that can be said of any of them, in both languages, once each."""
    true_NT: np.ndarray
    """bool: whether a text is true of a picture."""


def draw_captioned(seed: int, count: int, *, held_out: bool) -> Captioned:
    """Pictures drawn at random and damaged in turn.

    A quarter are such that all of them can be named in Mandarin.
    """
    rng = np.random.default_rng([seed, held_out])
    pixels = np.empty((count, PICTURE_SIZE, PICTURE_SIZE, 3), np.uint8)
    scenes = []
    for index in range(count):
        mandarin = rng.random() < MANDARIN_SHARE
        language: Language = "zh" if mandarin else "en"
        scene = random_scene(rng, held_out=held_out, language=language)
        damage = DAMAGES[index % len(DAMAGES)]
        pixels[index] = np.asarray(damaged(draw(scene, rng), damage, rng))
        scenes.append(scene)
    said = [phrases(scene, "en") | phrases(scene, "zh") for scene in scenes]
    texts = sorted(set().union(*said))
    places = {text: place for place, text in enumerate(texts)}
    true_NT = np.zeros((count, len(texts)), bool)
    for index, scene_phrases in enumerate(said):
        true_NT[index, [places[text] for text in scene_phrases]] = True
    return Captioned(pixels=pixels, scenes=scenes, texts=texts, true_NT=true_NT)
