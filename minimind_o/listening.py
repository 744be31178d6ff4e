"""Players for notebooks: labelled sounds under one another, at their true loudness.

The sound is embedded as FLAC: lossless, so that what is heard is the codec under study
and not the player's, and half the size of WAV in a notebook.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping

import numpy as np
import soundfile
from numpy.typing import ArrayLike

from minimind_o.errors import UserError

SAMPLE_RATE = 24_000


class Player:
    """What a notebook shows for a few sounds: a label and a control each."""

    def __init__(self, clips: Mapping[str, ArrayLike], sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.clips = {label: _mono(label, wave) for label, wave in clips.items()}

    def __repr__(self) -> str:
        return f"Player({', '.join(self.clips)})"

    def _repr_html_(self) -> str:
        rows = "".join(
            '<div style="display: flex; align-items: center; gap: 0.8em; '
            'margin: 2px 0">'
            f'<audio controls preload="metadata" style="height: 32px; width: 260px" '
            f'src="{data_url(wave, self.sample_rate)}"></audio>'
            f"<span>{html.escape(label)}</span></div>"
            for label, wave in self.clips.items()
        )
        return f"<div>{rows}</div>"


def listen(clips: Mapping[str, ArrayLike], sample_rate: int = SAMPLE_RATE) -> Player:
    """A player for each sound, in order.

    Args:
        clips: label to samples in [-1, 1], (N,) or (1, N), arrays or tensors. Louder
            samples are clipped; nothing is made louder or quieter.
        sample_rate: samples per second.

    Raises:
        UserError: a sound that is empty or has more than one channel.
    """
    return Player(clips, sample_rate)


def flac(wave: ArrayLike, sample_rate: int = SAMPLE_RATE) -> bytes:
    """A whole FLAC file of 16-bit mono sound."""
    file = io.BytesIO()
    samples = np.clip(np.asarray(wave, np.float32), -1.0, 1.0)
    soundfile.write(file, samples, sample_rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def data_url(wave: ArrayLike, sample_rate: int = SAMPLE_RATE) -> str:
    """The sound as an address that a browser plays."""
    content = base64.b64encode(flac(wave, sample_rate)).decode()
    return f"data:audio/flac;base64,{content}"


def _mono(label: str, wave: ArrayLike) -> np.ndarray:
    samples = np.asarray(wave, np.float32)
    if samples.ndim == 2 and samples.shape[0] == 1:
        samples = samples[0]
    if samples.ndim != 1 or len(samples) == 0:
        raise UserError(
            f"the sound '{label}' has shape {samples.shape}: "
            "it must be one row of samples, at least one."
        )
    return samples
