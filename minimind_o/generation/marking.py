"""Marks that say: this speech is synthetic. One to be heard, one to be measured.

`audible`: two soft tones before the answer. `inaudible`: a pattern in the spectrum that
`detect_mark` finds again. In blocks of 80 ms, of each pair of neighbouring bands one is
raised and the other lowered by `DEPTH_DB`, which one being drawn from a fixed seed. The
detector subtracts the levels of each pair, so that what a voice and a room do to both
cancels, and correlates the differences with the pattern, which repeats, at every place
where it may begin. (Patchwork marking, Bender et al. 1996, "Techniques for data
hiding", in bands as in spread-spectrum marking, Cox et al. 1997.)

Whoever reads this file can take the mark out, or put one into a recording of a person:
it tells honest listeners what a file is, and proves nothing. SAFETY.md has the measured
limits.

Shapes: N sample, W sample of a window, F frequency bin, T window, K block, P band pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

from minimind_o.config import Mark
from minimind_o.data.media import read_audio
from minimind_o.errors import UserError
from minimind_o.frozen.waves import resampled

Samples = NDArray[np.float32]
RATE = 24_000
"""Of the answers, and of what the detector listens to."""
DEPTH_DB = 1.5
THRESHOLD = 5.0
"""Standard deviations; the best of 256 places of chance is seldom above 4."""

_WINDOW, _HOP = 960, 480
_BLOCK = 4
"""Windows of a block: 80 ms."""
_PERIOD = 64
"""Blocks after which the pattern repeats: 5.1 s."""
_FIRST_BIN, _BAND, _NUM_PAIRS = 16, 4, 28
"""Bands of 100 Hz from 400 Hz to 6 kHz: below what 16 kHz and MP3 keep."""
_SILENCE = 1e-3
"""Level of a band below which nothing is there to compare."""
_MOST_DB = 4.0
"""What one pair of one block counts at most: the voice's own differences are larger."""
_SHAPE = np.sqrt(np.hanning(_WINDOW + 1)[:-1])
_SEED = 2605


def _signs_KP() -> NDArray[np.float64]:
    rng = np.random.default_rng(_SEED)
    return rng.choice([-1.0, 1.0], (_PERIOD, _NUM_PAIRS))


_SIGNS_KP = _signs_KP()


class Marker(Protocol):
    """Takes an answer piece by piece, and gives it back marked, maybe later."""

    def push(self, pcm_N: Samples) -> Samples:
        """What is ready after the next piece."""

    def finish(self) -> Samples:
        """What is left at the end."""


def make_marker(mark: Mark, sample_rate: int) -> Marker:
    """The marker of one answer.

    Raises:
        UserError: answers of another rate than `RATE` are to be marked.
    """
    if mark == "none":
        return _NoMark()
    if sample_rate != RATE:
        raise UserError(f"a mark is made for {RATE} Hz, not for {sample_rate}.")
    return _Tones() if mark == "audible" else _Pattern()


class _NoMark:
    def push(self, pcm_N: Samples) -> Samples:
        return pcm_N

    def finish(self) -> Samples:
        return np.zeros(0, np.float32)


class _Tones:
    """Two soft tones, a fifth apart, before the first sound."""

    def __init__(self) -> None:
        self._begun = False

    def push(self, pcm_N: Samples) -> Samples:
        if self._begun or not len(pcm_N):
            return pcm_N
        self._begun = True
        return np.concatenate([tones(), pcm_N])

    def finish(self) -> Samples:
        return np.zeros(0, np.float32)


def tones() -> Samples:
    """What is heard before an answer with an audible mark, 0.4 s."""
    time_N = np.arange(int(0.14 * RATE)) / RATE
    swell_N = np.sin(np.pi * time_N / 0.14) ** 2
    first, second = (
        0.1 * swell_N * np.sin(2 * np.pi * hertz * time_N) for hertz in (660, 990)
    )
    pause = np.zeros(int(0.12 * RATE))
    return np.concatenate([first, second, pause]).astype(np.float32)


class _Pattern:
    """The inaudible mark by overlapping windows; the sound comes 20 to 40 ms later."""

    def __init__(self) -> None:
        # Half a window of silence goes before, so that every sample is in two windows.
        self._waiting_N: NDArray[np.float64] = np.zeros(_HOP)
        self._tail_W: NDArray[np.float64] = np.zeros(_HOP)
        self._num_windows = 0
        self._num_in = self._num_out = 0

    def push(self, pcm_N: Samples) -> Samples:
        self._num_in += len(pcm_N)
        self._waiting_N = np.concatenate([self._waiting_N, pcm_N])
        pieces = [np.zeros(0)]
        while len(self._waiting_N) >= _WINDOW:
            spectrum_F = np.fft.rfft(self._waiting_N[:_WINDOW] * _SHAPE)
            spectrum_F *= _gains_F(self._num_windows // _BLOCK)
            marked_W = np.fft.irfft(spectrum_F, _WINDOW) * _SHAPE
            whole = marked_W[:_HOP] + self._tail_W
            if self._num_windows:  # the first one is the silence before
                pieces.append(whole)
            self._tail_W = marked_W[_HOP:]
            self._waiting_N = self._waiting_N[_HOP:]
            self._num_windows += 1
        return self._out(np.concatenate(pieces))

    def finish(self) -> Samples:
        num_in = self._num_in
        rest = self.push(np.zeros(2 * _WINDOW, np.float32))
        surplus = max(0, self._num_out - num_in)
        return rest[: len(rest) - surplus]

    def _out(self, wave_N: NDArray[np.float64]) -> Samples:
        self._num_out += len(wave_N)
        return wave_N.astype(np.float32)


def _gains_F(block: int) -> NDArray[np.float64]:
    """What each bin is multiplied by in a block."""
    decibels_F = np.zeros(_WINDOW // 2 + 1)
    signs_P = _SIGNS_KP[block % _PERIOD]
    bands = np.stack([signs_P, -signs_P], axis=1).reshape(-1)
    end = _FIRST_BIN + 2 * _NUM_PAIRS * _BAND
    decibels_F[_FIRST_BIN:end] = DEPTH_DB * np.repeat(bands, _BAND)
    return 10 ** (decibels_F / 20)


@dataclass(frozen=True, kw_only=True)
class Detection:
    """What the detector found."""

    score: float
    """Standard deviations by which the best place stands out from chance."""
    comment: str = ""
    """The file's own; `minimind_o.generation.wav` writes one."""

    @property
    def is_marked(self) -> bool:
        """Whether the inaudible mark is there, beyond `THRESHOLD`."""
        return self.score >= THRESHOLD


def detect_mark(wave_N: Samples, sample_rate: int) -> Detection:
    """Look for the inaudible mark in a recording.

    Args:
        wave_N: mono samples.
        sample_rate: theirs.
    """
    heard_N = resampled(np.asarray(wave_N, np.float32), sample_rate, RATE)
    num_windows = (len(heard_N) - _WINDOW) // _HOP + 1
    if num_windows < 2 * _BLOCK:
        return Detection(score=0.0)
    windows_TW = np.lib.stride_tricks.sliding_window_view(heard_N, _WINDOW)[::_HOP]
    power_TF = np.abs(np.fft.rfft(windows_TW * _SHAPE)) ** 2
    end = _FIRST_BIN + 2 * _NUM_PAIRS * _BAND
    bands_T = power_TF[:, _FIRST_BIN:end].reshape(num_windows, _NUM_PAIRS, 2, _BAND)
    # The mean of the logarithms, so that one loud bin does not decide alone.
    levels = 10 * np.log10(bands_T + 1e-9).mean(axis=-1)
    is_sound = np.sqrt(bands_T.mean(axis=-1)).min(axis=-1) > _SILENCE
    differences_TP = np.where(is_sound, levels[..., 0] - levels[..., 1], 0.0)
    best = 0.0
    for shift in range(_BLOCK):
        num_blocks = (num_windows - shift) // _BLOCK
        cut_TP = differences_TP[shift : shift + num_blocks * _BLOCK]
        blocks_KP = cut_TP.reshape(num_blocks, _BLOCK, _NUM_PAIRS).mean(axis=1)
        # A voice's own timbre leans on a pair all the time; the pattern does not.
        blocks_KP -= np.median(blocks_KP, axis=0) * (blocks_KP != 0)
        blocks_KP = np.clip(blocks_KP, -_MOST_DB, _MOST_DB)
        spread = np.sqrt((blocks_KP**2).sum()) + 1e-9
        for begin in range(_PERIOD):
            places = (begin + np.arange(num_blocks)) % _PERIOD
            best = max(best, float((blocks_KP * _SIGNS_KP[places]).sum() / spread))
    return Detection(score=best)


def detect_in_file(path: Path) -> Detection:
    """The same of a file, and its comment.

    Raises:
        UserError: the file cannot be read.
    """
    found = detect_mark(*read_audio(path))
    with soundfile.SoundFile(path) as file:
        comment = file.comment
    return Detection(score=found.score, comment=comment)
