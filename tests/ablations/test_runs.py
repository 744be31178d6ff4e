"""Every run gives one row, is resumed, and comes out again."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from minimind_o.ablations import __main__ as command
from minimind_o.ablations import again as comparing
from minimind_o.ablations import runs as running
from minimind_o.ablations.again import compare_beginning
from minimind_o.ablations.experiment import Experiment
from minimind_o.ablations.runs import pending, run_all, runs_of
from minimind_o.ablations.table import key_of, read_table, table_path
from minimind_o.ablations.workbench import Workbench
from minimind_o.errors import UserError
from tests.ablations import tiny

REPOSITORY = Path(__file__).resolve().parents[2]


def run(bench: Workbench, results: Path, experiment: Experiment, seeds=(0,)) -> int:
    return run_all(
        runs_of(experiment, seeds), bench, results, assets=None, show=lambda line: None
    )


@pytest.fixture
def options(bench: Workbench, tmp_path: Path, monkeypatch) -> list[str]:
    """What makes the command line use the tiny experiment and assets."""
    monkeypatch.setattr(command, "load", lambda name: tiny.experiment())
    return [
        *("--results", str(tmp_path / "results"), "--work", str(bench.work)),
        *("--assets", str(bench.assets.root)),
    ]


def test_a_row_says_all_that_is_needed_to_trust_it(bench, tmp_path) -> None:
    experiment = tiny.experiment()
    assert run(bench, tmp_path, experiment) == 3
    rows = read_table(table_path(tmp_path, tiny.NAME))
    assert [row["setting"] for row in rows] == ["rank_0", "rank_2", "rank_4"]
    assert {(row["seed"], row["steps"]) for row in rows} == {(0, tiny.STEPS)}
    for row in rows:
        assert row["minutes"] > 0
        assert row["machine"].endswith(("fp32", "bf16"))
        assert row["commit"]
        assert f'"talker_head_rank": {row["setting"][-1]}' in row["config"]
        assert '"learning_rate": 0.003' in row["recipe"]
        assert row["curve_step"] == [1, 2]
        assert len(row["curve_codebook_accuracy"]) == 2 * 8
        assert row["codebook_loss"] == row["curve_codebook_loss"][-8:]


def test_what_is_finished_is_not_run_again(bench, tmp_path, monkeypatch) -> None:
    experiment = tiny.experiment()
    run(bench, tmp_path, experiment)
    before = table_path(tmp_path, tiny.NAME).read_bytes()
    monkeypatch.setattr(running, "measure", None)
    assert run(bench, tmp_path, experiment) == 0
    assert table_path(tmp_path, tiny.NAME).read_bytes() == before
    assert pending(runs_of(experiment, (0,)), tmp_path) == []
    assert len(pending(runs_of(experiment, (0, 1)), tmp_path)) == 3
    assert len(pending(runs_of(experiment, (0,), steps=5), tmp_path)) == 3


def test_an_interrupted_run_starts_again_and_the_others_keep_their_rows(
    bench, tmp_path
) -> None:
    calls = []

    def interrupted(trained):
        calls.append(trained.setting.name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return tiny.measure(trained)

    with pytest.raises(KeyboardInterrupt):
        run(bench, tmp_path, tiny.experiment(measure=interrupted))
    assert len(read_table(table_path(tmp_path, tiny.NAME))) == 1
    assert run(bench, tmp_path, tiny.experiment()) == 2
    assert len(read_table(table_path(tmp_path, tiny.NAME))) == 3


def test_two_processes_share_the_runs_and_lose_none(bench, tmp_path) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    command_line = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
        *("--nproc_per_node", "2", "-m", "tests.ablations.launch", tiny.NAME),
        *("--seeds", "0", "1", "--results", str(tmp_path / "results")),
        *("--work", str(bench.work), "--assets", str(bench.assets.root)),
    ]
    done = subprocess.run(
        command_line, cwd=REPOSITORY, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.index("hours of runs") < done.stdout.index("seed 1")
    rows = read_table(table_path(tmp_path / "results", tiny.NAME))
    assert sorted(key_of(row) for row in rows) == [
        (f"rank_{r}", seed, tiny.STEPS) for r in (0, 2, 4) for seed in (0, 1)
    ]
    # What a seed gives hangs on the seed and not on the process.
    (again,) = runs_of(tiny.experiment(), (1,), only=["rank_2"])
    row = running.measure(again, bench, None)
    stored = next(r for r in rows if key_of(r) == again.key)
    assert row["curve_audio_loss"] == stored["curve_audio_loss"]


def test_a_stored_command_gives_the_stored_numbers(
    bench, tmp_path, options, capsys
) -> None:
    assert command.main([tiny.NAME, "--seeds", "3", *options]) == 0
    path = table_path(tmp_path / "results", tiny.NAME)
    stored = read_table(path)[1]
    before = path.read_bytes()
    words = shlex.split(stored["command"])
    assert words[:3] == ["python", "-m", "minimind_o.ablations"]
    assert words[words.index("--assets") + 1] == str(bench.assets.root)
    capsys.readouterr()
    assert command.main([*words[3:], *options]) == 0
    shown = capsys.readouterr().out
    assert f"{stored['audio_loss']:.4f}" in shown
    assert "rank_2, seed 3" in shown
    assert path.read_bytes() == before


def test_a_row_that_does_not_come_out_again_is_told(
    bench, tmp_path, options, capsys, monkeypatch
) -> None:
    assert command.main([tiny.NAME, "--seeds", "0", *options]) == 0
    path = table_path(tmp_path / "results", tiny.NAME)
    table = pq.read_table(path)
    index = table.column_names.index("scale")
    wrong = pq.read_table(path)["scale"].to_pylist()
    wrong[0] *= 1.2
    pq.write_table(table.set_column(index, "scale", [wrong]), path)
    words = shlex.split(read_table(path)[0]["command"])[3:]
    monkeypatch.setattr(comparing, "changed_since", lambda commit, *paths: False)
    assert command.main([*words, *options]) == 1
    shown = capsys.readouterr().out
    assert "NO" in shown
    assert "check that commit out" not in shown
    monkeypatch.setattr(comparing, "changed_since", lambda commit, *paths: True)
    assert command.main([*words, *options]) == 1
    assert "data/nano has changed since" in capsys.readouterr().out


def test_the_plan_is_printed_and_nothing_is_run(
    bench, tmp_path, options, capsys
) -> None:
    assert command.main([tiny.NAME, "--dry-run", *options]) == 0
    shown = capsys.readouterr().out
    assert "9 of 9" in shown
    assert "hours of runs" in shown
    assert read_table(table_path(tmp_path / "results", tiny.NAME)) == []


def test_mistakes_are_one_sentence(options, capsys) -> None:
    assert command.main([tiny.NAME, "--only", "rank_3", *options]) == 2
    error = capsys.readouterr().err
    assert "delay has no setting 'rank_3'; it has rank_0, rank_2, rank_4." in error
    assert "Traceback" not in error
    assert command.main([tiny.NAME, "stages", "--only", "rank_2", *options]) == 2
    assert "--only names settings of one experiment" in capsys.readouterr().err
    assert command.main([tiny.NAME, "--again", *options]) == 2
    assert "run it first, without --again" in capsys.readouterr().err


def test_the_beginning_of_a_row_comes_out_again_without_the_rest(
    bench, tmp_path
) -> None:
    experiment = tiny.experiment(steps=8)
    run(bench, tmp_path, experiment)
    row = read_table(table_path(tmp_path, tiny.NAME))[1]
    found = compare_beginning(row, experiment, bench)
    names = {"curve_train_loss", "curve_text_loss", "curve_audio_loss"}
    assert {name for name, *_ in found} == names
    for name, stored, now, is_within in found:
        assert is_within
        assert stored.split()[0] == now == f"{row[name][0]:.4f}"
    row["curve_audio_loss"][0] *= 1.2
    found = {name: ok for name, *_, ok in compare_beginning(row, experiment, bench)}
    assert [name for name, ok in found.items() if not ok] == ["curve_audio_loss"]


def test_every_experiment_is_known_by_its_name_and_asks_three_seeds() -> None:
    for name in command.NAMES:
        experiment = command.load(name)
        assert experiment.name == name
        names = [setting.name for setting in experiment.settings]
        assert len(names) == len(set(names)) >= 2
    with pytest.raises(UserError, match="has no setting"):
        command.load("delay").setting("nothing")
