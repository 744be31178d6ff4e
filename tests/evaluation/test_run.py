"""`minimind-o evaluate` passes its arguments on and refuses bad ones clearly."""

import shutil
from pathlib import Path

import pytest

from minimind_o import cli
from minimind_o.assets import Assets
from minimind_o.errors import UserError
from minimind_o.evaluation import consistency, transcribe, vision, voices
from minimind_o.evaluation.run import held_out_rows, main


def test_arguments_reach_the_suite(
    assets: Assets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    monkeypatch.setattr(consistency, "run", lambda *a, **k: calls.append((a, k)))
    monkeypatch.setattr(transcribe, "sensevoice_transcriber", lambda folder: folder)
    monkeypatch.setattr(Assets, "sensevoice", assets.root / "sensevoice")
    line = ["--assets", str(assets.root), "--num", "7", "--kind", "fact"]
    main([*line, "--out", str(tmp_path), "--seed", "3", "--batch-size", "5"])
    line[3] = "200"
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
    assert keywords["transcriber"] == assets.root / "sensevoice"
    assert keywords["provenance"].model == "omni of the assets"
    assert keywords["provenance"].command.endswith("--seed 3 --batch-size 5")
    (options, _), keywords = calls[1]
    assert (options.model, options.data) == (Path("m"), Path("my data.parquet"))
    command = keywords["record_command"]
    assert command.startswith("minimind-o evaluate --assets ")
    assert command.endswith("--data 'my data.parquet'")


def test_a_missing_data_file_is_named(assets: Assets, tmp_path: Path) -> None:
    missing = tmp_path / "none.parquet"
    line = ["--assets", str(assets.root), "--transcriber", "json:dumps"]
    with pytest.raises(UserError, match=r"none\.parquet is missing"):
        main([*line, "--data", str(missing)])


def test_a_released_set_that_was_never_split_is_told_how(
    assets: Assets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = tmp_path / "sft_t2a" / "sft_t2a_mini.parquet"
    released.parent.mkdir()
    shutil.copyfile(assets.sft_t2a / "test.parquet", released)
    line = ["--assets", str(tmp_path), "--model", str(assets.omni)]
    with pytest.raises(UserError, match=f"data split {released} {released.parent}'"):
        main(line)
    shutil.copyfile(released, released.parent / "test.parquet")
    assert held_out_rows(Assets(tmp_path), "sft_t2a").name == "test.parquet"


def test_the_command_line_exits_with_2(
    assets: Assets, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["--assets", str(assets.root), "--transcriber", "json:dumps"]
    code = cli.main(["evaluate", *line, "--num", "999"])
    assert code == 2
    assert "fewer than the 999 asked for" in capsys.readouterr().err


@pytest.mark.parametrize("line", [["--num", "0"], ["--suite", "taste"]])
def test_impossible_arguments_are_refused(line: list[str]) -> None:
    with pytest.raises(SystemExit) as refusal:
        main(line)
    assert refusal.value.code == 2


def test_all_suites_run_each_with_its_own_prompts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = {}
    for suite in (consistency, voices, vision):
        name = suite.__name__.rpartition(".")[2]
        monkeypatch.setattr(
            suite, "run", lambda o, a, name=name, **k: calls.update({name: (o, k)})
        )
    shipped = Assets.find()
    main(["--suite", "all", "--transcriber", "json:dumps", "--out", str(tmp_path)])
    assert list(calls) == ["consistency", "voices", "vision"]
    options = {name: call[0] for name, call in calls.items()}
    assert options["consistency"].data == shipped.sft_t2a / "test.parquet"
    assert options["voices"].data == shipped.sft_t2a / "test.parquet"
    assert options["vision"].data == shipped.sft_i2t / "test.parquet"
    assert options["vision"].kinds == ("picture",)
    assert [options[n].num for n in calls] == [200, 20, 200]
    assert {options[n].out for n in calls} == {tmp_path}
    heard_by = {name: call[1]["provenance"].transcriber for name, call in calls.items()}
    assert heard_by == {
        "consistency": "json:dumps",
        "voices": "none",
        "vision": "json:dumps",
    }


def test_nothing_runs_where_one_suite_has_too_few_to_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(consistency, "run", lambda *a, **k: pytest.fail("it ran"))
    line = ["--suite", "all", "--record", "--transcriber", "json:dumps"]
    with pytest.raises(UserError, match=r"--num 19 is too few .* at least 200"):
        main([*line, "--num", "19"])


def test_one_file_of_prompts_is_not_for_all_suites(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="name it with --suite consistency or voices"):
        main(["--suite", "all", "--data", str(tmp_path / "rows.parquet")])


def test_a_codec_that_cannot_read_the_model_is_refused(
    assets: Assets, tmp_path: Path
) -> None:
    line = ["--assets", str(assets.root), "--transcriber", "json:dumps"]
    shipped = Assets.find().omni
    with pytest.raises(UserError, match="must come from one tree of assets"):
        main([*line, "--model", str(shipped), "--out", str(tmp_path)])


def test_help_names_every_suite_and_ends_well(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    page = capsys.readouterr().out
    for word in ("consistency", "voices", "vision", "examples:", "SenseVoice folder"):
        assert word in page
    assert max(map(len, page.splitlines())) <= 100
