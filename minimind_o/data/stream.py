"""Training batches from Parquet files of any size, resumable at any batch.

Row groups are read when they are needed. An epoch is all row groups in a random order;
the processes share it evenly, row by row, and a process reads its share a *pool* at a
time: some row groups, whose rows are shuffled, sorted by length and cut into batches.
When its share ends it goes on with its share of the next epoch, so no process waits.

Where a stream stands is a small `Position`. Processes as many as before go on exactly
where they were. Processes more or fewer, or with batches of another size, share what is
left of the epoch: nothing is skipped, and nothing comes twice.

Shape legend: N row.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from minimind_o.data.collate import collate, length_batches
from minimind_o.data.examples import PreparedRow, RowPreparer
from minimind_o.data.row import RowFormat
from minimind_o.data.schema import (
    BadRows,
    check_schema,
    expand,
    open_parquet,
    read_row_group,
)
from minimind_o.errors import UserError

logger = logging.getLogger(__name__)

Position = dict[str, Any]
"""Where one process stands: of plain values, so that a checkpoint can hold it."""
RowId = tuple[int, int]
"""Which row group, and which row of it."""
POOL_ROWS = 1024
LARGE_GROUP_ROWS = 16 * POOL_ROWS
"""A row group of more rows makes training slow and takes much memory."""


@dataclass(frozen=True, kw_only=True)
class RowGroup:
    """Rows that a Parquet file stores, and that are read, together."""

    file: str
    index: int
    first_row: int
    num_rows: int


class RowGroups:
    """All row groups of some Parquet files; only the files' ends are read at first.

    Args:
        addresses: files, globs, or anything fsspec reaches.

    Raises:
        UserError: a file is missing, damaged or of another schema, or all are empty.
    """

    def __init__(self, addresses: Sequence[str | Path]) -> None:
        self.files = expand(addresses)
        self.groups: list[RowGroup] = []
        for name in self.files:
            with open_parquet(name) as file:
                check_schema(file.schema_arrow, name)
                first = 0
                for index in range(file.num_row_groups):
                    size = file.metadata.row_group(index).num_rows
                    group = RowGroup(
                        file=name, index=index, first_row=first, num_rows=size
                    )
                    self.groups.append(group)
                    first += size
        self._warn_of_large_groups()
        if not self.num_rows:
            raise UserError(
                f"{', '.join(self.files)} has no row to train on; "
                "it needs at least one."
            )

    def _warn_of_large_groups(self) -> None:
        for group in self.groups:
            if group.num_rows > LARGE_GROUP_ROWS:
                logger.warning(
                    "%s stores %d rows as one row group, which is read whole for every "
                    "few of its rows: rewrite it once with 'minimind-o data regroup "
                    "FILE OUT', and train on that.",
                    group.file,
                    group.num_rows,
                )

    @property
    def num_rows(self) -> int:
        """Rows of all groups together."""
        return sum(group.num_rows for group in self.groups)

    @cached_property
    def has_speakers(self) -> bool:
        """Whether some row has a speaker vector."""
        return any(_has_speakers(name) for name in self.files)


def _has_speakers(name: str) -> bool:
    with open_parquet(name) as file:
        if "spk_emb" not in file.schema_arrow.names:
            return False
        for index in range(file.num_row_groups):
            (column,) = file.read_row_group(index, columns=["spk_emb"]).columns
            if any(len(chunk.flatten()) for chunk in column.chunks):
                return True
    return False


@dataclass(frozen=True, kw_only=True)
class StreamSettings:
    """How rows become batches.

    max_positions: most padded positions in a batch; at least one row.
    batch_size: rows in a batch instead.
    pool_rows: rows in memory at a time, and a row group more.
    """

    max_positions: int | None = None
    batch_size: int | None = None
    pool_rows: int = POOL_ROWS
    seed: int = 0
    rank: int = 0
    world_size: int = 1

    def __post_init__(self) -> None:
        if (self.max_positions is None) == (self.batch_size is None):
            raise UserError("Give either max_positions or batch_size, not both.")
        for name in ("max_positions", "batch_size", "pool_rows"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"{name} is {value}; it must be at least 1.")

    @property
    def cut(self) -> list[int | None]:
        """What decides where batches begin and end."""
        return [self.max_positions, self.batch_size, self.pool_rows, self.seed]


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Rows of one row group that a process is to read, in the file's order."""

    group: int
    rows: NDArray[np.int64]


class Plan:
    """What of each epoch is left to read, and who reads it.

    Args:
        sizes: rows of each row group.
        seed: of the order of the row groups.
        seen: by epoch, the rows that an earlier run has read, (N, 2) of `RowId`.
    """

    def __init__(
        self, sizes: Sequence[int], seed: int, seen: Mapping[int, NDArray[np.int64]]
    ) -> None:
        self.sizes, self.seed = np.asarray(sizes, np.int64), seed
        self.seen = {epoch: rows for epoch, rows in seen.items() if len(rows)}

    def share(self, epoch: int, rank: int, world_size: int) -> list[Segment]:
        """The part of a process: an even one, row by row, in the epoch's order."""
        seen = self.seen.get(epoch, np.zeros((0, 2), np.int64))
        left = self.sizes - np.bincount(seen[:, 0], minlength=len(self.sizes))
        order = np.random.default_rng([self.seed, 7, epoch]).permutation(len(left))
        ends = np.cumsum(left[order])
        first, last = (int(ends[-1]) * part // world_size for part in (rank, rank + 1))
        segments = []
        for group, end in zip(order.tolist(), ends.tolist(), strict=True):
            start = end - int(left[group])
            if end <= first or start >= last or end == start:
                continue
            rows = np.setdiff1d(
                np.arange(self.sizes[group]), seen[seen[:, 0] == group, 1]
            )
            rows = rows[max(0, first - start) : last - start]
            if len(rows):
                segments.append(Segment(group=group, rows=rows))
        return segments

    def state(self) -> dict[int, list[list[int]]]:
        """As plain values."""
        return {epoch: rows.tolist() for epoch, rows in self.seen.items()}


def pools(share: Sequence[Segment], pool_rows: int) -> list[list[Segment]]:
    """A share cut into pools of at most so many rows."""
    out: list[list[Segment]] = [[]]
    room = pool_rows
    for segment in share:
        for first in range(0, len(segment.rows), pool_rows):
            part = Segment(
                group=segment.group, rows=segment.rows[first : first + pool_rows]
            )
            if len(part.rows) > room and out[-1]:
                out.append([])
                room = pool_rows
            out[-1].append(part)
            room -= len(part.rows)
    return [pool for pool in out if pool]


class ExampleStream:
    """Endless training batches, epoch after epoch.

    Args:
        groups: where the rows are.
        preparer: what turns rows into examples; its options' seed draws the noise.
        row_format: what codes and vectors must look like.
        settings: how the rows become batches, and whose.
        bad_rows: told of every bad row.

    Raises:
        UserError: there are fewer rows than processes.
    """

    def __init__(
        self,
        groups: RowGroups,
        preparer: RowPreparer,
        row_format: RowFormat,
        settings: StreamSettings,
        bad_rows: BadRows,
    ) -> None:
        if groups.num_rows < settings.world_size:
            raise UserError(
                f"There are {groups.num_rows} rows for {settings.world_size} "
                "processes; each needs at least one."
            )
        self.groups, self.preparer, self.row_format = groups, preparer, row_format
        self.settings, self.bad_rows = settings, bad_rows
        self.sizes = [group.num_rows for group in groups.groups]

    def iterate(
        self, positions: Sequence[Position] | None = None
    ) -> Iterator[tuple[dict[str, Tensor], Position]]:
        """Batches of this process, each with the position after it.

        Args:
            positions: where the processes of an earlier run stood, all of them in
                order of rank; None begins at the beginning.

        Raises:
            UserError: the positions are of other files; bad rows, where these are
                fatal; a share without one good row.
        """
        settings = self.settings
        plan, start = self._resume(positions)
        for epoch in itertools.count(start["epoch"]):
            share = plan.share(epoch, settings.rank, settings.world_size)
            found = epoch == start["epoch"] and start["batch"] > 0
            for number, pool in enumerate(pools(share, settings.pool_rows)):
                at_start = epoch == start["epoch"] and number == start["pool"]
                if epoch == start["epoch"] and number < start["pool"]:
                    found = True
                    continue
                taken = start["batch"] if at_start else 0
                for count, (batch, rows) in self._batches(epoch, number, pool, taken):
                    found = True
                    yield (
                        batch,
                        {
                            "sizes": self.sizes,
                            "cut": settings.cut,
                            "world_size": settings.world_size,
                            "seen": plan.state(),
                            "epoch": epoch,
                            "pool": number,
                            "batch": count,
                            "rows": rows,
                        },
                    )
            if share and not found:
                raise UserError(
                    f"{', '.join(self.groups.files)} has no row to train on; "
                    f"{len(self.bad_rows.messages)} are bad."
                )

    def where(self, position: Position, num_rows: int) -> str:
        """The rows of the last batch before a position, by file and row."""
        by_file: dict[str, list[int]] = {}
        for number, row in position["rows"][-num_rows:]:
            group = self.groups.groups[number]
            by_file.setdefault(group.file, []).append(group.first_row + row)
        return "; ".join(
            f"{name} rows {', '.join(map(str, sorted(rows)))}"
            for name, rows in by_file.items()
        )

    def _resume(self, positions: Sequence[Position] | None) -> tuple[Plan, Position]:
        """What is left, and where in it this process begins."""
        settings = self.settings
        beginning: Position = {"epoch": 0, "pool": 0, "batch": 0}
        if positions is None:
            return Plan(self.sizes, settings.seed, {}), beginning
        first = positions[0]
        if first["sizes"] != self.sizes:
            raise UserError(
                "the checkpoint was trained on other files: it knows "
                f"{len(first['sizes'])} row groups of {sum(first['sizes'])} rows, and "
                f"here are {len(self.sizes)} of {sum(self.sizes)}."
            )
        seed = first["cut"][-1]
        seen = {
            int(epoch): np.array(rows, np.int64).reshape(-1, 2)
            for epoch, rows in first["seen"].items()
        }
        plan = Plan(self.sizes, seed, seen)
        same_split = [settings.cut, settings.world_size] == [
            first["cut"], first["world_size"]
        ]  # fmt: skip
        if same_split:
            return plan, positions[settings.rank]
        rest = Plan(self.sizes, settings.seed, _seen_by(positions, plan))
        return rest, beginning | {"epoch": min(p["epoch"] for p in positions)}

    def _batches(
        self, epoch: int, number: int, pool: Sequence[Segment], taken: int
    ) -> Iterator[tuple[int, tuple[dict[str, Tensor], list[RowId]]]]:
        """The batches of a pool after the first `taken`: how many, and which rows.

        Yields the number of batches taken then, the batch, and all rows taken of the
        pool.
        """
        settings, preparer = self.settings, self.preparer
        prepared = list(self._read(pool))
        rng = np.random.default_rng([settings.seed, 8, epoch, settings.rank, number])
        shuffled = [prepared[i] for i in rng.permutation(len(prepared))]
        longest = preparer.options.max_length
        lengths = [
            min(row.grid_length(preparer.spec), longest) - 1 for _, row in shuffled
        ]
        batches = length_batches(
            lengths,
            max_positions=settings.max_positions,
            batch_size=settings.batch_size,
        )
        rng.shuffle(batches)
        rows: list[RowId] = []
        for count, indices in enumerate(batches, 1):
            chosen = [shuffled[i] for i in indices]
            rows += [row_id for row_id, _ in chosen]
            if count > taken:
                examples = [
                    row.lay_out(
                        preparer.spec, preparer.options, self._draws(epoch, id_)
                    )
                    for id_, row in chosen
                ]
                yield count, (collate(preparer.spec, examples), list(rows))

    def _draws(self, epoch: int, row_id: RowId) -> np.random.Generator:
        """What draws a row's voice prompt and noise: the same however it is split."""
        return np.random.default_rng([self.preparer.options.seed, epoch, *row_id])

    def _read(self, pool: Sequence[Segment]) -> Iterator[tuple[RowId, PreparedRow]]:
        for segment in pool:
            group = self.groups.groups[segment.group]
            with open_parquet(group.file) as file:
                rows = read_row_group(
                    file,
                    group.file,
                    group.index,
                    group.first_row,
                    segment.rows.tolist(),
                    self.row_format,
                    self.bad_rows,
                )
                for row, prepared in self.preparer.prepare(rows, self.bad_rows):
                    yield (segment.group, row.index - group.first_row), prepared


def _seen_by(positions: Sequence[Position], plan: Plan) -> dict[int, NDArray[np.int64]]:
    """By epoch, the rows that processes have read that stand where they say."""
    world_size, (_, _, pool_rows, _) = len(positions), positions[0]["cut"]
    epochs = [position["epoch"] for position in positions]
    # Of later epochs, too: processes that were ahead may have read of them before.
    seen = {epoch: rows for epoch, rows in plan.seen.items() if epoch > max(epochs)}
    for epoch in range(min(epochs), max(epochs) + 1):
        rows = [plan.seen.get(epoch, np.zeros((0, 2), np.int64))]
        for rank, position in enumerate(positions):
            if position["epoch"] < epoch:
                continue
            parts = pools(plan.share(epoch, rank, world_size), pool_rows)
            if position["epoch"] == epoch:
                parts = parts[: position["pool"]]
                rows.append(np.array(position["rows"], np.int64).reshape(-1, 2))
            rows += [
                np.stack([np.full(len(s.rows), s.group), s.rows], axis=1)
                for part in parts
                for s in part
            ]
        seen[epoch] = np.concatenate(rows)
    return seen
