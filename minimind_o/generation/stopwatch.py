"""Times a generator without the time its listener takes between two events."""

import time
from collections.abc import Generator
from typing import TypeVar

from minimind_o.generation.events import Timings

T = TypeVar("T")


class Stopwatch:
    """Runs from its making; `pause` and `resume` leave the listener's time out."""

    def __init__(self) -> None:
        self._busy = 0.0
        self._resumed: float | None = time.perf_counter()
        self._first_text: float | None = None
        self._first_audio: float | None = None

    def elapsed(self) -> float:
        """Seconds so far."""
        running = 0.0
        if self._resumed is not None:
            running = time.perf_counter() - self._resumed
        return self._busy + running

    def pause(self) -> None:
        """Stop counting."""
        self._busy, self._resumed = self.elapsed(), None

    def resume(self) -> None:
        """Count on."""
        self._resumed = time.perf_counter()

    def note_text(self) -> None:
        """A piece of text is ready."""
        if self._first_text is None:
            self._first_text = self.elapsed()

    def note_audio(self) -> None:
        """A piece of speech is ready."""
        if self._first_audio is None:
            self._first_audio = self.elapsed()

    def timings(self, audio_s: float) -> Timings:
        """What was noted, for `audio_s` seconds of speech."""
        return Timings(
            time_to_first_text_s=self._first_text,
            time_to_first_audio_s=self._first_audio,
            total_s=self.elapsed(),
            audio_s=audio_s,
        )


def listened_to(
    events: Generator[T, None, None], stopwatch: Stopwatch
) -> Generator[T, None, None]:
    """Pass events on with the watch paused while the listener has them."""
    stopwatch.resume()
    try:
        for event in events:
            stopwatch.pause()
            yield event
            stopwatch.resume()
    finally:
        events.close()
