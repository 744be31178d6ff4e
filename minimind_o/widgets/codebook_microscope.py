"""An answer's codes under the microscope: who wrote each when, and how it sounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import traitlets
from numpy.typing import NDArray
from torch import Tensor

from minimind_o import plots
from minimind_o.errors import UserError
from minimind_o.frozen.codebooks import decode_kept
from minimind_o.frozen.mimi import Mimi
from minimind_o.listening import flac
from minimind_o.widgets.twin import AudioWidget, Twin

AROUND = 2
"""Frames that are heard before and after one: 80 ms alone are a click."""


class CodebookMicroscope(AudioWidget):
    """Click a code, hear its frame; mute a codebook, hear the difference.

    Args:
        mimi: the codec.
        codes_QT: the codes of one answer, (8, frames), a tensor or an array.
    """

    _esm = Path(__file__).with_name("codebook_microscope.js")
    codes = traitlets.List(traitlets.List()).tag(sync=True)
    muted = traitlets.List(traitlets.Int()).tag(sync=True)

    def __init__(self, mimi: Mimi, codes_QT: Tensor | NDArray[np.int64]) -> None:
        codes_QT = torch.as_tensor(codes_QT)
        if codes_QT.ndim != 2 or not codes_QT.shape[1]:
            raise UserError(
                f"codes have shape {tuple(codes_QT.shape)}; they must be "
                f"({mimi.num_codebooks}, frames), at least one frame."
            )
        self._mimi, self._codes_QT = mimi, codes_QT
        super().__init__(codes=codes_QT.tolist())
        self.on_msg(self._received)

    def wave(self) -> NDArray[np.float32]:
        """The whole answer with the codebooks that are not muted."""
        kept = [q for q in range(self._mimi.num_codebooks) if q not in self.muted]
        wave_N = decode_kept(self._mimi, self._codes_QT[None], kept)[0].numpy()
        return wave_N.astype(np.float32)

    def frame(self, number: int) -> NDArray[np.float32]:
        """A frame and `AROUND` frames beside it, cut out of the whole answer.

        Raises:
            UserError: no such frame.
        """
        num_frames = self._codes_QT.shape[1]
        if not 0 <= number < num_frames:
            raise UserError(f"frame {number} does not exist: 0..{num_frames - 1} do.")
        size = self._mimi.frame_size
        start = max(number - AROUND, 0) * size
        return self.wave()[start : (number + AROUND + 1) * size]

    def twin(self) -> Twin:
        """The staggered codes, and the answer."""
        rate = self._mimi.sample_rate
        figure = plots.staggered_codes(self._codes_QT.numpy())
        return Twin(figure, {"answer": self.wave()}, rate, "the codes, step by step")

    def _received(self, _widget: object, content: object, _buffers: object) -> None:
        match content:
            case {"kind": "frame", "frame": int(number)}:
                self._send_sound(self.frame(number), plays=True)
            case {"kind": "whole"}:
                self._send_sound(self.wave(), plays=False)

    def _send_sound(self, wave_N: NDArray[np.float32], *, plays: bool) -> None:
        content = {"kind": "sound", "plays": plays}
        self.send(content, buffers=[flac(wave_N, self._mimi.sample_rate)])
