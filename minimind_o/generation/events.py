"""What the engine yields, in the order in which it comes to be.

Shapes: Q codebook, F frame, N sample.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

EndReason = Literal["stop", "length"]


@dataclass(frozen=True, kw_only=True)
class TextEvent:
    """One token of the answer's text."""

    text: str
    """The piece that became readable with it; empty inside a character."""
    token_id: int
    """The token."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AudioEvent:
    """One frame of the answer's speech, 80 ms."""

    pcm_N: NDArray[np.float32]
    """(1920,) samples at 24 kHz."""
    frame: int
    """Its number, from 0."""
    codes_Q: NDArray[np.int64]
    """(8,) the codes it was decoded from."""


@dataclass(frozen=True, kw_only=True)
class Timings:
    """Where the time went. The listener's own time between events is not in it."""

    time_to_first_text_s: float | None
    """From the request to the first token."""
    time_to_first_audio_s: float | None
    """From the request to the first 80 ms of sound; None: the answer was silent."""
    total_s: float
    """From the request to the end."""
    audio_s: float
    """Length of the speech."""

    @property
    def real_time_factor(self) -> float | None:
        """Seconds spent per second of speech; below 1 it is made faster than heard."""
        return self.total_s / self.audio_s if self.audio_s else None


@dataclass(frozen=True, kw_only=True, eq=False)
class EndEvent:
    """The end of the answer, and the whole of it."""

    reason: EndReason
    """"stop": the model ended speech and text; "length": a limit did."""
    text: str
    """The whole text."""
    codes_QF: NDArray[np.int64]
    """(8, F) all codes."""
    timings: Timings
    """Where the time went."""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """Nothing yet: answers that share a batch are made a step at a time together.

    Only from an engine that shares one, while others answer, too.
    """


Event = TextEvent | AudioEvent | EndEvent | Waiting
