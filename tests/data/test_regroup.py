"""Regrouping changes where rows lie in a file, and nothing else."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from minimind_o import cli
from minimind_o.data.regroup import regroup
from minimind_o.errors import UserError
from tests.data.test_check import row, write


def test_rows_stay_and_groups_become_small(tmp_path: Path) -> None:
    rows = [row(ref_audios=[i] * 8) for i in range(25)]
    path = write(tmp_path / "one.parquet", rows)
    out = tmp_path / "many.parquet"
    assert cli.main(["data", "regroup", path, str(out), "--rows", "10"]) == 0
    metadata = pq.read_metadata(out)
    sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    assert sizes == [10, 10, 5]
    assert pq.read_table(out).equals(pq.read_table(path))
    with pytest.raises(UserError, match="exists"):
        regroup(path, out)


def test_a_damaged_file_leaves_nothing_behind(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "one.parquet", [row()] * 50))
    content = bytearray(path.read_bytes())
    content[50:70] = b"\xff" * 20  # within the first page
    path.write_bytes(content)
    with pytest.raises(UserError, match="cannot be read beyond row 0"):
        regroup(str(path), tmp_path / "out.parquet")
    assert [p.name for p in tmp_path.iterdir()] == ["one.parquet"]
