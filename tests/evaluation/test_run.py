"""`minimind-o evaluate` passes its arguments on and refuses bad ones clearly."""

from pathlib import Path

import pytest

from minimind_o import cli
from minimind_o.assets import Assets
from minimind_o.errors import UserError
from minimind_o.evaluation import consistency
from minimind_o.evaluation.run import main


def test_arguments_reach_the_suite(
    assets: Assets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    monkeypatch.setattr(consistency, "run", lambda *a, **k: calls.append((a, k)))
    line = ["--assets", str(assets.root), "--num", "7", "--kind", "fact"]
    main([*line, "--out", str(tmp_path), "--seed", "3", "--batch-size", "5"])
    main([*line, "--record", "--model", "m", "--data", "my data.parquet"])
    (options, _), keywords = calls[0]
    assert options == consistency.ConsistencyRun(
        model=assets.omni,
        data=assets.sft_t2a / "test.parquet",
        out=tmp_path,
        num=7,
        kinds=("fact",),
        seed=3,
        batch_size=5,
    )
    assert keywords["record_command"] is None
    (options, _), keywords = calls[1]
    assert (options.model, options.data) == (Path("m"), Path("my data.parquet"))
    command = keywords["record_command"]
    assert command.startswith("minimind-o evaluate --assets ")
    assert command.endswith("--data 'my data.parquet'")


def test_a_missing_data_file_is_named(assets: Assets, tmp_path: Path) -> None:
    missing = tmp_path / "none.parquet"
    with pytest.raises(UserError, match=r"none\.parquet is missing"):
        main(["--assets", str(assets.root), "--data", str(missing)])


def test_the_command_line_exits_with_2(
    assets: Assets, capsys: pytest.CaptureFixture[str]
) -> None:
    code = cli.main(["evaluate", "--assets", str(assets.root), "--num", "999"])
    assert code == 2
    assert "fewer than the 999 asked for" in capsys.readouterr().err


@pytest.mark.parametrize("line", [["--num", "0"], ["--suite", "taste"]])
def test_impossible_arguments_are_refused(line: list[str]) -> None:
    with pytest.raises(SystemExit) as refusal:
        main(line)
    assert refusal.value.code == 2
