"""A spoken conversation as a state machine: frames in, text and sound out.

    listening ── begins to speak ──▶ hearing ── stops ──▶ thinking ── first sound ──▶
    speaking ── all was played ──▶ listening

A user who speaks while the model thinks or speaks interrupts it: the session is hearing
again at once. The microphone is the clock: a session does nothing by the time of day,
so the same frames and the same reports of the player give the same conversation.

Two threads may use one session, one that brings and takes (`hear`, `played`, `take`)
and one that works (`work`). Only `work` takes long.

Shapes: N samples; 16 kHz from the microphone, 24 kHz to the loudspeaker.
"""

from __future__ import annotations

import io
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Protocol

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from minimind_o.chat import Turn
from minimind_o.errors import UserError
from minimind_o.generation.engine import Request
from minimind_o.generation.events import AudioEvent, Event, TextEvent
from minimind_o.generation.voices import Voice
from minimind_o.realtime.detectors import SAMPLE_RATE, WINDOW_S, VoiceDetector
from minimind_o.realtime.echo import EchoGate
from minimind_o.realtime.heard import heard_part
from minimind_o.realtime.utterances import Utterances, UtteranceSettings, windows_of

SPEAKER_RATE = 24_000
SPOKEN_QUESTION = "(spoken)"
"""What the history holds of a question that was asked aloud."""


class State(Enum):
    """What a session is doing."""

    LISTENING = "listening"
    HEARING = "hearing"
    THINKING = "thinking"
    SPEAKING = "speaking"
    CLOSED = "closed"


class Answerer(Protocol):
    """What a session needs of `Engine`."""

    def stream(
        self, request: Request, on_stage: Callable[[str], None] | None = None
    ) -> Generator[Event, None, None]:
        """The events of an answer."""


@dataclass(frozen=True, kw_only=True)
class StateChange:
    """The session does something else now."""

    state: State
    turn: int


@dataclass(frozen=True, kw_only=True)
class TextPiece:
    """More of the answer's text."""

    turn: int
    text: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Sound:
    """80 ms of the answer. `number` counts the frames of the turn from 0, gap-free."""

    turn: int
    number: int
    pcm_N: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Silence:
    """Stop playing this turn now, and forget what of it waits to be played."""

    turn: int


@dataclass(frozen=True, kw_only=True)
class Problem:
    """The turn could not be answered, in one sentence."""

    turn: int
    message: str


Output = StateChange | TextPiece | Sound | Silence | Problem


@dataclass(frozen=True, kw_only=True)
class SessionSettings:
    """How a session behaves."""

    utterances: UtteranceSettings = field(default_factory=UtteranceSettings)
    most_waiting_s: float = 20.0
    """Sound that waits to be taken; then the answer pauses until some was."""
    patience_s: float = 60.0
    """Microphone time for which a client may take nothing of what waits for it."""
    remembered_turns: int = 200
    """Turns in the history and among the stamps."""
    report_s: float = 0.2
    """The most that a client plays before it reports it."""
    player_s: float = 3.0
    """Microphone time after an answer is whole and long enough to have been played in
    which a client that reports nothing is taken to have played it."""


@dataclass
class _Answer:
    """The turn at hand."""

    turn: int
    request: Request
    stream: Generator[Event, None, None] | None = None
    text: str = ""
    frames: int = 0
    is_whole: bool = False
    wave_N: NDArray[np.float32] | None = None
    """What was asked, where it was heard by the microphone."""
    played_N: int = 0
    """Samples that the client has reported."""
    referred_N: int = 0
    """Samples that the echo gate knows of."""
    unreported_s: float = 0.0
    """Microphone time since it is whole, and since the last report."""
    frame_size: int = 0


class Session:
    """One conversation.

    Args:
        answerer: an engine of this session's own (`minimind_o.realtime.host`).
        detector: of this session's own.
        request: what every answer has in common: voice, sampling, limits.
        settings: how it behaves.
        clock: seconds, for the stamps alone (`minimind_o.realtime.latency`).
    """

    def __init__(
        self,
        answerer: Answerer,
        detector: VoiceDetector,
        request: Request,
        settings: SessionSettings | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.settings = settings or SessionSettings()
        self.history: list[Turn] = []
        self.state = State.LISTENING
        self.stamps: dict[int, dict[str, float]] = {}
        """By turn and stage: seconds of the clock."""
        self._answerer, self._detector, self._request = answerer, detector, request
        self._clock = clock
        self._lock = threading.Lock()
        self._utterances = Utterances(self.settings.utterances)
        self._echo = EchoGate()
        self._rest_N: NDArray[np.float32] = np.zeros(0, np.float32)
        self._out: deque[Output] = deque()
        self._turn = 0
        self._answer: _Answer | None = None
        self._dropped: list[Generator[Event, None, None]] = []
        """Streams that only the working thread may close."""
        self._sounds: dict[int, NDArray[np.float32]] = {}
        """Frames of the answer that the echo gate does not know of."""
        self._unanswered_N: NDArray[np.float32] | None = None
        """What was asked before, where nothing was heard of an answer."""
        self._untaken_s = 0.0

    # What comes in

    def hear(self, wave_N: NDArray[np.floating]) -> None:
        """Take what the microphone heard, 16 kHz mono, of any length.

        Raises:
            UserError: not one row of finite numbers; the session goes on without it.
        """
        wave_N = np.asarray(wave_N)
        if wave_N.ndim != 1 or not np.issubdtype(wave_N.dtype, np.floating):
            raise UserError(
                f"microphone samples have shape {wave_N.shape} and type "
                f"{wave_N.dtype}; they must be one row of floating-point numbers."
            )
        if not np.isfinite(wave_N).all():
            raise UserError("microphone samples must be finite; some are not.")
        with self._lock:
            windows, self._rest_N = windows_of(wave_N.astype(np.float32), self._rest_N)
            for window_N in windows:
                if self.state is not State.CLOSED:  # which a window may have done
                    self._hear_window(window_N)

    def played(self, turn: int, num_samples: int) -> None:
        """The client has played so many samples of a turn, from its beginning.

        Raises:
            UserError: fewer than before, or more than there are.
        """
        with self._lock:
            answer = self._answer
            if answer is None or answer.turn != turn:
                return  # a late report of a turn that is over
            there_are = answer.frames * answer.frame_size
            if not answer.played_N <= num_samples <= there_are:
                raise UserError(
                    f"turn {turn} was reported as played up to sample {num_samples}; "
                    f"that must lie in {answer.played_N}..{there_are}."
                )
            if num_samples and not answer.played_N:
                self._stamp("first sample played")
            answer.played_N, answer.unreported_s = num_samples, 0.0
            self._refer(answer)
            if answer.is_whole and num_samples == there_are:
                self._finish(answer, answer.text)

    def ask(self, request: Request) -> None:
        """Take a question that was written, or shown; it interrupts like a spoken one.

        Voice, sampling and limits stay the session's.
        """
        with self._lock:
            if self.state is State.CLOSED:
                return
            self._interrupt()
            self._unanswered_N = None
            self._utterances.forget()
            self._begin(
                replace(
                    self._request,
                    question=request.question,
                    speech=request.speech,
                    picture=request.picture,
                )
            )
            self._stamp("asked")

    def answer_as(self, voice: Voice) -> None:
        """Give the answers from the next on another voice."""
        with self._lock:
            self._request = replace(self._request, voice=voice)

    def interrupt(self) -> None:
        """Be silent, as if the user had begun to speak, and listen."""
        with self._lock:
            if self.state in (State.THINKING, State.SPEAKING):
                self._interrupt()
                self._unanswered_N = None
                self._change(State.LISTENING)

    def close(self) -> None:
        """End it; `work` lets go of what it holds."""
        with self._lock:
            self._close()

    # What goes out

    def take(self) -> list[Output]:
        """All that waits for the client, in order."""
        with self._lock:
            taken, self._out = list(self._out), deque()
            self._untaken_s = 0.0
            if self._answer is not None and any(isinstance(o, Sound) for o in taken):
                self._refer(self._answer)
            return taken

    @property
    def turn(self) -> int:
        """Number of the last turn, from 1; 0 before the first."""
        return self._turn

    @property
    def is_answering(self) -> bool:
        """There is a question whose answer is not whole."""
        answer = self._answer
        return answer is not None and not answer.is_whole

    # Work

    def work(self) -> bool:
        """Do one piece of an answer; whether there was anything to do."""
        with self._lock:
            dropped, self._dropped = self._dropped, []
            answer = self._answer
            is_ready = (
                answer is not None and not answer.is_whole and not self._is_full()
            )
        for stream in dropped:
            stream.close()
        if answer is None or not is_ready:
            return bool(dropped)
        try:
            if answer.stream is None:
                answer.stream = self._answerer.stream(
                    answer.request, lambda stage: self._stamp(stage, answer.turn)
                )
            event = next(answer.stream, None)
        except UserError as error:
            with self._lock:
                self._give_up(answer, str(error))
            return True
        with self._lock:
            if self._answer is answer:
                self._put(answer, event)
            elif answer.stream is not None:  # interrupted meanwhile
                self._dropped.append(answer.stream)
        return True

    def _put(self, answer: _Answer, event: Event | None) -> None:
        turn = answer.turn
        if isinstance(event, TextEvent):
            self._stamp("first text")
            answer.text += event.text
            self._send(TextPiece(turn=turn, text=event.text))
        elif isinstance(event, AudioEvent):
            self._stamp("first sound")
            if self.state is State.THINKING:
                self._change(State.SPEAKING)
            answer.frame_size = len(event.pcm_N)
            self._sounds[answer.frames] = event.pcm_N
            self._send(Sound(turn=turn, number=answer.frames, pcm_N=event.pcm_N))
            answer.frames += 1
        elif event is None:
            answer.is_whole = True
            if answer.played_N == answer.frames * answer.frame_size:
                self._finish(answer, answer.text)

    # Inside

    def _hear_window(self, window_N: NDArray[np.float32]) -> None:
        self._wait_for_client()
        if self.state is State.CLOSED:
            return
        cleaned_N = self._echo.clean(window_N)
        probability = self._detector.probability(cleaned_N)
        change = self._utterances.push(window_N, probability)
        if change == "begins":
            self._interrupt()
            self._change(State.HEARING)
        elif change == "was nothing":
            self._change(State.LISTENING)
            if self._unanswered_N is not None:  # it was no reason to stop thinking
                self._begin_spoken(self._unanswered_N)
        elif change == "ends":
            silence_s = self._utterances.silence_s
            wave_N = self._utterances.take()
            if self._unanswered_N is not None:  # the user has only paused
                wave_N = np.concatenate([self._unanswered_N, wave_N])
            self._begin_spoken(wave_N)
            now = self._clock()
            self.stamps[self._turn] |= {
                "end of speech": now - silence_s,
                "decided": now,
            }

    def _wait_for_client(self) -> None:
        """Count the time of a client that takes nothing, or says nothing of playing."""
        if self._out:
            self._untaken_s += WINDOW_S
            if self._untaken_s > self.settings.patience_s:
                self._close()
        answer = self._answer
        if answer is not None and answer.is_whole:
            answer.unreported_s += WINDOW_S
            left_N = answer.frames * answer.frame_size - answer.played_N
            longest_s = left_N / SPEAKER_RATE + self.settings.player_s
            if answer.unreported_s > longest_s:
                self._finish(answer, answer.text)

    def _begin_spoken(self, wave_N: NDArray[np.float32]) -> None:
        self._unanswered_N = None
        self._begin(replace(self._request, speech=_as_wav(wave_N)), wave_N)

    def _begin(
        self, request: Request, wave_N: NDArray[np.float32] | None = None
    ) -> None:
        self._turn += 1
        self.stamps[self._turn] = {}
        self.stamps.pop(self._turn - self.settings.remembered_turns, None)
        self._answer = _Answer(turn=self._turn, request=request, wave_N=wave_N)
        self._sounds = {}
        self._change(State.THINKING)

    def _interrupt(self) -> None:
        """The user goes first: be silent, and remember only what was heard."""
        answer = self._answer
        if answer is None:
            return
        self._out = deque(
            output
            for output in self._out
            if not isinstance(output, Sound | TextPiece) or output.turn != answer.turn
        )
        self._send(Silence(turn=answer.turn))
        if not answer.played_N and answer.wave_N is not None:
            self._unanswered_N = answer.wave_N  # nothing of it was heard: no turn yet
            self._drop(answer)
            return
        total_N = answer.frames * answer.frame_size
        heard = heard_part(
            answer.text, answer.played_N, total_N, is_whole=answer.is_whole
        )
        self._finish(answer, heard, change=False)

    def _give_up(self, answer: _Answer, message: str) -> None:
        if self._answer is answer:
            self._send(Problem(turn=answer.turn, message=message))
            self._drop(answer)
            self._change(State.LISTENING)

    def _finish(self, answer: _Answer, heard: str, *, change: bool = True) -> None:
        question = answer.request.question or SPOKEN_QUESTION
        self.history.append({"role": "user", "content": question})
        self.history.append({"role": "assistant", "content": heard})
        del self.history[: -2 * self.settings.remembered_turns]
        self._drop(answer)
        if change and not self._utterances.is_inside:
            self._change(State.LISTENING)

    def _drop(self, answer: _Answer) -> None:
        if answer.stream is not None:
            self._dropped.append(answer.stream)
        self._answer = None
        self._sounds = {}

    def _refer(self, answer: _Answer) -> None:
        """Tell the echo gate what may be playing now: the reports are a little late."""
        there_are = answer.frames * answer.frame_size
        ahead_N = round(self.settings.report_s * SPEAKER_RATE)
        until = min(there_are, answer.played_N + ahead_N)
        while answer.referred_N < until:
            pcm_N = self._sounds.pop(answer.referred_N // answer.frame_size)
            self._echo.play(soxr.resample(pcm_N, SPEAKER_RATE, SAMPLE_RATE))
            answer.referred_N += answer.frame_size

    def _is_full(self) -> bool:
        waiting_N = sum(len(o.pcm_N) for o in self._out if isinstance(o, Sound))
        return waiting_N / SPEAKER_RATE >= self.settings.most_waiting_s

    def _send(self, output: Output) -> None:
        self._out.append(output)

    def _change(self, state: State) -> None:
        if state is not self.state:
            self.state = state
            self._send(StateChange(state=state, turn=self._turn))

    def _close(self) -> None:
        if self._answer is not None:
            self._drop(self._answer)
        self._out.clear()
        self._change(State.CLOSED)

    def _stamp(self, stage: str, turn: int | None = None) -> None:
        self.stamps.get(turn or self._turn, {}).setdefault(stage, self._clock())


def _as_wav(wave_N: NDArray[np.float32]) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, wave_N, SAMPLE_RATE, format="WAV", subtype="FLOAT")
    return file.getvalue()
