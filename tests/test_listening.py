"""Players hold the sounds they are given, at the loudness they were given."""

import base64
import io
import re

import numpy as np
import pytest
import soundfile
import torch

from minimind_o.errors import UserError
from minimind_o.listening import flac, listen


def tone(loudness: float) -> np.ndarray:
    return loudness * np.sin(np.arange(4800) * 0.1).astype(np.float32)


def heard(content: bytes) -> np.ndarray:
    wave, rate = soundfile.read(io.BytesIO(content), dtype="float32")
    assert rate == 24_000
    return wave


@pytest.mark.parametrize("loudness", [0.01, 0.9])
def test_loudness_is_kept(loudness):
    assert np.allclose(heard(flac(tone(loudness))), tone(loudness), atol=1e-4)


def test_too_loud_is_clipped_and_does_not_wrap_around():
    wave = heard(flac(tone(3.0)))
    assert np.abs(wave - tone(3.0).clip(-1, 1)).max() < 1e-4


def test_every_sound_is_in_the_html_under_its_label():
    player = listen({"a < b": tone(0.2), "tensor": torch.from_numpy(tone(0.5))[None]})
    page = player._repr_html_()
    sounds = re.findall(r"data:audio/flac;base64,([^\"]+)", page)
    waves = [heard(base64.b64decode(sound)) for sound in sounds]
    assert [round(float(np.abs(wave).max()), 1) for wave in waves] == [0.2, 0.5]
    assert "a &lt; b" in page
    assert repr(player) == "Player(a < b, tensor)"


@pytest.mark.parametrize("wave", [np.zeros(0), np.zeros((2, 100)), np.float32(1)])
def test_what_is_no_sound_is_named(wave):
    with pytest.raises(UserError, match="the sound 'odd' has shape"):
        listen({"odd": wave})
