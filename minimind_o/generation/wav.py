"""A WAV file that can be played at any moment while it is still being written."""

from __future__ import annotations

import wave
from io import FileIO
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from minimind_o.errors import UserError

COMMENT = "synthetic speech, minimind-o"
"""In every WAV file that is written."""


class WavStream:
    """16-bit mono sound, written piece by piece.

    The file appears with the first piece, so that a question that is refused leaves an
    older answer of the same name alone. `wave` mends the header after every piece,
    which soundfile does only when the file is closed: an answer that is interrupted is
    still a whole WAV of what was said. Closing it adds a comment, after the samples.
    """

    def __init__(self, path: Path, sample_rate: int, comment: str = COMMENT) -> None:
        """Check where the sound is to go; nothing is written yet.

        Args:
            path: the file.
            sample_rate: of the samples.
            comment: what the file says of itself; empty for nothing.

        Raises:
            UserError: not a `.wav` name, or in a folder that does not exist.
        """
        if path.suffix.lower() != ".wav":
            raise UserError(f"the sound file '{path}' must end in .wav")
        if not path.parent.is_dir():
            raise UserError(f"the folder of '{path}' does not exist: make it first")
        if path.is_dir():
            raise UserError(f"'{path}' is a folder: name a file for the sound")
        self.path = path
        self.sample_rate = sample_rate
        self.comment = comment
        self.num_samples = 0
        self._stream: FileIO | None = None
        self._file: wave.Wave_write | None = None

    @property
    def seconds(self) -> float:
        """How much sound has been written."""
        return self.num_samples / self.sample_rate

    def write(self, pcm_N: NDArray[np.floating]) -> None:
        """Append samples in [-1, 1]; louder ones are clipped, not wrapped around."""
        if self._file is None:
            # Unbuffered: a player sees every piece as soon as it is there.
            self._stream = self.path.open("wb", buffering=0)
            self._file = wave.open(self._stream, "wb")  # noqa: SIM115
            self._file.setnchannels(1)
            self._file.setsampwidth(2)
            self._file.setframerate(self.sample_rate)
        samples_N = np.rint(np.clip(pcm_N, -1.0, 1.0) * 32767).astype("<i2")
        self._file.writeframes(samples_N.tobytes())
        self.num_samples += len(samples_N)

    def close(self) -> None:
        """End the file; nothing to do where no sound came."""
        if self._file is not None and self._stream is not None:
            self._file.close()
            if self.comment:
                _append_comment(self._stream, self.comment)
            self._stream.close()
            self._file = self._stream = None

    def __enter__(self) -> WavStream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _append_comment(stream: FileIO, comment: str) -> None:
    """A LIST chunk of kind INFO behind the samples, as players and editors read it."""
    text = comment.encode() + b"\0"
    text += b"\0" * (len(text) % 2)
    entry = b"INFO" + b"ICMT" + len(text).to_bytes(4, "little") + text
    size = stream.seek(0, 2)
    stream.write(
        b"\0" * (size % 2) + b"LIST" + len(entry).to_bytes(4, "little") + entry
    )
    whole = stream.tell()
    stream.seek(4)
    stream.write((whole - 8).to_bytes(4, "little"))
