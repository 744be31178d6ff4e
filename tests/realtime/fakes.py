"""A detector and an answerer that do as they are told."""

import io
from collections.abc import Callable, Generator

import numpy as np
import soundfile

from minimind_o.errors import UserError
from minimind_o.generation.engine import Request
from minimind_o.generation.events import AudioEvent, Event, TextEvent
from minimind_o.realtime.detectors import SAMPLE_RATE, WINDOW

FRAME = 1920
LOUD = 0.5


class LevelDetector:
    """Speech is what is louder than a tenth."""

    def probability(self, window_N: np.ndarray) -> float:
        return float(np.abs(window_N).max() > 0.1)

    def reset(self) -> None:
        pass


class ScriptedAnswerer:
    """Says `words`, a frame after each; remembers what it was asked."""

    def __init__(self, words: tuple[str, ...] = ("one ", "two ", "three ", "four")):
        self.words = words
        self.requests: list[Request] = []
        self.closed = 0
        self.fails = False

    def stream(
        self, request: Request, on_stage: Callable[[str], None] | None = None
    ) -> Generator[Event, None, None]:
        self.requests.append(request)
        if self.fails:
            raise UserError("the question is too long.")
        return self._events(len(self.requests))

    def _events(self, number: int) -> Generator[Event, None, None]:
        try:
            for index, word in enumerate(self.words):
                yield TextEvent(text=word, token_id=0)
                pcm_N = np.full(FRAME, 0.01 * number + 0.001 * index, np.float32)
                yield AudioEvent(pcm_N=pcm_N, frame=index, codes_Q=np.zeros(8, int))
        finally:
            self.closed += 1


def speech(seconds: float) -> np.ndarray:
    """A loud tone of whole windows."""
    num = round(seconds * SAMPLE_RATE / WINDOW) * WINDOW
    return (LOUD * np.sin(np.arange(num) * 0.3)).astype(np.float32)


def recording(request: Request) -> np.ndarray:
    """What a session took for the question."""
    assert isinstance(request.speech, bytes)
    wave_N, rate = soundfile.read(io.BytesIO(request.speech), dtype="float32")
    assert rate == SAMPLE_RATE
    return wave_N
