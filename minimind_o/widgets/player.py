"""An answer is played while it is still being made.

The sound goes as binary messages of its own, numbered, and not as the state of the
widget: state is what it is *now*, and a busy page skips what it was meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import traitlets
from numpy.typing import ArrayLike, NDArray

from minimind_o import plots
from minimind_o.widgets.twin import AudioWidget, Twin

SAMPLE_RATE = 24_000


class Player(AudioWidget):
    """Push sounds; it starts with the first one.

    Args:
        lead: seconds of sound that must wait before it goes on after it ran dry.
        on_played: told of the turn and how many of its samples were played.
    """

    _esm = Path(__file__).with_name("player.js")
    rate = traitlets.Int(SAMPLE_RATE).tag(sync=True)
    lead = traitlets.Float(0.16).tag(sync=True)

    def __init__(
        self,
        lead: float = 0.16,
        on_played: Callable[[int, int], None] | None = None,
    ) -> None:
        super().__init__(lead=lead)
        self._on_played = on_played
        self._turn, self._number = 0, 0
        self.pushed: list[NDArray[np.float32]] = []
        """The sounds of the turn at hand."""
        self.played = 0
        """Samples of the turn at hand that have reached the loudspeaker."""
        self.gaps = 0
        """Sounds that never reached the page; there should be none."""
        self.silent_turns: list[int] = []
        """Turns that the page has silenced."""
        self.on_msg(self._received)

    def new_turn(self, turn: int | None = None) -> int:
        """Begin another answer; what is left of the last is forgotten."""
        self.stop()
        self._turn = self._turn + 1 if turn is None else turn
        self._number, self.played, self.pushed = 0, 0, []
        return self._turn

    def push(self, pcm: ArrayLike) -> None:
        """Play these samples, 24 kHz mono, after those that were pushed before."""
        if not self._turn:
            self.new_turn()
        pcm_N = np.asarray(pcm, "<f4")
        self.pushed.append(pcm_N)
        content = {"kind": "sound", "turn": self._turn, "number": self._number}
        self.send(content, buffers=[pcm_N.tobytes()])
        self._number += 1

    def stop(self) -> None:
        """Be silent, and forget what was not yet played."""
        if self._turn:
            self.send({"kind": "silence", "turn": self._turn})

    def twin(self) -> Twin:
        """The waveform of the turn at hand, and a player of it."""
        wave_N = np.concatenate([np.zeros(0, np.float32), *self.pushed])
        figure = plots.waveform(wave_N, SAMPLE_RATE)
        return Twin(figure, {"answer": wave_N}, SAMPLE_RATE, "waveform of the answer")

    def _received(self, _widget: object, content: object, _buffers: object) -> None:
        match content:
            case {"kind": "played", "turn": int(turn), "samples": int(samples)}:
                if turn == self._turn:
                    self.played = samples
                if self._on_played is not None:
                    self._on_played(turn, samples)
            case {"kind": "gap"}:
                self.gaps += 1
            case {"kind": "silent", "turn": int(turn)}:
                self.silent_turns.append(turn)
