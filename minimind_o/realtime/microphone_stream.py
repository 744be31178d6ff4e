"""A microphone of any rate, in pieces of any length, as a session hears it: 16 kHz.

The pieces are resampled as one stream, so there is no seam where they meet.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import soxr
from numpy.typing import NDArray

from minimind_o.errors import UserError
from minimind_o.realtime.detectors import SAMPLE_RATE

MIN_RATE, MAX_RATE = 8_000, 192_000
QUALITY = "MQ"
"""Of the resampling: 16 bits. Its filter is 15 ms late, that of the default 21 ms."""
MAX_PIECE_S = 1.0
"""A microphone speaks up many times a second; what comes in one piece is no speech."""


class MicrophoneStream:
    """Pieces in, 16 kHz out.

    Args:
        hear: takes the samples (N,) at 16 kHz, such as `Session.hear`.
    """

    def __init__(self, hear: Callable[[NDArray[np.float32]], None]) -> None:
        self._hear = hear
        self._rate = 0
        self._stream: soxr.ResampleStream | None = None
        self._expected = 0
        self.num_missing = 0
        """Pieces that never came."""

    def push(self, wave_N: NDArray[np.float32], rate: int, number: int) -> None:
        """Take the next piece; another rate, or number 0, begins another recording.

        Args:
            wave_N: samples, mono.
            rate: theirs, in Hz.
            number: of the piece, counted from 0.

        Raises:
            UserError: a rate that no microphone has, a piece longer than a second, a
                number that came before, or samples that are not finite.
        """
        if not MIN_RATE <= rate <= MAX_RATE:
            raise UserError(
                f"a microphone's rate must lie in {MIN_RATE}..{MAX_RATE} Hz, not "
                f"{rate}."
            )
        if len(wave_N) > MAX_PIECE_S * rate:
            raise UserError(
                f"{len(wave_N) / rate:.1f} s of microphone came in one piece; at most "
                f"{MAX_PIECE_S:.0f} s are taken."
            )
        if not np.isfinite(wave_N).all():
            raise UserError("microphone samples must be finite; some are not.")
        if number and number < self._expected:
            raise UserError(
                f"piece {number} of the microphone came after piece "
                f"{self._expected - 1}."
            )
        if rate != self._rate or not number:
            self._rate, self._stream = rate, None
            if rate != SAMPLE_RATE:
                self._stream = soxr.ResampleStream(
                    rate, SAMPLE_RATE, 1, quality=QUALITY
                )
        self.num_missing += number - self._expected if number else 0
        self._expected = number + 1
        wave_N = np.clip(wave_N, -1, 1).astype(np.float32)
        if self._stream is not None:
            wave_N = self._stream.resample_chunk(wave_N)
        self._hear(wave_N)
