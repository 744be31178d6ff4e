"""The Parquet schema of spoken conversations: write it, read it, say what is wrong.

Six columns, as released, and one of ours that released files lack:

- ``conversations``: JSON list of ``{"role", "content"}`` turns;
- ``question_audios``: encoded audio files (WAV, MP3, …) of the user's turns;
- ``answer_audios``: one flat list of codes per spoken assistant turn, frame-major
  (8 codes of frame 0, then of frame 1, …);
- ``image_bytes``: one encoded picture, or a list of them;
- ``ref_audios``: codes of the voice prompt, frame-major;
- ``spk_emb``: the speaker vector;
- ``answer_alignment``: for each frame of the last answer the index of the character of
  the answer's text (without its thought) that is being spoken, -1 in silence.

An empty list and a null both mean: none. Integers may have any width.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.core import has_magic, url_to_fs
from fsspec.implementations.local import LocalFileSystem

from minimind_o.data.parquet_pages import (
    FREE_EXPANSION,
    MAX_EXPANSION,
    check_pages,
)
from minimind_o.data.row import Row, RowFormat, read_row
from minimind_o.errors import UserError, first_line

logger = logging.getLogger(__name__)

SCHEMA = pa.schema(
    [
        ("conversations", pa.string()),
        ("question_audios", pa.list_(pa.binary())),
        ("answer_audios", pa.list_(pa.list_(pa.int16()))),
        ("image_bytes", pa.list_(pa.binary())),
        ("ref_audios", pa.list_(pa.int16())),
        ("spk_emb", pa.list_(pa.float32())),
        ("answer_alignment", pa.list_(pa.int32())),
    ]
)
"""What this project writes; `check_schema` accepts wider integers too."""

REQUIRED = ("conversations", "answer_audios")
"""Columns without which text-to-speech rows cannot be read."""

DAMAGE = (pa.ArrowException, OSError, UnicodeDecodeError, MemoryError)
"""What Arrow raises while it reads a damaged file."""
READ_AHEAD = 1 << 20
"""Bytes of a column in memory while rows are read one after the other."""

BadRowPolicy = Literal["fatal", "skip"]


@dataclass
class BadRows:
    """What to do about a bad row: stop, or report it and go on.

    Every skipped row is logged as a warning and kept in `messages`.
    """

    policy: BadRowPolicy = "fatal"
    messages: list[str] = field(default_factory=list)

    def report(self, error: UserError) -> None:
        """Raise `error` if bad rows are fatal, otherwise log and remember it."""
        if self.policy == "fatal":
            raise error
        if str(error) in self.messages:
            return  # of an earlier epoch
        self.messages.append(str(error))
        logger.warning("Skipped a bad row. %s", error)


def read_rows(
    path: str | Path,
    row_format: RowFormat,
    bad_rows: BadRows,
    *,
    required: Sequence[str] = REQUIRED,
    check_audio: bool = True,
) -> Iterator[Row]:
    """Yield the valid rows of one file, a few hundred in memory at a time.

    Args:
        path: the Parquet file.
        row_format: what codes and vectors must look like.
        bad_rows: told of every row that is not valid.
        required: columns that must be there.
        check_audio: decode every audio file once to see that it is whole.

    Raises:
        UserError: for a bad file; for a bad row where `bad_rows` says so.
    """
    file = open_parquet(path, piecewise=True)
    name = str(path)
    check_schema(file.schema_arrow, name, required=required)
    columns = known_columns(file)
    index = 0
    try:
        for batch in file.iter_batches(batch_size=256, columns=columns):
            indices = range(index, index + batch.num_rows)
            yield from rows_of_batch(
                batch, name, indices, row_format, bad_rows, check_audio
            )
            index += batch.num_rows
    except DAMAGE as error:
        raise cut_short(name, f"beyond row {index}", error) from error


def read_row_group(
    file: pq.ParquetFile,
    name: str,
    group: int,
    first_index: int,
    offsets: Sequence[int],
    row_format: RowFormat,
    bad_rows: BadRows,
) -> Iterator[Row]:
    """Yield the valid ones of some rows of a row group; the group is in memory.

    Args:
        file: as `open_parquet` gives it, its schema checked.
        name: of the file, for messages.
        group: index of the row group.
        first_index: of the group's first row in the file.
        offsets: of the rows in the group.
        row_format: what codes and vectors must look like.
        bad_rows: told of every row that is not valid.

    Raises:
        UserError: for a damaged file; for a bad row where `bad_rows` says so.
    """
    try:
        table = file.read_row_group(group, columns=known_columns(file))
        if len(offsets) < table.num_rows:
            table = table.take(list(offsets))
    except DAMAGE as error:
        raise cut_short(name, f"in row group {group}", error) from error
    position = 0
    for batch in table.to_batches():
        own = offsets[position : position + batch.num_rows]
        indices = [first_index + offset for offset in own]
        yield from rows_of_batch(batch, name, indices, row_format, bad_rows, False)
        position += batch.num_rows


def known_columns(file: pq.ParquetFile) -> list[str]:
    """The columns of a file that mean something here."""
    return [column for column in SCHEMA.names if column in file.schema_arrow.names]


def rows_of_batch(
    batch: pa.RecordBatch,
    name: str,
    indices: Sequence[int],
    row_format: RowFormat,
    bad_rows: BadRows,
    check_audio: bool,
) -> Iterator[Row]:
    """Yield the valid rows of a batch; `indices` are those of its rows in the file.

    Raises:
        UserError: for a bad row where `bad_rows` says so.
    """
    arrays = {column: _bytes_for_text(batch[column]) for column in batch.schema.names}
    for offset, index in enumerate(indices):
        scalars = {column: array[offset] for column, array in arrays.items()}
        try:
            yield read_row(name, index, scalars, row_format, check_audio)
        except UserError as error:
            bad_rows.report(error)


def cut_short(name: str, where: str, error: Exception) -> UserError:
    """What to say of a file that ends early or is damaged inside."""
    return UserError(
        f"{name} cannot be read {where}; it must be a whole Parquet file "
        f"({first_line(error).rstrip('.')})."
    )


def validate(path: str | Path, row_format: RowFormat) -> list[str]:
    """One sentence for every bad row of a file; empty if all are good.

    Raises:
        UserError: if the file or its columns are wrong.
    """
    bad_rows = BadRows("skip")
    for _ in read_rows(path, row_format, bad_rows):
        pass
    return bad_rows.messages


def check_schema(
    schema: pa.Schema, name: str, *, required: Sequence[str] = REQUIRED
) -> None:
    """Check names and types of the columns; unknown ones are logged and ignored.

    Raises:
        UserError: naming the file and the column.
    """
    for column in required:
        if column not in schema.names:
            raise UserError(
                f"{name} has no column {column!r}; its type would be "
                f"{SCHEMA.field(column).type}."
            )
    for column in schema.names:
        kind = schema.field(column).type
        if column not in _ACCEPTED:
            logger.warning("%s: the unknown column %r is ignored.", name, column)
        elif not (_ACCEPTED[column](kind) or pa.types.is_null(kind)):
            raise UserError(
                f"{name} has the column {column!r} of type "
                f"{kind}; it must be {SCHEMA.field(column).type}."
            )


def open_parquet(address: str | Path, *, piecewise: bool = False) -> pq.ParquetFile:
    """A Parquet file here or, by its address (`s3://…`), wherever fsspec reaches.

    Args:
        address: where it is.
        piecewise: rows will be read one after the other, and only a little of a row
            group shall be in memory: a released file is a single row group. Otherwise
            a row group is fetched whole, in few requests.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        system, path = url_to_fs(str(address))
    except (ValueError, ImportError) as error:
        raise UserError(f"{address} cannot be read: {first_line(error)}") from error
    if not system.isfile(path):
        raise UserError(f"{address} is missing; it must be a Parquet file.")
    try:
        file = pq.ParquetFile(
            system.open(path),
            buffer_size=READ_AHEAD if piecewise else 0,
            pre_buffer=not piecewise,
        )
        size = system.size(path)
        if isinstance(system, LocalFileSystem):  # elsewhere it would fetch the file
            local = Path(path)
            check_pages(local, size, local.stat().st_mtime_ns)
        _check_expansion(file, str(address), size)
        return file
    except DAMAGE as error:
        raise UserError(
            f"{address} is not a whole Parquet file ({first_line(error).rstrip('.')})."
        ) from error


def _check_expansion(file: pq.ParquetFile, name: str, size: int) -> None:
    """Refuse a file that says it unpacks to far more than it can hold.

    Raises:
        UserError: naming the row group; also for more rows than bytes.
    """
    file.schema_arrow.names  # noqa: B018  (decoded here, where damage is caught)
    if file.metadata.num_rows > size:
        raise UserError(
            f"{name} says it has {file.metadata.num_rows:,} rows in {size:,} bytes; a "
            "row takes a byte at the least."
        )
    for group in range(file.num_row_groups):
        unpacked = file.metadata.row_group(group).total_byte_size
        if unpacked > FREE_EXPANSION + MAX_EXPANSION * size:
            raise UserError(
                f"{name} says that row group {group} unpacks from {size:,} bytes at "
                f"the most to {unpacked:,}; at most {MAX_EXPANSION} times as many are "
                "read."
            )


def expand(addresses: Sequence[str | Path]) -> list[str]:
    """Files and globs (`data/part-*.parquet`) as single files, in order.

    Raises:
        UserError: a glob that no file fits.
    """
    files: list[str] = []
    for address in map(str, addresses):
        if not has_magic(address):
            files.append(address)
            continue
        system, path = url_to_fs(address)
        found = sorted(system.glob(path))
        if not found:
            raise UserError(f"no file fits {address}; it must name Parquet files.")
        is_local = "://" not in address
        files += found if is_local else [system.unstrip_protocol(f) for f in found]
    return files


def _bytes_for_text(array: pa.Array) -> pa.Array:
    # Arrow decodes text on access, and its error names neither file nor row.
    return array.cast(pa.binary()) if _is_text(array.type) else array


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _is_binary(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _is_list_of(
    accepts: Callable[[pa.DataType], bool],
) -> Callable[[pa.DataType], bool]:
    def check(kind: pa.DataType) -> bool:
        is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
        # A column that was empty everywhere is written as a list of nulls.
        return is_list and (
            accepts(kind.value_type) or pa.types.is_null(kind.value_type)
        )

    return check


_is_integers = _is_list_of(pa.types.is_integer)
_is_binaries = _is_list_of(_is_binary)

_ACCEPTED: dict[str, Callable[[pa.DataType], bool]] = {
    "conversations": lambda kind: _is_text(kind) or _is_binary(kind),
    "question_audios": _is_binaries,
    "answer_audios": _is_list_of(_is_integers),
    "image_bytes": lambda kind: _is_binary(kind) or _is_binaries(kind),
    "ref_audios": _is_integers,
    "spk_emb": _is_list_of(pa.types.is_floating),
    "answer_alignment": _is_integers,
}
