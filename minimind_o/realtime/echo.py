"""The model's own voice, come back through the microphone, must not interrupt it.

The session knows what its listener is playing (the reference). In every band of the
microphone's spectrum, what the loudspeaker can have caused is taken away; only what is
left can be a voice. What the loudspeaker can have caused is bounded, not estimated: the
loudest that the band was played of late, times the loudest echo to be expected. So it
needs no time to learn the room, and minds neither delay nor reverberation.

Shapes: N samples of a window at 16 kHz, F = 257 frequencies, H = 256 samples of a hop.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from minimind_o.realtime.detectors import SAMPLE_RATE, WINDOW

HOP = WINDOW // 2
_SLOPE_N = np.sqrt(np.hanning(WINDOW + 1)[:-1]).astype(np.float32)
"""Squared, two that overlap by half add up to 1."""


class EchoGate:
    """Reference and microphone in, the microphone without echo out.

    The microphone is the clock: every window of it is 32 ms.

    Args:
        loudest_db: level of an echo against what was played that is still taken away.
        longest_s: from when the reference comes to the end of its echo: the player's
            buffer, the air, the room.
    """

    def __init__(self, loudest_db: float = -6.0, longest_s: float = 0.7) -> None:
        self.gain = 10 ** (loudest_db / 10)
        self.longest = round(longest_s * SAMPLE_RATE / WINDOW)
        self._now = 0
        self._played: deque[tuple[int, NDArray[np.float32]]] = deque()
        """Until which window of the microphone it can be heard, and its powers."""
        self._reference = _Hops()
        self._heard = _Hops()
        self._tail_H: NDArray[np.float32] = np.zeros(HOP, np.float32)

    def play(self, wave_N: NDArray[np.float32]) -> None:
        """What the loudspeaker is about to play, or has just played, at 16 kHz."""
        until = self._now + self.longest + len(wave_N) // WINDOW
        for block_N in self._reference.push(wave_N):
            power_F = np.abs(np.fft.rfft(block_N * _SLOPE_N)) ** 2
            self._played.append((until, _spread(power_F.astype(np.float32))))

    @property
    def is_quiet(self) -> bool:
        """Nothing was played of late: what is heard is left as it is."""
        return not self._played

    def clean(self, window_N: NDArray[np.float32]) -> NDArray[np.float32]:
        """A window of the microphone without echo, half a window late."""
        self._now += 1
        while self._played and self._played[0][0] < self._now:
            self._played.popleft()
        out = []
        for block_N in self._heard.push(window_N):
            cleaned_N = self._without_echo(block_N * _SLOPE_N) * _SLOPE_N
            out.append(self._tail_H + cleaned_N[:HOP])
            self._tail_H = cleaned_N[HOP:]
        return np.concatenate(out).astype(np.float32)

    def _without_echo(self, block_N: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.is_quiet:
            return block_N
        spectrum_F = np.fft.rfft(block_N)
        power_F = np.abs(spectrum_F) ** 2 + 1e-12
        powers = np.stack([power_F for _, power_F in self._played])
        echo_F = self.gain * powers.max(axis=0)
        kept_F = np.clip(1 - echo_F / power_F, 0, None)
        return np.fft.irfft(spectrum_F * kept_F, WINDOW).astype(np.float32)


class _Hops:
    """Samples in, blocks of a window that overlap by half out."""

    def __init__(self) -> None:
        self._rest_N: NDArray[np.float32] = np.zeros(HOP, np.float32)

    def push(self, wave_N: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        all_N = np.concatenate([self._rest_N, wave_N.astype(np.float32)])
        num = (len(all_N) - WINDOW) // HOP + 1
        blocks = [all_N[i * HOP : i * HOP + WINDOW] for i in range(max(num, 0))]
        self._rest_N = all_N[max(num, 0) * HOP :]
        return blocks


def _spread(power_F: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each band at least as loud as its neighbours: a window blurs what is played."""
    padded = np.pad(power_F, 2, mode="edge")
    shifted = [padded[i : i + len(power_F)] for i in range(5)]
    return np.max(np.stack(shifted), axis=0)
