"""A session's client by messages: what a browser says to it, and what it is told.

A message is a small object with a `kind`, and for sounds and files a payload of bytes.
A notebook's widgets carry it as a custom message with a buffer, `minimind-o serve` as
one frame of a web socket; both come here, so both take and refuse the same.

| from the client | fields | payload |
|---|---|---|
| `microphone` | `number` from 0, `rate` in Hz | samples, float32, little-endian |
| `played` | `turn`, `samples` | |
| `ask` | `text` | |
| `picture` | | a picture file for the next question; none: no picture after all |
| `speech` | | a recording of a question |
| `voice` | `name` | |
| `clone` | | a recording of a voice |
| `interrupt` | | |

| to the client | fields | payload |
|---|---|---|
| `state` | `turn`, `state` | |
| `text` | `turn`, `text` | |
| `sound` | `turn`, `number` from 0 without a gap | 24 kHz samples, float32 |
| `silence` | `turn`: play no more of it | |
| `latency` | `turn`, `stages` (`minimind_o.realtime.latency.waterfall`) | |
| `voice` | `name`: the answers' from now on | |
| `problem` | `message` | |
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from minimind_o.data.media import read_audio, read_picture
from minimind_o.errors import UserError
from minimind_o.generation.engine import Request
from minimind_o.generation.voices import Voice
from minimind_o.realtime.latency import waterfall
from minimind_o.realtime.microphone_stream import MicrophoneStream
from minimind_o.realtime.session import (
    Output,
    Problem,
    Session,
    Silence,
    Sound,
    StateChange,
    TextPiece,
)

logger = logging.getLogger(__name__)

Message = Mapping[str, object]
MAX_CHARACTERS = 4_000
"""Of a written question; the context is shorter still, and says so."""
MAX_FILE_BYTES = 10_000_000
"""Of a picture or a recording that a client sends."""
OWN_VOICE = "your own"
"""What a cloned voice is called; it lasts as long as the connection."""


class Connection:
    """Messages in, messages out, over one session.

    Args:
        session: whose client this is.
        load_voice: a voice by its name.
        clone: a voice from a recording; None where nobody can.
    """

    def __init__(
        self,
        session: Session,
        load_voice: Callable[[str], Voice],
        clone: Callable[[bytes], Voice] | None = None,
    ) -> None:
        self.session = session
        self._load_voice, self._clone = load_voice, clone
        self._own_voice: Voice | None = None
        self._picture: bytes | None = None
        self._untold: set[int] = set()
        """Turns whose latency is to be told."""
        self._problems: list[str] = []
        self._chosen: list[str] = []
        self.microphone = MicrophoneStream(session.hear)
        self._takes: dict[str, Callable[[Message, bytes], None]] = {
            "microphone": self._hear,
            "played": self._played,
            "ask": self._ask,
            "picture": self._show,
            "speech": self._ask_aloud,
            "voice": self._use_voice,
            "clone": self._clone_voice,
            "interrupt": lambda _message, _payload: session.interrupt(),
        }

    def receive(self, message: object, payload: bytes = b"") -> None:
        """Take a message; what is wrong with it becomes a `problem`, and a log line."""
        try:
            kind = message.get("kind") if isinstance(message, Mapping) else None
            if not isinstance(message, Mapping) or str(kind) not in self._takes:
                raise UserError(
                    f"a message must have a kind, one of {', '.join(self._takes)}; "
                    f"this one has {str(kind)[:40]!r}."
                )
            self._takes[str(kind)](message, payload)
        except UserError as error:
            self.refuse(str(error))

    def refuse(self, reason: str) -> None:
        """Tell the client, and the log, what was wrong with what it sent."""
        logger.warning("Refused: %s", reason)
        self._problems.append(reason)

    def messages(self) -> list[tuple[dict[str, object], bytes]]:
        """All that the client is to be told now, in order."""
        out = [self._as_message(output) for output in self.session.take()]
        for turn in sorted(self._untold):
            stamps = self.session.stamps.get(turn)
            if stamps is None:
                self._untold.discard(turn)
            elif "first sample played" in stamps:
                self._untold.discard(turn)
                ends = {name: end for name, (_, end) in waterfall(stamps).items()}
                out.append(({"kind": "latency", "turn": turn, "stages": ends}, b""))
        problems, self._problems = self._problems, []
        chosen, self._chosen = self._chosen, []
        out += [({"kind": "problem", "message": text}, b"") for text in problems]
        out += [({"kind": "voice", "name": name}, b"") for name in chosen]
        return out

    def _as_message(self, output: Output) -> tuple[dict[str, object], bytes]:
        turn = output.turn
        if isinstance(output, StateChange):
            return {"kind": "state", "turn": turn, "state": output.state.value}, b""
        if isinstance(output, TextPiece):
            return {"kind": "text", "turn": turn, "text": output.text}, b""
        if isinstance(output, Sound):
            if output.number == 0:
                self._untold.add(turn)
            header = {"kind": "sound", "turn": turn, "number": output.number}
            return header, output.pcm_N.astype("<f4").tobytes()
        if isinstance(output, Silence):
            return {"kind": "silence", "turn": turn}, b""
        assert isinstance(output, Problem)
        return {"kind": "problem", "message": output.message}, b""

    def _hear(self, message: Message, payload: bytes) -> None:
        number, rate = whole(message, "number"), whole(message, "rate")
        self.microphone.push(samples_of(payload), rate, number)

    def _played(self, message: Message, _payload: bytes) -> None:
        self.session.played(whole(message, "turn"), whole(message, "samples"))

    def _ask(self, message: Message, _payload: bytes) -> None:
        text = message.get("text")
        if not isinstance(text, str) or len(text) > MAX_CHARACTERS:
            raise UserError(
                f"a question must be text of at most {MAX_CHARACTERS} characters."
            )
        if not text.strip() and self._picture is None:
            raise UserError("nothing was asked: write, say or show something.")
        self.session.ask(Request(question=text.strip(), picture=self._picture))
        self._picture = None

    def _ask_aloud(self, _message: Message, payload: bytes) -> None:
        read_audio(check_size(payload), "the recording")
        self.session.ask(Request(speech=payload, picture=self._picture))
        self._picture = None

    def _show(self, _message: Message, payload: bytes) -> None:
        if payload:
            read_picture(check_size(payload), "the picture")
        self._picture = payload or None

    def _use_voice(self, message: Message, _payload: bytes) -> None:
        name = str(message.get("name"))
        if name == OWN_VOICE and self._own_voice is not None:
            self._answer_as(self._own_voice)
        else:
            self._answer_as(self._load_voice(name))

    def _clone_voice(self, _message: Message, payload: bytes) -> None:
        if self._clone is None:
            raise UserError("no voice can be made here.")
        voice = self._clone(check_size(payload))
        self._own_voice = replace(voice, name=OWN_VOICE)
        self._answer_as(self._own_voice)

    def _answer_as(self, voice: Voice) -> None:
        self.session.answer_as(voice)
        self._chosen.append(voice.name)


def samples_of(payload: bytes) -> NDArray[np.float32]:
    """Little-endian float32 samples.

    Raises:
        UserError: not whole samples.
    """
    if len(payload) % 4:
        raise UserError(
            f"microphone samples take 4 bytes each; {len(payload)} bytes are not whole "
            "samples."
        )
    return np.frombuffer(payload, "<f4").astype(np.float32)


def whole(message: Message, name: str) -> int:
    """A count in a message.

    Raises:
        UserError: it is missing, no whole number, negative or beyond all use.
    """
    value = message.get(name)
    is_count = isinstance(value, int) and not isinstance(value, bool)
    if not is_count or not 0 <= value < 2**53:  # type: ignore[operator]
        raise UserError(
            f"'{name}' of a {message.get('kind')} message must be a whole number from "
            f"0, not {str(value)[:40]!r}."
        )
    return int(value)  # type: ignore[call-overload]


def check_size(payload: bytes) -> bytes:
    """Refuse a file that is missing or too large, unread.

    Raises:
        UserError: with the limit.
    """
    if not payload:
        raise UserError("the file is empty.")
    if len(payload) > MAX_FILE_BYTES:
        raise UserError(
            f"the file has {len(payload) / 1e6:.0f} MB; at most "
            f"{MAX_FILE_BYTES / 1e6:.0f} are taken."
        )
    return payload
