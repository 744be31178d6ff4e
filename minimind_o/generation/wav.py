"""A WAV file that can be played at any moment while it is still being written."""

from __future__ import annotations

import wave
from io import FileIO
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from minimind_o.errors import UserError


class WavStream:
    """16-bit mono sound, written piece by piece.

    The file appears with the first piece, so that a question that is refused leaves an
    older answer of the same name alone. `wave` mends the header after every piece,
    which soundfile does only when the file is closed: an answer that is interrupted is
    still a whole WAV of what was said.
    """

    def __init__(self, path: Path, sample_rate: int) -> None:
        """Check where the sound is to go; nothing is written yet.

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
