"""The steps of several answers in one call each: continuous batching.

A small step takes the time of its thousand operations, not of their sums: four rows
take hardly longer than one. Answers come and go, so each is a row from its question to
its end, with a cache and a codec stream of its own.

Nobody conducts. A row says what it wants, and lets the others say what they want
(`Waiting`); whoever then needs its result first runs all that is wanted. A row that is
alone does not wait.

Shapes: B rows, S = 9 streams, Q codebook, F frame, N sample, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor

from minimind_o.generation.events import Waiting
from minimind_o.model import OmniModel
from minimind_o.model.cache import OmniCache


class Codec(Protocol):
    """What answers need of Mimi (`minimind_o.frozen.mimi`)."""

    @property
    def frame_size(self) -> int:
        """Samples per frame."""

    @property
    def frame_rate(self) -> float:
        """Frames per second."""

    def go_on(self, rows: Sequence[int | None]) -> None:
        """Stream so many rows, each where an old row is, or anew."""

    def step(self, codes_BQT: Tensor, due_B: Tensor | None = None) -> Tensor:
        """Decode the next frames of the rows that are due: (B, T · frame_size)."""


class ContinuousBatch:
    """The answers that are being made on one model and one codec, by one thread.

    A row's attention is its own; only its products with the weights are computed with
    the others', so it is what it would be alone to within rounding.
    """

    def __init__(self, model: OmniModel, mimi: Codec) -> None:
        self.model, self.mimi = model, mimi
        self.rows: list[Row] = []

    @contextmanager
    def row(self, cache: OmniCache) -> Iterator[Row]:
        """Take part with a cache of batch 1; inside, a stream of the codec is open."""
        row = Row(self, cache)
        self._seat([*self.rows, row])
        try:
            yield row
        finally:
            self._seat([other for other in self.rows if other is not row])

    def _seat(self, rows: list[Row]) -> None:
        old = {row: index for index, row in enumerate(self.rows)}
        self.mimi.go_on([old.get(row) for row in rows])
        self.rows = rows

    def decode(self) -> None:
        """Decode what all rows want decoded."""
        if len(self.rows) == 1:
            (row,) = self.rows
            assert row.codes_QF is not None
            row.wave_N, row.codes_QF = self.mimi.step(row.codes_QF[None])[0], None
            return
        # Frame by frame: a row that is not due may be given no more than it gets next.
        wanted = [row for row in self.rows if row.codes_QF is not None]
        waves: dict[Row, list[Tensor]] = {row: [] for row in wanted}
        while any(row.codes_QF is not None for row in wanted):
            for row, wave_N in self._decode_frame().items():
                waves[row].append(wave_N)
        for row, parts in waves.items():
            row.wave_N = torch.cat(parts)

    def _decode_frame(self) -> dict[Row, Tensor]:
        """The next frame of every row that has one."""
        due = [row.codes_QF is not None for row in self.rows]
        like = next(row.codes_QF for row in self.rows if row.codes_QF is not None)
        codes_BQ1 = like.new_zeros(len(self.rows), like.shape[0], 1)
        for index, row in enumerate(self.rows):
            if row.codes_QF is not None:
                codes_BQ1[index] = row.codes_QF[:, :1]
                rest_QF = row.codes_QF[:, 1:]
                row.codes_QF = rest_QF if rest_QF.shape[1] else None
        due_B = None if all(due) else torch.tensor(due, device=like.device)
        wave_BN = self.mimi.step(codes_BQ1, due_B)
        rows = zip(self.rows, due, wave_BN, strict=True)
        return {row: wave_N for row, is_due, wave_N in rows if is_due}

    def step(self) -> None:
        """Let the model read all columns that rows want read."""
        wanted = [row for row in self.rows if row.column_1S1 is not None]
        columns = [row.column_1S1 for row in wanted if row.column_1S1 is not None]
        text_BV, audio_BQV = self.model.step(
            torch.cat(columns),
            OmniCache.joined([row.cache for row in wanted]),
            with_text=any(row.with_text for row in wanted),
        )
        for index, row in enumerate(wanted):
            here = slice(index, index + 1)
            row.text_1V = text_BV[here] if text_BV is not None else None
            row.audio_1QV, row.column_1S1 = audio_BQV[here], None


class Row:
    """One answer in a batch."""

    def __init__(self, batch: ContinuousBatch, cache: OmniCache) -> None:
        self.cache = cache
        self._batch = batch
        self.codes_QF: Tensor | None = None
        """Frames that are to be decoded."""
        self.wave_N: Tensor | None = None
        """What they have come to."""
        self.column_1S1: Tensor | None = None
        """The column that is to be read."""
        self.with_text = False
        self.text_1V: Tensor | None = None
        self.audio_1QV: Tensor | None = None
        """The logits after it."""

    def want_sound(self, codes_QF: Tensor) -> None:
        """Ask for the next frames' samples, of codes that stay as they are."""
        self.codes_QF = codes_QF

    def want_logits(self, column_1S1: Tensor, *, with_text: bool) -> None:
        """Ask for what follows a column that stays as it is."""
        self.column_1S1, self.with_text = column_1S1, with_text

    def sound(self) -> Generator[Waiting, None, Tensor]:
        """The samples (N,) that were asked for."""
        if self.wave_N is None:
            yield from self._let_others_ask()
        if self.wave_N is None:
            self._batch.decode()
        assert self.wave_N is not None
        wave_N, self.wave_N = self.wave_N, None
        return wave_N

    def logits(self) -> Generator[Waiting, None, tuple[Tensor | None, Tensor]]:
        """The logits (1, V), None unless asked for, and (1, Q, V)."""
        if self.audio_1QV is None:
            yield from self._let_others_ask()
        if self.audio_1QV is None:
            self._batch.step()
        assert self.audio_1QV is not None
        audio_1QV, self.audio_1QV = self.audio_1QV, None
        return (self.text_1V if self.with_text else None), audio_1QV

    def _let_others_ask(self) -> Iterator[Waiting]:
        if len(self._batch.rows) > 1:
            yield Waiting()
