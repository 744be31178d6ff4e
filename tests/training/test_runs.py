"""The recipes in `runs/`: every stage is a command that the trainer understands."""

import subprocess
from pathlib import Path

import pytest

from minimind_o.errors import UserError
from minimind_o.released.recipe import RUNS, recipe_commands
from minimind_o.training.__main__ import build_parser


@pytest.mark.parametrize(
    ("recipe", "environment", "stages", "accumulate"),
    [
        ("paper", {"GPUS": "4"}, 5, 1),
        ("paper", {"GPUS": "1"}, 5, 4),
        ("released_full", {"GPUS": "4"}, 7, 1),
        ("released_full", {}, 7, 4),
        ("released_mini", {}, 3, 1),
        ("two_machines", {"RDZV": "here:29400"}, 5, 1),
    ],
)
def test_every_stage_is_understood(
    recipe: str, environment: dict, stages: int, accumulate: int
) -> None:
    started = recipe_commands(recipe, **environment)
    assert len(started) == stages
    for command in started:
        place = command.index("minimind_o.training")
        given = build_parser().parse_args(command[place + 1 :])
        assert given.accumulate == accumulate
        assert given.epochs >= 1
        assert given.batch_size in (16, 32, 40)
        assert given.dry_run
        assert ("--rdzv_endpoint" in command) == (recipe == "two_machines")
    stages_named = [command[command.index("--stage") + 1] for command in started]
    assert len(set(stages_named)) == stages


def assets_of(command: list[str]) -> tuple[str, str]:
    """The tree and the rows that a stage is started with."""
    given = build_parser().parse_args(
        command[command.index("minimind_o.training") + 1 :]
    )
    return given.assets, given.data[0]


def test_a_recipe_takes_its_assets_from_its_own_variable_or_the_packages() -> None:
    (first, *_) = recipe_commands("paper")
    assert assets_of(first) == ("data/nano", "data/nano/sft_t2a/train*.parquet")
    (first, *_) = recipe_commands("paper", MINIMIND_O_ASSETS="released", DATA="rows")
    assert assets_of(first) == ("released", "rows/sft_t2a/train*.parquet")
    (first, *_) = recipe_commands("paper", MINIMIND_O_ASSETS="a", ASSETS="b c")
    assert assets_of(first) == ("b c", "b c/sft_t2a/train*.parquet")


def test_each_stage_starts_from_the_model_of_the_one_before(tmp_path: Path) -> None:
    started = recipe_commands("paper", PLAN="", WORK=f"{tmp_path}/a folder")
    parsed = [
        build_parser().parse_args(line[line.index("minimind_o.training") + 1 :])
        for line in started
    ]
    models = [given.work / "model" for given in parsed]
    assert [given.init for given in parsed] == [None, *models[:-1]]


def test_a_script_that_is_not_there_or_stops_is_told() -> None:
    with pytest.raises(UserError, match="none of the scripts in runs: paper, "):
        recipe_commands("papers")
    with pytest.raises(UserError, match=r"paper\.sh stops: .*name the rows with DATA"):
        recipe_commands("paper", ASSETS="released")
    with pytest.raises(UserError, match=r"two_machines\.sh stops: .*RDZV"):
        recipe_commands("two_machines")


@pytest.mark.parametrize("script", sorted(RUNS.glob("*.sh")), ids=lambda p: p.name)
def test_every_script_is_whole(script: Path) -> None:
    subprocess.run(["bash", "-n", script], check=True, timeout=60)
