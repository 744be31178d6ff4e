"""No row of a result table is lost, and none comes twice."""

import multiprocessing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from minimind_o.ablations.table import add_row, claimed, key_of, read_table
from minimind_o.errors import UserError


def row(setting: str, seed: int, **measures: object) -> dict:
    return {"setting": setting, "seed": seed, "steps": 2, **measures}


def test_rows_are_read_as_they_were_added(tmp_path: Path) -> None:
    path = tmp_path / "results" / "x.parquet"
    assert add_row(path, row("b", 0, cer=0.5, curve=[1.0, 2.0]))
    assert add_row(path, row("a", 0, cer=0.25, experts=[0.5, 0.5]))
    a, b = read_table(path)
    assert (a["setting"], a["cer"], a["experts"], a["curve"]) == (
        "a", 0.25, [0.5, 0.5], None,
    )  # fmt: skip
    assert (b["setting"], b["cer"], b["experts"], b["curve"]) == (
        "b", 0.5, None, [1.0, 2.0],
    )  # fmt: skip


def test_a_run_has_one_row_and_keeps_its_first(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    assert add_row(path, row("a", 0, cer=0.5))
    assert not add_row(path, row("a", 0, cer=0.7))
    assert [r["cer"] for r in read_table(path)] == [0.5]


def _add_many(path: Path, writer: int) -> None:
    for seed in range(6):
        add_row(path, row(f"setting_{writer}", seed, value=float(writer)))


def test_processes_that_write_at_once_lose_no_row(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_add_many, args=(path, n)) for n in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    keys = sorted(key_of(r) for r in read_table(path))
    assert keys == sorted((f"setting_{n}", s, 2) for n in range(3) for s in range(6))


def test_a_damaged_table_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(b"not a table")
    with pytest.raises(UserError, match=r"x\.parquet cannot be read"):
        add_row(path, row("a", 0))
    assert path.read_bytes() == b"not a table"
    pq.write_table(pa.table({"other": [1]}), path)
    with pytest.raises(UserError, match="is no table of an ablation"):
        read_table(path)


def test_a_run_is_claimed_by_one_and_given_back(tmp_path: Path) -> None:
    with claimed(tmp_path, ("a", 0, 2)) as mine:
        with claimed(tmp_path, ("a", 0, 2)) as theirs:
            assert (mine, theirs) == (True, False)
        with claimed(tmp_path, ("a", 1, 2)) as other:
            assert other
    with claimed(tmp_path, ("a", 0, 2)) as again:
        assert again
