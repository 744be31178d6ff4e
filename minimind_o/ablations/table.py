"""An experiment's result table: one Parquet file, one row a run, no row ever lost.

Many processes may write at once: each waits for the file's lock, reads the table, adds
its row and replaces the file by a whole new one. Who runs what is settled by a lock for
each run: a process that dies gives its own back, and the run starts again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from minimind_o.errors import UserError, first_line
from minimind_o.figures import REPOSITORY
from minimind_o.written_aside import file_written_aside

RESULTS = REPOSITORY / "data" / "results"
Key = tuple[str, int, int]
"""Setting, seed and steps: what makes a run the same run."""
KEY_COLUMNS = ("setting", "seed", "steps")


def table_path(folder: Path, experiment: str) -> Path:
    """Where an experiment's rows are."""
    return folder / f"{experiment}.parquet"


def read_table(path: Path) -> list[dict[str, Any]]:
    """All rows; none where there is no file.

    Raises:
        UserError: the file is no table of results.
    """
    if not path.is_file():
        return []
    try:
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(
            f"{path} cannot be read ({first_line(error)}): restore it from the "
            "repository, or move it away and run the experiment again."
        ) from error
    if rows and not set(KEY_COLUMNS) <= set(rows[0]):
        raise UserError(
            f"{path} is no table of an ablation: its rows must have the columns "
            f"{', '.join(KEY_COLUMNS)}."
        )
    return rows


def key_of(row: Mapping[str, Any]) -> Key:
    """Which run a row is of."""
    setting, seed, steps = (row[name] for name in KEY_COLUMNS)
    return str(setting), int(seed), int(steps)


def add_row(path: Path, row: Mapping[str, Any]) -> bool:
    """Add a row, whole or not at all; False where the table has the run already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        rows = read_table(path)
        if key_of(row) in {key_of(other) for other in rows}:
            return False
        rows = sorted([*rows, dict(row)], key=_order)
        names = list(dict.fromkeys(name for each in rows for name in each))
        columns = {name: [each.get(name) for each in rows] for name in names}
        with file_written_aside(path) as aside:
            pq.write_table(pa.table(columns), aside, compression="zstd")
    return True


def _order(row: Mapping[str, Any]) -> tuple[int, str, int]:
    setting, seed, steps = key_of(row)
    return steps, setting, seed


@contextmanager
def claimed(folder: Path, key: Key) -> Iterator[bool]:
    """Whether the run is this process's; another's, it is left alone."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ("_".join(map(str, key)) + ".claim"))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def finished(rows: Sequence[Mapping[str, Any]]) -> set[Key]:
    """The runs of a table."""
    return {key_of(row) for row in rows}
