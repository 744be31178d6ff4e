"""One Parquet file into train, validation and test, in row groups that training reads.

The released sets are one file each. A row goes where the words of its last answer send
it: rows that answer alike are never on two sides, whatever order they come in, and a
set that grows sends its old rows where they were.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm.auto import tqdm

from minimind_o.data.regroup import GROUP_ROWS
from minimind_o.data.schema import DAMAGE, check_schema, cut_short, open_parquet
from minimind_o.errors import UserError

SPLITS = ("train", "validation", "test")
READ_ROWS = 256


def split(
    file: str, folder: Path, hold_out: int = 500, group_rows: int = GROUP_ROWS
) -> dict[str, int]:
    """Write `train.parquet`, `validation.parquet` and `test.parquet` into `folder`.

    A row group of each is in memory at a time. All three appear together.

    Args:
        file: where it is, as `open_parquet` takes it.
        folder: made where it is missing.
        hold_out: about how many rows go to validation, and as many to test.
        group_rows: most rows of a row group.

    Returns:
        The rows of each.

    Raises:
        UserError: `file` is missing or damaged, a file is in the way, or too few rows
            would be left to train on, or none to hold out.
    """
    targets = {name: folder / f"{name}.parquet" for name in SPLITS}
    for target in targets.values():
        if target.exists():
            raise UserError(f"{target} exists: name another folder, or remove it.")
    partial = {name: folder / f"{name}.parquet.partial" for name in SPLITS}
    row = 0
    try:
        with ExitStack() as stack:
            source = stack.enter_context(open_parquet(file, piecewise=True))
            check_schema(source.schema_arrow, file, required=("conversations",))
            total = source.metadata.num_rows
            if hold_out < 1 or 4 * hold_out > total:
                raise UserError(
                    f"{file} has {total} rows: hold out between 1 and {total // 4}."
                )
            folder.mkdir(parents=True, exist_ok=True)
            sinks = {
                name: stack.enter_context(
                    _Groups(path, source.schema_arrow, group_rows)
                )
                for name, path in partial.items()
            }
            bar = stack.enter_context(tqdm(total=total, unit=" rows", disable=None))
            for batch in source.iter_batches(READ_ROWS):
                places = [
                    split_of(_answer(text), hold_out / total)
                    for text in batch["conversations"].to_pylist()
                ]
                for name, sink in sinks.items():
                    sink.add(batch.filter(pa.array([p == name for p in places])))
                row += batch.num_rows
                bar.update(batch.num_rows)
        counts = {name: sink.num_rows for name, sink in sinks.items()}
        empty = [name for name, count in counts.items() if not count]
        if empty:
            raise UserError(
                f"{file}: {' and '.join(empty)} would be empty; hold out more rows, "
                "or its answers are too much alike."
            )
        for name, path in partial.items():
            path.replace(targets[name])
    except DAMAGE as error:
        raise cut_short(file, f"beyond row {row}", error) from error
    finally:
        for path in partial.values():
            path.unlink(missing_ok=True)
    return counts


def split_of(text: str, share: float) -> str:
    """Where rows with this answer go: `share` of all texts to each of the two tests."""
    digest = hashlib.sha256(" ".join(text.split()).encode(errors="replace")).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < share:
        return "test"
    return "validation" if place < 2 * share else "train"


def _answer(conversations: str | None) -> str:
    """The last turn's text; what is no conversation stands for itself."""
    try:
        return str(json.loads(conversations or "")[-1]["content"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return conversations or ""


class _Groups:
    """Gathers rows and writes them in groups."""

    def __init__(self, path: Path, schema: pa.Schema, group_rows: int) -> None:
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._schema, self._group_rows = schema, group_rows
        self._waiting: list[pa.RecordBatch] = []
        self.num_rows = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Take some rows, in order."""
        self._waiting.append(batch)
        self.num_rows += batch.num_rows
        if sum(part.num_rows for part in self._waiting) >= self._group_rows:
            self._write()

    def _write(self) -> None:
        table = pa.Table.from_batches(self._waiting, self._schema)
        self._waiting = []
        if table.num_rows:
            self._writer.write_table(table, row_group_size=self._group_rows)

    def __enter__(self) -> _Groups:
        return self

    def __exit__(self, *error: object) -> None:
        self._write()
        self._writer.close()
