"""A call with the model from a notebook: a microphone, a voice, a player."""

from __future__ import annotations

import html
import threading
import time
from pathlib import Path

import ipywidgets
import numpy as np

from minimind_o.data.encoders import Source
from minimind_o.generation.engine import Request
from minimind_o.generation.voices import default_voice, list_voices, load_voice
from minimind_o.realtime.connection import Connection
from minimind_o.realtime.host import Host
from minimind_o.realtime.session import SessionSettings
from minimind_o.widgets.microphone import Microphone
from minimind_o.widgets.player import Player
from minimind_o.widgets.twin import Twin

LOOK_S = 0.01
"""How often the session is asked for what it has to say."""


class Conversation(ipywidgets.VBox):
    """Speak or write; interrupt by speaking.

    What comes from the browser is handled on the thread that brings it, and what goes
    there is sent by a thread of its own: a cell that keeps the kernel busy stops
    neither.
    """

    def __init__(
        self,
        host: Host,
        voices: Path,
        voice: str | None = None,
        seed: int = 1,
        settings: SessionSettings | None = None,
    ) -> None:
        """Open a session.

        Args:
            host: who works for it.
            voices: the assets' `voices` folder.
            voice: whose voice answers first; None: `default_voice`.
            seed: of the answers.
            settings: of the session.

        Raises:
            UserError: no such voice, or no more sessions.
        """
        voice = voice or default_voice(voices)
        request = Request(voice=load_voice(voices, voice), seed=seed)
        self.session = host.open(request, settings)
        self.connection = Connection(
            self.session, lambda name: load_voice(voices, name)
        )
        self.microphone = Microphone(self.session.hear)
        self.player = Player(on_played=self._played)
        self.voice = ipywidgets.Dropdown(
            options=list_voices(voices), value=voice, description="voice"
        )
        self.voice.observe(self._voice_chosen, names="value")
        self.question = ipywidgets.Text(
            placeholder="or write, and press Enter",
            continuous_update=False,
            layout=ipywidgets.Layout(width="420px"),
        )
        self.question.observe(self._written, names="value")
        self.state = ipywidgets.Label("listening")
        self.transcript = ipywidgets.HTML()
        self.told: list[dict[str, object]] = []
        """Every message of the session, sounds without their samples."""
        self._texts: dict[int, str] = {}
        self._notes: dict[int, str] = {}
        super().__init__(
            [
                ipywidgets.HBox([self.voice, self.player, self.state]),
                self.microphone,
                self.question,
                self.transcript,
            ]
        )
        self._ends = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="conversation", daemon=True
        )
        self._thread.start()

    def __repr__(self) -> str:
        return "Conversation()"

    def ask(self, text: str = "", picture: Source | None = None) -> None:
        """Ask in writing, with a picture or without."""
        if picture is not None:
            content = picture if isinstance(picture, bytes) else _content(picture)
            self.connection.receive({"kind": "picture"}, content)
        self.connection.receive({"kind": "ask", "text": text})

    def wait(self, timeout_s: float = 60.0) -> None:
        """Until the answer at hand is whole, and has been sent to the player."""
        until = time.monotonic() + timeout_s
        while self.session.is_answering and time.monotonic() < until:
            time.sleep(LOOK_S)
        time.sleep(5 * LOOK_S)

    def close(self) -> None:
        """End the session and its thread."""
        self.session.close()
        self._ends.set()
        self.microphone.close()
        if self._thread is not threading.current_thread():
            self._thread.join()
        super().close()

    def twin(self) -> Twin:
        """The player's: the last answer as a picture and a sound."""
        return self.player.twin()

    def _run(self) -> None:
        while not self._ends.wait(LOOK_S):
            for message, payload in self.connection.messages():
                self.told.append(message)
                self._tell(message, payload)

    def _tell(self, message: dict, payload: bytes) -> None:
        turn = int(message.get("turn", 0))
        match message["kind"]:
            case "sound":
                if message["number"] == 0:
                    self.player.new_turn(turn)
                self.player.push(np.frombuffer(payload, "<f4"))
            case "silence":
                self.player.stop()
            case "state":
                self.state.value = message["state"]
            case "text":
                self._texts[turn] = self._texts.get(turn, "") + message["text"]
                self._show()
            case "latency":
                self._notes[turn] = _times(message["stages"])
                self._show()
            case "problem":
                self.microphone.note = message["message"]

    def _show(self) -> None:
        lines = [
            f"<b>{turn}</b> {html.escape(text)} <small>{self._notes.get(turn, '')}"
            "</small>"
            for turn, text in sorted(self._texts.items())
        ]
        self.transcript.value = "<br>".join(lines[-8:])

    def _played(self, turn: int, samples: int) -> None:
        self.connection.receive({"kind": "played", "turn": turn, "samples": samples})

    def _voice_chosen(self, change: dict) -> None:
        self.connection.receive({"kind": "voice", "name": change["new"]})

    def _written(self, change: dict) -> None:
        if change["new"].strip():
            self.ask(change["new"])
            self.question.value = ""


def _content(picture: str | Path) -> bytes:
    return Path(picture).read_bytes()


def _times(stages: dict[str, float]) -> str:
    first_text, first_sound = stages.get("first text"), stages.get("first sound")
    if first_text is None or first_sound is None:
        return ""
    return f"first word {first_text:.0f} ms, first sound {first_sound:.0f} ms"
