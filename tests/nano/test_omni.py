"""The recipe: stage after stage, each from the model of the one before."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from minimind_o.assets import Assets
from minimind_o.errors import UserError
from minimind_o.nano import command, omni
from minimind_o.nano.omni import STAGES, Stage, train_omni
from minimind_o.training.recipe import MODES

FIGURES = {"text_loss": 0.5, "minutes": 2.0}


@pytest.fixture
def assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Assets:
    """A tree that has every training file but those the repository lacks."""
    monkeypatch.setattr(Assets, "checked", lambda self, name: self.path(name))
    for name in {name for stage in STAGES for name in stage.train}:
        file = tmp_path / "nano" / f"{name}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        if not name.endswith("_more"):
            file.touch()
    return Assets(tmp_path / "nano")


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """What each stage was started with."""
    started: list[dict] = []

    def train_stage(recipe, data, inputs, **options) -> dict[str, float]:
        options["work"].mkdir(parents=True, exist_ok=True)
        given = {"recipe": recipe, "data": data, "init": inputs.init}
        given["warm_start"] = inputs.warm_start
        started.append(given | options)
        return dict(FIGURES)

    monkeypatch.setattr(omni, "train_stage", train_stage)
    return started


def test_stages_follow_each_other(assets: Assets, runs: list, tmp_path: Path) -> None:
    figures = train_omni(
        STAGES, assets, assets.llm, tmp_path / "work", tmp_path / "out", seed=3
    )
    names = ("t2a", "a2a_projector", "a2a", "i2t_projector", "i2t", "all", "talker")
    assert tuple(run["recipe"].stage for run in runs) == names
    assert {run["recipe"].seed for run in runs} == {3}
    assert runs[0]["init"] == assets.llm
    assert not runs[0]["warm_start"]
    assert {run["data"].pool_rows for run in runs} == {omni.POOL_ROWS}
    for before, after in itertools.pairwise(runs):
        assert after["init"] == before["out"]
    assert runs[-1]["out"] == tmp_path / "out"
    assert figures["minutes"] == 14
    assert figures["minutes_a2a"] == 2
    assert figures["text_loss"] == 0.5


def test_what_learns_is_what_the_stage_is_named_after() -> None:
    learning = {stage.recipe.stage: stage.recipe.learning for stage in STAGES}
    assert learning["t2a"] == ("talker",)
    assert learning["a2a_projector"] == ("audio_projector",)
    assert learning["i2t_projector"] == ("image_projector",)
    assert learning["a2a"] == ("thinker", "audio_projector")
    assert learning["i2t"] == ("thinker", "audio_projector", "image_projector")
    assert learning["all"] == MODES["all"]
    assert learning["talker"] == ("talker",)


def test_a_stage_that_has_ended_is_not_run_again(
    assets: Assets, runs: list, tmp_path: Path
) -> None:
    arguments = (assets, assets.llm, tmp_path / "work", tmp_path / "out", 0)
    train_omni(STAGES[:2], *arguments)
    train_omni(STAGES, *arguments)
    assert len(runs) == len(STAGES)


def test_files_that_the_repository_lacks_may_be_missing_and_no_others(
    assets: Assets, runs: list, tmp_path: Path
) -> None:
    train_omni(STAGES[:1], assets, assets.llm, tmp_path / "work", tmp_path / "out", 0)
    assert [file.name for file in runs[0]["data"].train] == ["train.parquet"]
    (assets.root / "sft_t2a" / "train.parquet").unlink()
    with pytest.raises(UserError, match="'minimind-o nano sft_t2a'"):
        train_omni(STAGES, assets, assets.llm, tmp_path / "other", tmp_path / "out", 0)


def test_losses_stand_beside_the_expected_ones(
    assets: Assets, runs: list, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    stage: Stage = replace(STAGES[0], expected={"text_loss": 0.4})
    train_omni([stage], assets, assets.llm, tmp_path / "work", tmp_path / "out", 0)
    shown = capsys.readouterr().out.splitlines()
    assert shown[-1].split() == ["t2a", "text_loss", "0.500", "0.400"]


@pytest.mark.parametrize("use_moe", [False, True])
def test_each_model_starts_from_its_own_language_model(
    assets: Assets, runs: list, tmp_path: Path, use_moe: bool
) -> None:
    ending = "_moe" if use_moe else ""
    run = command.NanoRun(assets=assets, work=tmp_path / "work", seed=0)
    command.MAKERS[f"omni{ending}"](run)
    assert runs[0]["init"] == assets.root / f"llm{ending}"
    steps = [stage.recipe.num_steps for stage in STAGES]
    if use_moe:
        first, last = steps[: -omni.NUM_WHOLE], steps[-omni.NUM_WHOLE :]
        steps = [*(omni.EXPERTS_SHARE * n for n in first), *last]
    assert [run["recipe"].num_steps for run in runs] == steps
    assert runs[-1]["out"] == assets.root / f"omni{ending}"
