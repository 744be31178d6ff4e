"""Where an utterance begins and ends, and its samples, none of the first words lost.

Shapes: N samples at 16 kHz.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from minimind_o.errors import UserError
from minimind_o.realtime.detectors import SAMPLE_RATE, WINDOW, WINDOW_S

Change = Literal["begins", "ends", "was nothing"]


@dataclass(frozen=True, kw_only=True)
class UtteranceSettings:
    """When a detector's probabilities are an utterance. Times in seconds."""

    threshold: float = 0.5
    """Probability from which a window is speech."""
    release: float = 0.35
    """Probability below which it is silence again."""
    onset_s: float = 0.064
    """Speech in a row that begins an utterance."""
    sure: float = 0.6
    """Probability from which a single window begins one; above 1: none does."""
    silence_s: float = 0.5
    """Silence in a row that ends it."""
    shortest_s: float = 0.2
    """Speech that an utterance must have; a cough has less."""
    longest_s: float = 30.0
    """An utterance is ended here, come what may."""
    pre_roll_s: float = 0.32
    """What is kept from before the onset: first words begin before they are noticed."""

    def __post_init__(self) -> None:
        if not 0 < self.release <= self.threshold < 1:
            raise UserError(
                f"release {self.release} and threshold {self.threshold} must lie in "
                "this order between 0 and 1."
            )
        if self.sure < self.threshold:
            raise UserError(
                f"sure={self.sure} must be at least the threshold {self.threshold}."
            )


class Utterances:
    """Windows in, utterances out."""

    def __init__(self, settings: UtteranceSettings) -> None:
        self.settings = settings
        before = round((settings.pre_roll_s + settings.onset_s) / WINDOW_S) + 1
        self._before: deque[NDArray[np.float32]] = deque(maxlen=before)
        self._windows: list[NDArray[np.float32]] = []
        self._run = 0
        """Windows of speech in a row before an utterance, or of silence in one."""
        self._voiced = 0
        self.is_inside = False

    def push(self, window_N: NDArray[np.float32], probability: float) -> Change | None:
        """Take the next window; what it changed, if anything."""
        if self.is_inside:
            return self._go_on(window_N, probability)
        self._before.append(window_N)
        self._run = self._run + 1 if probability >= self.settings.threshold else 0
        is_sure = probability >= self.settings.sure
        if not is_sure and self._run * WINDOW_S < self.settings.onset_s:
            return None
        self._windows, self._voiced = list(self._before), self._run
        self._before.clear()
        self._run, self.is_inside = 0, True
        return "begins"

    def _go_on(
        self, window_N: NDArray[np.float32], probability: float
    ) -> Change | None:
        self._windows.append(window_N)
        is_silent = probability < self.settings.release
        self._run = self._run + 1 if is_silent else 0
        self._voiced += not is_silent
        is_over = self._run * WINDOW_S >= self.settings.silence_s
        is_too_long = len(self._windows) * WINDOW_S >= self.settings.longest_s
        if not (is_over or is_too_long):
            return None
        is_speech = self._voiced * WINDOW_S >= self.settings.shortest_s
        self.is_inside = False
        if not is_speech:
            self.forget()
            return "was nothing"
        return "ends"

    @property
    def silence_s(self) -> float:
        """How long it has been silent at the end of the utterance."""
        return self._run * WINDOW_S

    def take(self) -> NDArray[np.float32]:
        """The samples of the utterance that has ended, with its pre-roll."""
        wave_N = np.concatenate(self._windows)
        self.forget()
        return wave_N

    def forget(self) -> None:
        """Wait for the next utterance, with nothing before it."""
        self._windows, self._run, self._voiced = [], 0, 0
        self.is_inside = False


def windows_of(
    wave_N: NDArray[np.float32], rest_N: NDArray[np.float32]
) -> tuple[list[NDArray[np.float32]], NDArray[np.float32]]:
    """Whole windows of what came, with what was left from before; and what is left."""
    all_N = np.concatenate([rest_N, wave_N])
    num = len(all_N) // WINDOW
    cut = num * WINDOW
    return list(all_N[:cut].reshape(num, WINDOW)), all_N[cut:]


assert WINDOW_S * SAMPLE_RATE == WINDOW
