"""A set is split by what is answered, and no row is lost on the way."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from minimind_o import cli
from minimind_o.data.split import SPLITS, split, split_of
from minimind_o.errors import UserError
from tests.data.test_check import row, write


def saying(answer: str, code: int = 0) -> dict:
    """A row with this answer, told from others by a code of its voice prompt."""
    turns = [
        {"role": "user", "content": "Say something."},
        {"role": "assistant", "content": answer},
    ]
    return row(conversations=json.dumps(turns), ref_audios=[code] * 8)


def answers_of(file: Path) -> list[str]:
    texts = pq.read_table(file)["conversations"].to_pylist()
    return [json.loads(text)[-1]["content"] for text in texts]


def test_no_answer_is_on_two_sides_and_no_row_is_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [saying(f"Answer {number % 150}.", number) for number in range(600)]
    path = write(tmp_path / "set.parquet", rows)
    out = tmp_path / "split"
    line = ["data", "split", path, str(out), "--hold-out", "60"]
    assert cli.main(line) == 0
    tables = {name: pq.read_table(out / f"{name}.parquet") for name in SPLITS}
    told = capsys.readouterr().out
    assert all(
        f"{name}.parquet: {t.num_rows} rows" in told for name, t in tables.items()
    )
    codes = [c[0] for t in tables.values() for c in t["ref_audios"].to_pylist()]
    assert sorted(codes) == list(range(600))
    sides = {name: set(answers_of(out / f"{name}.parquet")) for name in SPLITS}
    assert sum(map(len, sides.values())) == 150
    for name in ("validation", "test"):
        assert 20 <= tables[name].num_rows <= 120
    # The order of the rows is that of the file.
    kept = [c[0] for c in tables["train"]["ref_audios"].to_pylist()]
    assert kept == sorted(kept)
    assert {p.name for p in out.iterdir()} == {f"{name}.parquet" for name in SPLITS}


def test_row_groups_are_small(tmp_path: Path) -> None:
    path = write(tmp_path / "set.parquet", [saying(f"{n}", n) for n in range(600)])
    split(path, tmp_path / "out", 60, group_rows=100)
    metadata = pq.read_metadata(tmp_path / "out" / "train.parquet")
    sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    assert max(sizes) <= 100
    assert sum(sizes) == metadata.num_rows > 400


def test_where_a_text_goes_is_its_own_affair() -> None:
    texts = [f"text {number}" for number in range(4000)]
    places = [split_of(text, 0.1) for text in texts]
    assert places == [split_of(f"  {text}\n", 0.1) for text in texts]
    for name in ("validation", "test"):
        assert 300 < places.count(name) < 500
    # What is held out at a small share is held out at a larger one.
    assert all(split_of(t, 0.2) != "train" for t, p in zip(texts, places, strict=True)
               if p != "train")  # fmt: skip


def test_what_cannot_be_split_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "set.parquet", [saying("always the same")] * 40)
    out = tmp_path / "out"
    with pytest.raises(UserError, match="hold out between 1 and 10"):
        split(path, out, 11)
    with pytest.raises(UserError, match="would be empty"):
        split(path, out, 10)
    assert not any(out.iterdir())
    (out / "test.parquet").touch()
    with pytest.raises(UserError, match="exists"):
        split(path, out, 10)


def test_a_damaged_file_leaves_nothing_behind(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "set.parquet", [saying(f"{n}") for n in range(50)]))
    content = bytearray(path.read_bytes())
    content[40:140] = b"\0" * 100
    path.write_bytes(content)
    with pytest.raises(UserError, match="cannot be read beyond row 0"):
        split(str(path), tmp_path / "out", 5)
    assert not any((tmp_path / "out").iterdir())
