"""A Parquet file anew, in row groups that training can read one at a time.

The released files are one row group each. Training reads a row group when it needs some
of its rows, so such a file would be read whole for every thousand rows.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
from tqdm.auto import tqdm

from minimind_o.data.schema import DAMAGE, cut_short, open_parquet
from minimind_o.errors import UserError
from minimind_o.written_aside import file_written_aside

GROUP_ROWS = 1024


def regroup(file: str, out: Path, group_rows: int = GROUP_ROWS) -> int:
    """Copy all rows and columns; returns the number of row groups.

    One row group is in memory at a time. `out` appears when it is whole.

    Raises:
        UserError: `file` is missing or damaged, or `out` exists.
    """
    if group_rows < 1:
        raise UserError(f"a row group of {group_rows} rows cannot be: give 1 or more.")
    if out.exists():
        raise UserError(f"{out} exists: name another file, or remove it.")
    num_groups, row = 0, 0
    try:
        with (
            file_written_aside(out) as aside,
            open_parquet(file, piecewise=True) as source,
            pq.ParquetWriter(aside, source.schema_arrow, compression="zstd") as sink,
            tqdm(total=source.metadata.num_rows, unit=" rows", disable=None) as bar,
        ):
            for batch in source.iter_batches(group_rows):
                sink.write_batch(batch, row_group_size=group_rows)
                num_groups, row = num_groups + 1, row + batch.num_rows
                bar.update(batch.num_rows)
    except DAMAGE as error:
        raise cut_short(file, f"beyond row {row}", error) from error
    return num_groups
