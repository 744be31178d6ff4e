"""An answer as it comes: its text to a reader, its sound to a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from minimind_o.config import Mark
from minimind_o.generation.events import AudioEvent, EndEvent, Event, TextEvent, Timings
from minimind_o.generation.marking import make_marker
from minimind_o.generation.wav import WavStream


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """What was said, where it lies and how long it took."""

    text: str
    """The whole text of the answer."""
    path: Path | None
    """The sound file; None where no sound came."""
    seconds: float
    """How long the sound is."""
    timings: Timings
    """The engine's own times: writing and showing are not in them."""


def speak(
    events: Iterable[Event],
    path: Path,
    sample_rate: int,
    show: Callable[[str], None],
    mark: Mark = "none",
) -> Spoken:
    """Drain an engine's events into `path`, passing each piece of text to `show`.

    Args:
        events: the engine's.
        path: the WAV file.
        sample_rate: of the sound.
        show: is given each piece of text.
        mark: how the sound says that it is synthetic.

    Raises:
        UserError: `path` is no place for a WAV, or the engine refuses the request.
    """
    end: EndEvent | None = None
    marker = make_marker(mark, sample_rate)
    with WavStream(path, sample_rate) as stream:
        try:
            for event in events:
                if isinstance(event, TextEvent):
                    show(event.text)
                elif isinstance(event, AudioEvent):
                    stream.write(marker.push(event.pcm_N))
                elif isinstance(event, EndEvent):
                    end = event
        finally:  # what was said stays, interrupted or not
            rest_N = marker.finish()
            if len(rest_N):
                stream.write(rest_N)
    assert end is not None, "an engine's stream closes with an EndEvent"
    return Spoken(
        text=end.text,
        path=path if stream.num_samples else None,
        seconds=stream.seconds,
        timings=end.timings,
    )
