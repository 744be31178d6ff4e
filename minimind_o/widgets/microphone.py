"""A microphone in the browser, a recording in its place, or one that Python plays.

All three come in through the same handler, piece by piece, numbered.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import numpy as np
import traitlets
from numpy.typing import NDArray

from minimind_o import plots
from minimind_o.data.encoders import Source
from minimind_o.data.media import read_audio
from minimind_o.errors import UserError
from minimind_o.realtime.connection import MAX_FILE_BYTES, check_size, samples_of, whole
from minimind_o.realtime.detectors import SAMPLE_RATE
from minimind_o.realtime.microphone_stream import MicrophoneStream
from minimind_o.widgets.twin import AudioWidget, Twin

PIECE_S = 0.064
"""Two looks of the voice detector. Every piece is a message, and messages wait for one
another: with pieces of 20 ms a busy kernel was seen to fall behind for good."""
SILENCE_S = 1.0
"""What a replayed recording ends with: its last word is then known to be the last."""
MAX_WAITING = 150
"""Pieces that may wait to be heard: ten seconds."""
KEPT_S = 30
"""Seconds that the twin can show."""


class Microphone(AudioWidget):
    """Hand every piece to `hear`, at 16 kHz, whatever the sound card does.

    Args:
        hear: takes the samples (N,); called on a thread of the microphone's own, so
            that the kernel has its hands free for the page's next message.
    """

    _esm = Path(__file__).with_name("microphone.js")
    note = traitlets.Unicode("").tag(sync=True)
    piece = traitlets.Float(PIECE_S).tag(sync=True)
    max_bytes = traitlets.Int(MAX_FILE_BYTES).tag(sync=True)

    def __init__(self, hear: Callable[[NDArray[np.float32]], None]) -> None:
        super().__init__()
        self._hear = hear
        self._kept: deque[NDArray[np.float32]] = deque(maxlen=round(KEPT_S / PIECE_S))
        self._stream = MicrophoneStream(self._heard)
        self._is_replaying = threading.Lock()
        self._waiting: queue.Queue[tuple[NDArray[np.float32], int, int] | None]
        self._waiting = queue.Queue(MAX_WAITING)
        self._worker: threading.Thread | None = None
        self.on_msg(self._received)

    @property
    def num_missing(self) -> int:
        """Pieces that were lost on the way; there should be none."""
        return self._stream.num_missing

    def close(self) -> None:
        """End the thread, too."""
        if self._worker is not None:
            self._waiting.put(None)
            self._worker.join()
            self._worker = None
        super().close()

    @property
    def heard_N(self) -> NDArray[np.float32]:
        """The last half minute, at 16 kHz."""
        return np.concatenate([np.zeros(0, np.float32), *self._kept])

    def replay(self, recording: Source, pace: float = 1.0) -> None:
        """Play a recording into the handler as if it were spoken now, and a silence.

        Args:
            recording: an encoded file, or where it lies.
            pace: 1: as long as it takes to say it; 0: at once.

        Raises:
            UserError: it cannot be read, or another one is being played.
        """
        wave_N, rate = read_audio(recording)
        wave_N = np.append(wave_N, np.zeros(round(SILENCE_S * rate), np.float32))
        if not self._is_replaying.acquire(blocking=False):
            raise UserError("a recording is being played already: wait for its end.")
        try:
            size = round(PIECE_S * rate)
            began = time.monotonic()
            for number, start in enumerate(range(0, len(wave_N), size)):
                due = began + pace * start / rate
                time.sleep(max(0.0, due - time.monotonic()))
                self._stream.push(wave_N[start : start + size], rate, number)
        finally:
            self._is_replaying.release()

    def twin(self) -> Twin:
        """The waveform of what was heard of late, and a player of it."""
        figure = plots.waveform(self.heard_N, SAMPLE_RATE)
        clips = {"microphone": self.heard_N}
        return Twin(figure, clips, SAMPLE_RATE, "waveform of the microphone")

    def _heard(self, wave_N: NDArray[np.float32]) -> None:
        self._kept.append(wave_N)
        self._hear(wave_N)

    def _received(self, _widget: object, content: dict, buffers: list) -> None:
        payload = bytes(buffers[0]) if buffers else b""
        try:
            if content.get("kind") == "microphone":
                number, rate = whole(content, "number"), whole(content, "rate")
                self._enqueue((samples_of(payload), rate, number))
            elif content.get("kind") == "recording":
                read_audio(check_size(payload), "the recording")
                threading.Thread(
                    target=self._replay_upload, args=(payload,), daemon=True
                ).start()
        except UserError as error:
            self.note = str(error)

    def _enqueue(self, piece: tuple[NDArray[np.float32], int, int]) -> None:
        if self._worker is None:
            self._worker = threading.Thread(
                target=self._work, name="microphone", daemon=True
            )
            self._worker.start()
        # What does not fit is missing, and counted when the next piece comes.
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(piece)

    def _work(self) -> None:
        """Hear the pieces in order.

        JupyterLab moves a widget's messages to a subshell of the kernel once it has
        heard of one: those that wait for a busy cell then come after later ones.
        """
        early: dict[int, tuple[NDArray[np.float32], int, int]] = {}
        following = 0
        while (piece := self._waiting.get()) is not None:
            number = piece[2]
            if number == 0:
                early.clear()
                following = 0
            if number >= following:
                early[number] = piece
            if len(early) > MAX_WAITING:  # what is missing will not come any more
                following = min(early)
            while following in early:
                try:
                    self._stream.push(*early.pop(following))
                except UserError as error:
                    self.note = str(error)
                following += 1

    def _replay_upload(self, recording: bytes) -> None:
        try:
            self.replay(recording)
            self.note = ""
        except UserError as error:
            self.note = str(error)
