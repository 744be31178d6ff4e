"""A client without a sound card: it plays, reports, and lets the microphone hear.

Time goes by in windows of the microphone, as fast as the computer can: the same sounds
give the same conversation. For tests, benchmarks, and the notebook.

Shapes: N samples; 16 kHz from the microphone, 24 kHz from the loudspeaker.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import soxr
from numpy.typing import NDArray

from minimind_o.realtime.detectors import SAMPLE_RATE, WINDOW, WINDOW_S
from minimind_o.realtime.session import (
    SPEAKER_RATE,
    Output,
    Session,
    Silence,
    Sound,
    State,
    StateChange,
)

PLAYED_A_WINDOW = WINDOW * SPEAKER_RATE // SAMPLE_RATE


@dataclass(frozen=True, kw_only=True)
class Room:
    """What the microphone hears besides the user.

    echo_db: level of the loudspeaker at the microphone; None: headphones.
    delay_s: from loudspeaker to microphone. noise: root mean square.
    """

    echo_db: float | None = None
    delay_s: float = 0.08
    noise: float = 0.0
    seed: int = 0


@dataclass
class Heard:
    """What a conversation came to, window by window."""

    outputs: list[tuple[float, Output]] = field(default_factory=list)
    """Each with the second of the microphone at which it came."""
    states: list[State] = field(default_factory=list)
    """At the end of each window."""
    played: list[NDArray[np.float32]] = field(default_factory=list)
    """What the loudspeaker gave in each window, at 24 kHz."""

    @property
    def speaker_N(self) -> NDArray[np.float32]:
        """All that was played, silence included."""
        return np.concatenate(self.played)

    def seconds_of(self, state: State) -> list[float]:
        """When the session came to a state."""
        return [
            second
            for second, output in self.outputs
            if isinstance(output, StateChange) and output.state is state
        ]


class VirtualClient:
    """Plays what a session sends, window by window.

    Args:
        session: of its own.
        room: what its microphone hears of it.
        work: pieces of work that the session does in a window; 0 where a host works.
    """

    def __init__(
        self, session: Session, room: Room | None = None, work: int = 16
    ) -> None:
        self.session, self.room, self.work = session, room or Room(), work
        self.heard = Heard()
        self._rng = np.random.default_rng(self.room.seed)
        self._queue: list[Sound] = []
        self._turn, self._offset, self._played = 0, 0, 0
        num_delayed = round(self.room.delay_s * SAMPLE_RATE)
        self._air_N: NDArray[np.float32] = np.zeros(num_delayed, np.float32)
        self._to_16k = soxr.ResampleStream(SPEAKER_RATE, SAMPLE_RATE, 1)

    def listen(self, wave_N: NDArray[np.floating]) -> Heard:
        """Let the user say this, padded to whole windows; all that was heard so far."""
        missing = -len(wave_N) % WINDOW
        padded_N = np.pad(np.asarray(wave_N, np.float32), (0, missing))
        for window_N in padded_N.reshape(-1, WINDOW):
            self._window(window_N)
        return self.heard

    def wait(self, seconds: float) -> Heard:
        """Let the user be silent."""
        return self.listen(np.zeros(round(seconds * SAMPLE_RATE), np.float32))

    def forget(self) -> None:
        """Let go of what was heard, but not of the time that has gone by."""
        self.heard.outputs.clear()
        self.heard.played.clear()

    @property
    def now(self) -> float:
        """Seconds of the microphone."""
        return len(self.heard.states) * WINDOW_S

    def _window(self, window_N: NDArray[np.float32]) -> None:
        self.session.hear(window_N + self._echo() + self._noise())
        for _ in range(self.work):
            if not self.session.work():
                break
        for output in self.session.take():
            self.heard.outputs.append((self.now, output))
            if isinstance(output, Sound):
                self._queue.append(output)
            elif isinstance(output, Silence):
                self._queue = [s for s in self._queue if s.turn != output.turn]
                self._offset = 0
        self._play()
        self.heard.states.append(self.session.state)

    def _echo(self) -> NDArray[np.float32]:
        echo_N, self._air_N = self._air_N[:WINDOW], self._air_N[WINDOW:]
        if self.room.echo_db is None:
            return np.zeros(WINDOW, np.float32)
        echo_N = np.pad(echo_N, (0, WINDOW - len(echo_N)))
        return echo_N * np.float32(10 ** (self.room.echo_db / 20))

    def _noise(self) -> NDArray[np.float32]:
        return self._rng.normal(0, self.room.noise, WINDOW).astype(np.float32)

    def _play(self) -> None:
        out_N = np.zeros(PLAYED_A_WINDOW, np.float32)
        filled = 0
        while self._queue and filled < PLAYED_A_WINDOW:
            sound = self._queue[0]
            if sound.turn != self._turn:
                self._turn, self._played, self._offset = sound.turn, 0, 0
            part_N = sound.pcm_N[self._offset : self._offset + len(out_N) - filled]
            out_N[filled : filled + len(part_N)] = part_N
            filled += len(part_N)
            self._offset += len(part_N)
            self._played += len(part_N)
            if self._offset == len(sound.pcm_N):
                self._queue.pop(0)
                self._offset = 0
        if filled:
            self.session.played(self._turn, self._played)
        self.heard.played.append(out_N)
        self._air_N = np.concatenate([self._air_N, self._to_16k.resample_chunk(out_N)])
