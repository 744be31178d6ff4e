"""`python -m minimind_o.training`, alone and under torchrun: what a user sees."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from minimind_o.training.__main__ import main
from tests.training.tiny import row, write_data, write_language_model, write_rows


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """good.parquet, bad.parquet (its row 1 has a code of 99) and `llm`."""
    folder = tmp_path_factory.mktemp("files")
    write_data(folder / "good.parquet", 8)
    rows = [row(seed, 2) for seed in range(4)]
    rows[1]["answer_audios"][0][5] = 99
    write_rows(folder / "bad.parquet", rows)
    write_language_model(folder / "llm")
    return folder


def arguments(files: Path, work: Path, data: str = "good", **options: object) -> list:
    """A run of three steps, each with all rows."""
    given = {
        "data": files / f"{data}.parquet",
        "validation": files / "good.parquet",
        "init": files / "llm",
        "work": work,
        "max_positions": 10_000,
        "max_length": 100,
        "num_steps": 3,
        "warmup_steps": 1,
        "log_every": 1,
        "precision": "fp32",
        **options,
    }
    words = []
    for name, value in given.items():
        words.append("--" + name.replace("_", "-"))
        if value is not True:
            words.append(str(value))
    return words


def run(*command: object) -> subprocess.CompletedProcess[str]:
    """A command of its own, with one thread."""
    return subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )


def metrics(work: Path) -> list[dict[str, float]]:
    rows = map(json.loads, (work / "metrics.jsonl").read_text().splitlines())
    return [row for row in rows if row["split"] == "train"]


def test_a_run_writes_model_and_metrics_and_prints_its_figures(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "elsewhere"
    assert main(arguments(files, tmp_path / "work", out=out)) == 0
    figures = json.loads(capsys.readouterr().out)
    assert {"text_loss", "audio_loss", "guidance_loss", "minutes"} <= figures.keys()
    assert sorted(path.name for path in out.iterdir()) == [
        "config.json",
        "model.safetensors",
    ]
    assert [row["step"] for row in metrics(tmp_path / "work")] == [1, 2, 3]


def test_a_plan_is_measured_and_nothing_is_written(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "work"
    given = arguments(files, work, num_steps=1000, max_positions=100)
    assert main([*given, "--dry-run"]) == 0
    table = capsys.readouterr().out
    for words in ("steps 1,000", "files, rows 1, 8", "processes 1", "stage t2a"):
        assert words in " ".join(table.replace("|", " ").split()), words
    assert not work.exists()


def test_epochs_are_counted_in_rows(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = arguments(files, tmp_path, batch_size=3, epochs=2)
    assert main(given) == 0
    assert metrics(tmp_path)[-1]["step"] == 6  # of three rows, twice eight in all
    assert main(arguments(files, tmp_path / "other", epochs=2)) == 2
    assert "give --batch-size, or --num-steps" in capsys.readouterr().err


def test_a_bad_row_ends_the_run_with_one_sentence_and_code_2(
    files: Path, tmp_path: Path
) -> None:
    done = run("minimind_o.training", *arguments(files, tmp_path, "bad"))
    assert done.returncode == 2
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("minimind_o.training: ")
    assert "bad.parquet row 1: answer_audios holds the code 99" in sentence
    assert "0..31" in sentence
    assert not (tmp_path / "model").exists()


def test_a_bad_row_is_skipped_and_reported_where_that_is_asked_for(
    files: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = arguments(files, tmp_path, "bad", bad_rows="skip", num_steps=1)
    assert main(given) == 0
    (message,) = [r.getMessage() for r in caplog.records if "row 1" in r.getMessage()]
    assert "bad.parquet row 1: answer_audios holds the code 99" in message


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"data": "nowhere"}, "nowhere.parquet is missing"),
        ({"init": "nowhere"}, "nowhere"),
        ({"tokenizer": "nowhere"}, "nowhere"),
        ({"max_length": 3}, "max_length 3"),
        ({"num_steps": 0}, "num_steps is 0"),
        ({"accumulate": 0}, "accumulate is 0"),
        ({"patience": -1}, "patience is -1"),
        ({"optimiser": "muon", "fsdp": True}, "choose adamw with fsdp"),
    ],
)
def test_what_is_wrong_with_the_arguments_is_named(
    files: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: dict,
    words: str,
) -> None:
    assert main(arguments(files, tmp_path, **options)) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert words in sentence


@pytest.mark.parametrize("options", [(), ("--fsdp",)], ids=["ddp", "fsdp"])
def test_two_processes_learn_what_one_learns(
    files: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    # One batch holds all rows, so that two processes share the very same batch: rows
    # of different lengths, and so with different numbers of labels on each side.
    together, apart = tmp_path / "together", tmp_path / "apart"
    done = run(
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node=2",
        "-m",
        "minimind_o.training",
        *arguments(files, apart, code_noise=0),
        *options,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert main(arguments(files, together, code_noise=0)) == 0
    one, two = metrics(together), metrics(apart)
    assert [row["step"] for row in two] == [1, 2, 3]
    for alone, shared in zip(one, two, strict=True):
        for name in ("text_loss", "audio_loss", "guidance_loss"):
            assert shared[name] == pytest.approx(alone[name], rel=1e-5), (name, alone)
    assert json.loads(done.stdout.splitlines()[-1]).keys() >= {"text_loss", "minutes"}
