"""Recordings as the encoders want them: one channel, one sampling rate."""

import numpy as np
import soxr
from numpy.typing import NDArray


def mono(wave: NDArray[np.floating]) -> NDArray[np.float32]:
    """The mean over the channels of (N,) or (N, channels)."""
    samples = np.asarray(wave, np.float32)
    return samples.mean(axis=1) if samples.ndim == 2 else samples


def resampled(
    wave_N: NDArray[np.float32], sample_rate: int, wanted: int
) -> NDArray[np.float32]:
    """The samples at the wanted rate."""
    if sample_rate == wanted:
        return wave_N
    out: NDArray[np.float32] = soxr.resample(wave_N, sample_rate, wanted)
    return out
