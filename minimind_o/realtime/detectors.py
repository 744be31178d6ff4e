"""Is somebody speaking? Two answers, a window of 32 ms at a time.

Shapes: N = 512 samples of a window, at 16 kHz.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
WINDOW = 512
"""Samples: what silero-vad reads at a time."""
WINDOW_S = WINDOW / SAMPLE_RATE


class VoiceDetector(Protocol):
    """What a session needs; it remembers what came before, so one session has one."""

    def probability(self, window_N: NDArray[np.float32]) -> float:
        """That the window holds speech, 0 to 1."""

    def reset(self) -> None:
        """Forget everything."""


class EnergyDetector:
    """The baseline: what is well above the quietest of late is speech."""

    def __init__(self, ratio: float = 4.0) -> None:
        self.ratio = ratio
        self.reset()

    def reset(self) -> None:
        """Forget how quiet it was."""
        self.floor = np.inf

    def probability(self, window_N: NDArray[np.float32]) -> float:
        """0.5 at `ratio` times the floor, which falls fast and rises slowly."""
        level = float(np.sqrt(np.mean(window_N**2))) + 1e-9
        self.floor = min(level, self.floor * 1.005) + 1e-6
        return level**2 / (level**2 + (self.ratio * self.floor) ** 2)


class SileroDetector:
    """silero-vad, a small recurrent network (github.com/snakers4/silero-vad)."""

    def __init__(self) -> None:
        from silero_vad import load_silero_vad  # takes a second

        self.model = load_silero_vad()

    def reset(self) -> None:
        """Set its state to zero."""
        self.model.reset_states()

    @torch.inference_mode()
    def probability(self, window_N: NDArray[np.float32]) -> float:
        """The network's output."""
        window = torch.from_numpy(np.ascontiguousarray(window_N))
        return float(self.model(window, SAMPLE_RATE))
