"""Every fault of a set is named by file, row and kind, over any number of processes."""

import io
import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from PIL import Image

from minimind_o import cli
from minimind_o.assets import Assets
from minimind_o.data.check import (
    FileReport,
    Rules,
    check_files,
    num_speech_states,
    picture_tokens,
)
from minimind_o.data.encoders import MediaEncoders
from minimind_o.data.examples import ExampleDataset, ExampleOptions
from minimind_o.data.row import RowFormat
from minimind_o.data.scan import Cores, portions
from minimind_o.data.schema import SCHEMA
from minimind_o.errors import UserError
from minimind_o.layout import LayoutSpec
from minimind_o.tokenizer import load

TURNS = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]


def recording(seconds: float = 0.5, rate: int = 16_000) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.full(int(seconds * rate), 0.1), rate, format="WAV")
    return file.getvalue()


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (9, 7), "red").save(file, "PNG")
    return file.getvalue()


def row(**changes: Any) -> dict[str, Any]:
    return {
        "conversations": json.dumps(TURNS),
        "question_audios": [recording()],
        "answer_audios": [list(range(16))],
        "image_bytes": [picture()],
        "ref_audios": list(range(8)),
        "spk_emb": [0.5] * 192,
    } | changes


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "conversations": ({"conversations": "not json"}, "conversations is not JSON"),
    "answer_audios": ({"answer_audios": [[1] * 7]}, "must be a multiple of 8"),
    "ref_audios": ({"ref_audios": [2048] * 8}, "codes must lie in 0..2047"),
    "spk_emb": ({"spk_emb": [0.5] * 191}, "has 191 numbers"),
    "question_audios": ({"question_audios": [b"none"]}, "cannot be read as audio"),
    "image_bytes": ({"image_bytes": [picture()[:40]]}, "image_bytes is"),
    "conversation": ({"question_audios": [recording()] * 2}, "2 recordings and 1"),
    "length": ({"answer_audios": [[1] * 8 * 300]}, "must fit into 200"),
}


def write(path: Path, rows: list[dict[str, Any]], **options: Any) -> str:
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path, **options)
    return str(path)


@pytest.fixture(scope="module")
def rules() -> Rules:
    assets = Assets.find()
    return Rules(
        row_format=RowFormat(),
        tokenizer=assets.tokenizer,
        num_image_tokens=picture_tokens(assets.siglip2),
        max_length=200,
    )


def check(
    files: list[str], rules: Rules, **options: Any
) -> tuple[list[FileReport], list[str]]:
    said: list[str] = []
    options = {"num_processes": 1} | options
    return check_files(files, rules, say=said.append, **options), said


def test_each_fault_is_counted_by_kind_and_named_by_row(
    tmp_path: Path, rules: Rules
) -> None:
    rows = [row()]
    for changes, _ in FAULTS.values():
        rows += [row(**changes), row()]
    path = write(tmp_path / "rows.parquet", rows)
    (report,), said = check([path], rules)
    assert report.num_rows == len(rows)
    assert report.kinds == dict.fromkeys(FAULTS, 1)
    sentences = said[:-1]
    for number, (_, words) in enumerate(FAULTS.values()):
        assert f"{path} row {2 * number + 1}: " in sentences[number]
        assert words in sentences[number]
    assert said[-1].startswith(f"{path}: 8 bad rows of 17 (")


def test_the_length_is_that_of_training(tmp_path: Path, rules: Rules) -> None:
    path = write(tmp_path / "rows.parquet", [row(), row(answer_audios=[[1] * 80])])
    assets = Assets.find()
    dataset = ExampleDataset(
        [path],
        load(assets.tokenizer),
        LayoutSpec(),
        ExampleOptions(max_length=4096),
        encoders=MediaEncoders(assets.sensevoice, assets.siglip2),
    )
    (report,), _ = check([path], rules)
    assert report.longest == dataset.lengths.max() + 1
    (report,), _ = check([path], rules, limit=1)
    assert (report.num_rows, report.longest) == (1, dataset.lengths[0] + 1)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100])
@pytest.mark.parametrize("seconds", [0.1, 0.115, 1.0, 2.345])
def test_states_are_counted_as_the_encoder_gives_them(
    rate: int, seconds: float
) -> None:
    encoders = MediaEncoders(Assets.find().sensevoice)
    (states,) = encoders.speech([recording(seconds, rate)])
    assert num_speech_states(int(seconds * rate), rate) == len(states)


def test_two_processes_say_the_same_in_the_same_order(
    tmp_path: Path, rules: Rules
) -> None:
    rows = [row(ref_audios=[i]) if i % 50 == 7 else row() for i in range(200)]
    path = write(tmp_path / "rows.parquet", rows, row_group_size=60)
    alone, together = (check([path], rules, num_processes=n) for n in (1, 2))
    assert alone == together
    assert [s.split(": ")[0] for s in alone[1]][:-1] == [
        f"{path} row {i}" for i in (7, 57, 107, 157)
    ]


def test_what_is_shown_is_bounded_and_what_is_counted_is_not(
    tmp_path: Path, rules: Rules
) -> None:
    path = write(tmp_path / "rows.parquet", [row(spk_emb=[1.0])] * 9)
    (report,), said = check([path], rules, show=2)
    assert report.kinds == {"spk_emb": 9}
    assert len(said) == 4
    assert "more rows with a bad spk_emb" in said[2]


def test_a_damaged_file_does_not_hide_the_next_one(
    tmp_path: Path, rules: Rules
) -> None:
    good = write(tmp_path / "good.parquet", [row()])
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(Path(good).read_bytes()[:-9])
    reports, said = check([str(cut), good], rules)
    assert [report.num_bad for report in reports] == [1, 0]
    assert "is not a whole Parquet file" in said[0]


def test_portions_are_small_whatever_the_row_groups_are(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.parquet", [row() for _ in range(150)])
    assert pq.read_metadata(path).num_row_groups == 1
    sizes = [portion.batch.num_rows for portion in portions(path)]
    assert sum(sizes) == 150
    assert max(sizes) <= 64
    taken = list(portions(path, limit=70, columns=("conversations",)))
    assert [p.batch.num_rows for p in taken] == [64, 6]
    assert taken[1].indices == range(64, 70)
    assert taken[0].batch.schema.names == ["conversations"]


def test_memory_does_not_grow_with_a_row_group(tmp_path: Path) -> None:
    num_rows, codes = 3_000, np.random.default_rng(0).integers(0, 2048, (3_000, 1600))
    table = pa.table(
        {
            "conversations": [json.dumps(TURNS)] * num_rows,
            "answer_audios": [[row_codes] for row_codes in codes.tolist()],
        }
    )
    path = str(tmp_path / "rows.parquet")
    pq.write_table(table, path, row_group_size=num_rows, data_page_size=1 << 16)
    column = pq.read_metadata(path).row_group(0).column(1).total_compressed_size
    tracemalloc.start()  # files are read by fsspec, into Python's memory
    try:
        assert sum(portion.batch.num_rows for portion in portions(path)) == num_rows
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < column / 2


def end_the_process(_: int) -> int:
    import os

    os._exit(1)


def test_a_process_that_dies_is_one_sentence() -> None:
    with (
        Cores(print, (), 2) as cores,
        pytest.raises(UserError, match="ended from outside"),
    ):
        list(cores.map(end_the_process, range(3)))


def test_the_command_takes_globs_and_ends_with_2_where_rows_are_bad(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    write(tmp_path / "a.parquet", [row()])
    assert cli.main(["data", "check", f"{tmp_path}/*.parquet"]) == 0
    write(tmp_path / "b.parquet", [row(spk_emb=[1.0])])
    command = ["data", "check", f"{tmp_path}/*.parquet", "--processes", "1"]
    assert cli.main(command) == 2
    output = capsys.readouterr()
    assert f"{tmp_path}/a.parquet: 0 bad rows of 1" in output.out
    assert f"{tmp_path}/b.parquet: 1 bad rows of 1 (spk_emb 1)" in output.out
    assert output.err == "minimind-o: 1 bad rows; see above\n"
    assert cli.main(["data", "check", f"file://{tmp_path}/a.parquet"]) == 0
    assert cli.main(["data", "check", f"{tmp_path}/c*.parquet"]) == 2
    assert "no file fits" in capsys.readouterr().err
