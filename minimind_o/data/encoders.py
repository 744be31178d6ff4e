"""The frozen encoders, as rows and requests need them: bytes in, states out.

What a row or a user brings is read by `minimind_o.data.media`, so that a broken file is
one sentence here and nothing odd reaches an encoder.

Shapes: N sample, L encoder state, E encoder width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from minimind_o.assets import Assets
from minimind_o.data.media import read_audio, read_picture
from minimind_o.errors import UserError
from minimind_o.frozen.sensevoice import SenseVoice, load_sensevoice
from minimind_o.frozen.siglip2 import Siglip2, load_siglip2
from minimind_o.frozen.waves import resampled

SPEECH_RATE = 16_000
BATCH_SIZE = 16
States = NDArray[np.float16]
"""(L, E): the states of one recording or picture; half the memory, and enough."""


@dataclass(frozen=True, kw_only=True)
class MediaEncoders:
    """Speech and vision encoder; None where rows have no such medium."""

    sensevoice: SenseVoice | None = None
    siglip2: Siglip2 | None = None

    @classmethod
    def load(cls, assets: Assets, device: str = "cpu") -> MediaEncoders:
        """Both encoders of a tree of assets.

        Raises:
            UserError: a missing or damaged file.
        """
        return cls(
            sensevoice=load_sensevoice(assets.sensevoice, device),
            siglip2=load_siglip2(assets.siglip2, device),
        )

    def speech(self, recordings: Sequence[bytes | str | Path]) -> list[States]:
        """States of each recording, one per 60 ms.

        Raises:
            UserError: a recording that cannot be read, or no encoder for it.
        """
        if self.sensevoice is None:
            raise UserError("there is speech, but no speech encoder was given.")
        waves = []
        for source in recordings:
            samples, rate = read_audio(source)
            waves.append(resampled(samples, rate, SPEECH_RATE))
        states: list[States] = [np.zeros((0, 0), np.float16)] * len(waves)
        # Together what is alike in length: padding is computed like sound.
        order = sorted(range(len(waves)), key=lambda index: len(waves[index]))
        for first in range(0, len(order), BATCH_SIZE):
            chosen = order[first : first + BATCH_SIZE]
            batch, lengths = self.sensevoice.encode(
                [waves[index] for index in chosen], SPEECH_RATE
            )
            for index, row, length in zip(chosen, batch, lengths, strict=True):
                states[index] = row[: int(length)].half().cpu().numpy()
        return states

    def pictures(self, pictures: Sequence[bytes | str | Path]) -> list[States]:
        """States of each picture, one per patch.

        Raises:
            UserError: a picture that cannot be read, or no encoder for it.
        """
        if self.siglip2 is None:
            raise UserError("there is a picture, but no vision encoder was given.")
        states: list[States] = []
        for first in range(0, len(pictures), BATCH_SIZE):
            chosen = [read_picture(p) for p in pictures[first : first + BATCH_SIZE]]
            states += list(self.siglip2.encode(chosen).half().cpu().numpy())
        return states


def padded(rows: Sequence[States | None]) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Rows' states as one tensor (B, L, E) float32 and their lengths (B,).

    None where no row has any.
    """
    known = next((row for row in rows if row is not None), None)
    if known is None:
        return None
    lengths = [0 if row is None else len(row) for row in rows]
    out = np.zeros((len(rows), max(lengths), known.shape[1]), np.float32)
    for index, row in enumerate(rows):
        if row is not None:
            out[index, : len(row)] = row
    return torch.from_numpy(out), torch.tensor(lengths)
