"""Hours, languages and lengths of a set are what its rows hold."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from minimind_o import cli
from minimind_o.assets import Assets
from minimind_o.data.set_statistics import (
    language_of,
    measure_files,
    paper_row,
    percentile,
)
from tests.data.test_check import recording, row, write


def talk(question: str, answer: str, **changes: Any) -> dict[str, Any]:
    turns = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": answer},
    ]
    return row(conversations=json.dumps(turns), **changes)


ROWS = [
    talk("Who is it?", "It is me.", answer_audios=[[0] * 8 * 25, [0] * 8 * 50]),
    talk("你是谁?", "<think>\nhm\n</think>\n\n我是小猫。", answer_audios=None),
    talk("GPU 是什么?", "一块芯片。", question_audios=[recording(2.0, 8000)] * 2),
    talk("<image>", "1, 2", question_audios=None),
    row(conversations="not json", question_audios=None, answer_audios=[]),
    talk("a cat", "b", question_audios=[b"broken"], answer_audios=[]),
]


@pytest.mark.parametrize("num_processes", [1, 2])
def test_rows_are_counted(tmp_path: Path, num_processes: int) -> None:
    path = write(tmp_path / "rows.parquet", ROWS, row_group_size=2)
    tokenizer = Assets.find().tokenizer
    counted = measure_files([path], tokenizer, num_processes=num_processes)[path]
    assert counted.num_rows == 6
    assert counted.unreadable == 2
    # 25 + 50 frames, and two of two frames each: 12.5 frames a second.
    assert counted.output_seconds == pytest.approx((75 + 2 + 2) / 12.5)
    assert counted.input_seconds == pytest.approx(0.5 + 0.5 + 4.0)
    assert counted.languages == dict.fromkeys(
        ("English", "Chinese", "mixed", "other"), 1
    )
    assert counted.lengths["seconds of an answer"] == {2.0: 1, 4.0: 1, 0.2: 2}
    assert counted.lengths["seconds of a question"] == {0.5: 2, 2.0: 2}
    assert counted.lengths["tokens of an answer"].total() == 4
    summary = counted.summary()
    assert summary["chinese_pct"] == 25.0
    assert summary["lengths"]["seconds of an answer"]["p100"] == 4.0


def test_percentiles_need_no_list_of_all_lengths() -> None:
    counts = Counter({1.0: 50, 2.0: 40, 7.0: 9, 30.0: 1})
    assert [percentile(counts, p) for p in (50, 51, 90, 99, 100)] == [1, 2, 2, 7, 30]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Hello.", "English"),
        ("你好。", "Chinese"),
        ("用 GPU", "mixed"),
        ("3 × 4", "other"),
    ],
)
def test_the_language_is_told_by_the_characters(text: str, language: str) -> None:
    assert language_of(text) == language


def test_the_papers_row_stands_beside_a_file_of_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    paper = paper_row("somewhere/sft_t2a.parquet")
    assert paper is not None
    assert paper["output_speech_hours"] == "1636.01"
    assert paper_row("train.parquet") is None
    path = write(tmp_path / "sft_t2a.parquet", ROWS)
    out = tmp_path / "statistics.json"
    command = ["data", "stats", path, "--processes", "1", "--out", str(out)]
    assert cli.main(command) == 0
    shown = capsys.readouterr().out
    assert re.search(r"in the paper +1248923 +- +1636\.01 +45\.7 +46\.5 +7\.8", shown)
    assert "2 rows cannot be read" in shown
    assert json.loads(out.read_text())[path]["samples"] == 6
