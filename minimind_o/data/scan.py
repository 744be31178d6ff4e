"""All rows of Parquet files through a function, over all cores, in order.

One process reads, a few dozen rows at a time, and the others work. Row groups are not
the unit: a released file is a single one, of half a million rows. A few portions per
core are under way at a time, so memory does not grow with the file.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

import pyarrow as pa

from minimind_o.data.schema import (
    DAMAGE,
    REQUIRED,
    check_schema,
    cut_short,
    known_columns,
    open_parquet,
)
from minimind_o.errors import UserError

PORTION_ROWS = 64
IN_FLIGHT = 3
"""Portions per process that wait or are worked on."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Portion:
    """Some rows of a file, one after the other."""

    file: str
    first_row: int
    batch: pa.RecordBatch

    @property
    def indices(self) -> range:
        """Of the rows in the file."""
        return range(self.first_row, self.first_row + self.batch.num_rows)


def num_rows(file: str, limit: int | None = None) -> int:
    """Rows of a file, or `limit` if it has more.

    Raises:
        UserError: it is missing or damaged.
    """
    with open_parquet(file) as opened:
        count = opened.metadata.num_rows
    return count if limit is None else min(count, limit)


def portions(
    file: str, *, limit: int | None = None, columns: Sequence[str] | None = None
) -> Iterator[Portion]:
    """The rows of a file, or its first `limit`, a portion at a time.

    Args:
        file: where it is, as `open_parquet` takes it.
        limit: most rows.
        columns: those wanted, where the file has them; None is all that we know.

    Raises:
        UserError: it is missing, damaged or of another schema.
    """
    with open_parquet(file, piecewise=True) as opened:
        check_schema(opened.schema_arrow, file, required=REQUIRED)
        known = known_columns(opened)
        wanted = [c for c in known if columns is None or c in columns]
        left = opened.metadata.num_rows if limit is None else limit
        row = 0
        try:
            for batch in opened.iter_batches(PORTION_ROWS, columns=wanted):
                if left <= 0:
                    return
                batch = batch.slice(0, left)
                yield Portion(file=file, first_row=row, batch=batch)
                row += batch.num_rows
                left -= batch.num_rows
        except DAMAGE as error:
            raise cut_short(file, f"beyond row {row}", error) from error


class Cores:
    """Processes that each run `start(*arguments)` once and then work.

    Args:
        start: run first in each process, or here where there is one core.
        arguments: its arguments.
        num_processes: None for one a core.
    """

    def __init__(
        self,
        start: Callable[..., None],
        arguments: tuple[Any, ...],
        num_processes: int | None = None,
    ) -> None:
        self.num_processes = num_processes or len(os.sched_getaffinity(0))
        self._executor: ProcessPoolExecutor | None = None
        if self.num_processes == 1:
            start(*arguments)
            return
        self._executor = ProcessPoolExecutor(
            self.num_processes,
            # A forked process would inherit locks of torch's threads.
            multiprocessing.get_context("spawn"),
            start,
            arguments,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)

    def map(
        self, work: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[Result]:
        """`work` of every item, in order.

        Raises:
            UserError: a process died, of want of memory most likely.
        """
        if self._executor is None:
            yield from map(work, items)
            return
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(self._executor.submit(work, item))
                if len(waiting) >= IN_FLIGHT * self.num_processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool:
            raise UserError(
                "a process that worked on rows was ended from outside, for want of "
                "memory perhaps: try again with --processes 1"
            ) from None
        finally:
            for future in waiting:
                future.cancel()
