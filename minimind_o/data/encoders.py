"""The frozen encoders, as rows and requests need them: bytes in, states out.

What a row or a user brings is read by `minimind_o.data.media`, so that a broken file is
one sentence here and nothing odd reaches an encoder.

Shapes: N sample, L encoder state, E encoder width.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from minimind_o.chat import Turn, place_media
from minimind_o.data.media import read_audio, read_picture
from minimind_o.errors import UserError
from minimind_o.frozen.waves import resampled

if TYPE_CHECKING:
    from minimind_o.frozen.sensevoice import SenseVoice
    from minimind_o.frozen.siglip2 import Siglip2

SPEECH_RATE = 16_000
BATCH_SIZE = 16
Source = bytes | str | Path
"""An encoded file, or where it lies."""
States = NDArray[np.float16]
"""(L, E): the states of one recording or picture; half the memory, and enough."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MediaStates:
    """What the encoders made of the recordings and pictures of one conversation."""

    speech: tuple[States, ...] = ()
    pictures: tuple[States, ...] = ()

    @property
    def audio_states(self) -> States | None:
        """Those of all recordings, one after the other; None without any."""
        return np.concatenate(self.speech) if self.speech else None

    @property
    def image_states(self) -> States | None:
        """Those of all pictures, one after the other; None without any."""
        return np.concatenate(self.pictures) if self.pictures else None

    def place(self, turns: Sequence[Turn]) -> list[Turn]:
        """The conversation with the placeholders of these states (`place_media`).

        Raises:
            UserError: the conversation has no place for some of them.
        """
        return place_media(
            turns,
            [len(states) for states in self.speech],
            [len(states) for states in self.pictures],
        )


NO_MEDIA = MediaStates()


class MediaEncoders:
    """Speech and vision encoder, each loaded when it is first needed.

    Args:
        sensevoice: the encoder or its directory; None where there is no speech.
        siglip2: likewise for pictures.
        device: where an encoder that is loaded runs.
        keep: remember the states of every encoded file; a training meets the same ones
            again, stage after stage.
    """

    def __init__(
        self,
        sensevoice: SenseVoice | Path | None = None,
        siglip2: Siglip2 | Path | None = None,
        device: str = "cpu",
        *,
        keep: bool = False,
    ) -> None:
        self._sensevoice, self._siglip2, self._device = sensevoice, siglip2, device
        self._kept: dict[bytes, States] | None = {} if keep else None

    @property
    def sensevoice(self) -> SenseVoice:
        """The speech encoder.

        Raises:
            UserError: there is none, or a file of it is missing or damaged.
        """
        if self._sensevoice is None:
            raise UserError("there is speech, but no speech encoder was given.")
        if isinstance(self._sensevoice, Path):
            from minimind_o.frozen.sensevoice import load_sensevoice  # takes seconds

            self._sensevoice = load_sensevoice(self._sensevoice, self._device)
        return self._sensevoice

    def load_speech(self) -> None:
        """Load the speech encoder now, where there is one, not when first needed."""
        if self._sensevoice is not None:
            _ = self.sensevoice

    @property
    def siglip2(self) -> Siglip2:
        """The vision encoder.

        Raises:
            UserError: there is none, or a file of it is missing or damaged.
        """
        if self._siglip2 is None:
            raise UserError("there is a picture, but no vision encoder was given.")
        if isinstance(self._siglip2, Path):
            from minimind_o.frozen.siglip2 import load_siglip2  # takes seconds

            self._siglip2 = load_siglip2(self._siglip2, self._device)
        return self._siglip2

    def encode(
        self,
        recordings: Sequence[Sequence[Source]],
        pictures: Sequence[Sequence[Source]],
    ) -> list[MediaStates]:
        """States of many conversations' media, encoded together.

        Args:
            recordings: those of each conversation.
            pictures: likewise.

        Raises:
            UserError: as `speech` and `pictures`.
        """
        all_recordings = [source for row in recordings for source in row]
        all_pictures = [source for row in pictures for source in row]
        speech = iter(self._once(self.speech, all_recordings))
        seen = iter(self._once(self.pictures, all_pictures))
        return [
            MediaStates(
                speech=tuple(itertools.islice(speech, len(heard))),
                pictures=tuple(itertools.islice(seen, len(shown))),
            )
            for heard, shown in zip(recordings, pictures, strict=True)
        ]

    def _once(
        self,
        encode: Callable[[Sequence[Source]], list[States]],
        sources: Sequence[Source],
    ) -> list[States]:
        """What `encode` makes of the sources, remembered where that was asked for."""
        if not sources:
            return []
        if self._kept is None:
            return encode(sources)
        names = [
            hashlib.blake2b(s, digest_size=16).digest()
            if isinstance(s, bytes)
            else str(s).encode()
            for s in sources
        ]
        new = {
            name: source
            for name, source in zip(names, sources, strict=True)
            if name not in self._kept
        }
        if new:
            self._kept.update(zip(new, encode(list(new.values())), strict=True))
        return [self._kept[name] for name in names]

    def speech(self, recordings: Sequence[Source]) -> list[States]:
        """States of each recording, one per 60 ms.

        Raises:
            UserError: a recording that cannot be read, or no encoder for it.
        """
        sensevoice, waves = self.sensevoice, []
        for source in recordings:
            samples, rate = read_audio(source)
            waves.append(resampled(samples, rate, SPEECH_RATE))
        states: list[States] = [np.zeros((0, 0), np.float16)] * len(waves)
        # Together what is alike in length: padding is computed like sound.
        order = sorted(range(len(waves)), key=lambda index: len(waves[index]))
        for first in range(0, len(order), BATCH_SIZE):
            chosen = order[first : first + BATCH_SIZE]
            batch, lengths = sensevoice.encode(
                [waves[index] for index in chosen], SPEECH_RATE
            )
            for index, row, length in zip(chosen, batch, lengths, strict=True):
                states[index] = row[: int(length)].half().cpu().numpy()
        return states

    def pictures(self, pictures: Sequence[Source]) -> list[States]:
        """States of each picture, one per patch.

        Raises:
            UserError: a picture that cannot be read, or no encoder for it.
        """
        siglip2 = self.siglip2
        states: list[States] = []
        for first in range(0, len(pictures), BATCH_SIZE):
            chosen = [read_picture(p) for p in pictures[first : first + BATCH_SIZE]]
            states += list(siglip2.encode(chosen).half().cpu().numpy())
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
