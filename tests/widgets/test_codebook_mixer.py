"""Switching a codebook off changes what the player plays."""

import io

import numpy as np
import pytest
import soundfile
import torch

from minimind_o.assets import Assets
from minimind_o.frozen.codebooks import decode_kept
from minimind_o.frozen.mimi import load_mimi
from minimind_o.widgets.codebook_mixer import CodebookMixer


@pytest.fixture(scope="module")
def mixer():
    mimi = load_mimi(Assets.find().mimi)
    generator = torch.Generator().manual_seed(0)
    return CodebookMixer(mimi, torch.randint(0, 512, (1, 8, 6), generator=generator))


def played(mixer: CodebookMixer) -> np.ndarray:
    return soundfile.read(io.BytesIO(mixer.player.value), dtype="float32")[0]


@pytest.mark.parametrize("off", [[], [0], [1, 7]])
def test_the_player_has_what_is_switched_on(mixer, off):
    for q in off:
        mixer.switches[q].value = False
    kept = [q for q in range(8) if q not in off]
    right = decode_kept(mixer.mimi, mixer.codes_BQT, kept)[0].clamp(-1, 1).numpy()
    assert mixer.kept == kept
    assert np.allclose(played(mixer), right, atol=1e-4)
    for q in off:
        mixer.switches[q].value = True
