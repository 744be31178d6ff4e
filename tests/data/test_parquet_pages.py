"""Whole files pass; a page that claims too much, or what is not there, is refused."""

import io
import itertools
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from minimind_o.assets import NANO_ROOT
from minimind_o.data.parquet_pages import check_pages
from minimind_o.data.schema import open_parquet
from minimind_o.errors import UserError


def check(path: Path) -> None:
    stat = path.stat()
    check_pages(path, stat.st_size, stat.st_mtime_ns)


def table(num_rows: int) -> pa.Table:
    rng = np.random.default_rng(0)
    return pa.table(
        {
            "number": pa.array(rng.integers(0, 1 << 40, num_rows)),
            "float": pa.array([None, *rng.random(num_rows - 1)]),
            "flag": pa.array(rng.random(num_rows) > 0.5),
            "text": pa.array([f"row {n}" * (n % 7) for n in range(num_rows)]),
            "blob": pa.array([rng.bytes(int(n)) for n in rng.integers(0, 9000, 40)] * (
                num_rows // 40
            )),
            "lists": pa.array([[[n], []] for n in range(num_rows)]),
            "nothing": pa.nulls(num_rows),
        }
    )  # fmt: skip


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("codec", ["none", "snappy", "zstd", "gzip", "brotli", "lz4"])
def test_what_arrow_writes_passes(tmp_path: Path, codec: str, version: str) -> None:
    for options in (
        {"use_dictionary": False},
        {"row_group_size": 40, "write_page_checksum": True},
        {"write_page_index": True, "data_page_size": 2000},
        {"column_encoding": {"number": "DELTA_BINARY_PACKED"}, "use_dictionary": False},
    ):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.parquet"
        pq.write_table(
            table(400), path, compression=codec, data_page_version=version, **options
        )
        check(path)


@pytest.mark.parametrize(
    "file", sorted(NANO_ROOT.glob("sft_*/*.parquet")), ids=lambda file: f"{file.name}"
)
def test_the_embedded_sets_pass(file: Path) -> None:
    check(file)


def test_an_empty_table_passes(tmp_path: Path) -> None:
    path = tmp_path / "none.parquet"
    pq.write_table(table(40).slice(0, 0), path)
    check(path)
    with open_parquet(path) as file:
        assert file.metadata.num_rows == 0


def test_statistics_longer_than_what_is_read_first_are_read(tmp_path: Path) -> None:
    path = tmp_path / "long.parquet"
    words = pa.table({"words": [letter * 3000 for letter in "ab"]})
    pq.write_table(words, path, use_dictionary=False, compression="zstd")
    with open_parquet(path) as file:
        start = file.metadata.row_group(0).column(0).data_page_offset
        end = start + file.metadata.row_group(0).column(0).total_compressed_size
    assert end - start > 1 << 12, "or the first read is enough"
    check(path)


def lying(tmp_path: Path, which: int) -> Path:
    """A file of one page, of whose header one size says the most that its bytes can."""
    path = tmp_path / "rows.parquet"
    blob = np.random.default_rng(0).bytes(100_000)
    pq.write_table(
        pa.table({"blob": [blob]}),
        path,
        compression="snappy",
        use_dictionary=False,
        write_statistics=False,
    )
    start = pq.ParquetFile(path).metadata.row_group(0).column(0).data_page_offset
    data = bytearray(path.read_bytes())
    at = start  # fields 1, 2, 3: page type, unpacked, packed; each 0x15 and a varint
    for _ in range(which - 1):
        assert data[at] == 0x15
        at = next(n for n in itertools.count(at + 1) if data[n] < 128) + 1
    assert data[at] == 0x15
    at += 1
    while data[at] >= 128:
        data[at] = 0xFE
        at += 1
    data[at] = 0x7E  # even: not negative
    path.write_bytes(data)
    return path


def test_a_page_of_more_bytes_than_the_file_has_is_refused(tmp_path: Path) -> None:
    path = lying(tmp_path, 3)
    with pytest.raises(UserError, match=r"a page of column 'blob' in row group 0 has"):
        open_parquet(path)


def test_a_page_that_says_it_unpacks_to_far_more_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = lying(tmp_path, 2)
    monkeypatch.setattr("minimind_o.data.parquet_pages.MAX_EXPANSION", 2)
    monkeypatch.setattr("minimind_o.data.parquet_pages.FREE_EXPANSION", 1000)
    with pytest.raises(UserError, match=r"'blob' of row group 0 unpacks from 100,\d+"):
        open_parquet(path)


@pytest.mark.parametrize(
    "footer",
    [
        b"\x19\xf9" + b"\xff" * 9 + b"\x01",  # a list of 2**63 lists
        b"\x1c" * 5000,  # structs in structs
        b"\x19" + b"\x19" * 5000,  # lists in lists
        b"\x15",  # a number that ends before it begins
        b"\x15" + b"\xff" * 40,  # a number without end
        b"\x1d\x00",  # no such type
        b"\x15\x02\x00",  # no row groups
        b"\x49\x15\x02\x00",  # row groups that are numbers
    ],
)
def test_a_footer_that_is_none_is_a_sentence(tmp_path: Path, footer: bytes) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    with pytest.raises(UserError, match=r"rows\.parquet is not a whole Parquet file"):
        check(path)


def test_a_changed_file_is_looked_into_again(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    file = io.BytesIO()
    pq.write_table(table(40), file)
    path.write_bytes(file.getvalue())
    check_pages(path, path.stat().st_size, 1)
    path.write_bytes(b"\0" * len(file.getvalue()))
    check_pages(path, path.stat().st_size, 1)  # by what is known of it, the same file
    with pytest.raises(UserError, match="not a whole Parquet file"):
        check_pages(path, path.stat().st_size, 2)
