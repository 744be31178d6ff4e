"""The recipes in `runs/`: every stage is a command that the trainer understands."""

import os
import subprocess
from pathlib import Path

import pytest

from minimind_o.training.__main__ import build_parser

RUNS = Path(__file__).parents[2] / "runs"


def commands(recipe: str, tmp_path: Path, **environment: str) -> list[list[str]]:
    """What a recipe would start: torchrun is a script that notes its arguments."""
    written = tmp_path / "commands"
    fake = tmp_path / "torchrun"
    fake.write_text(
        f'#!/bin/sh\nfor word; do printf "%s\\0" "$word"; done >> {written}\n'
        f'echo "" >> {written}\n'
    )
    fake.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", RUNS / f"{recipe}.sh"],
        env={"PATH": path, "PLAN": "--dry-run", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    lines = written.read_text().split("\0\n")[:-1]
    return [line.split("\0") for line in lines]


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
    tmp_path: Path, recipe: str, environment: dict, stages: int, accumulate: int
) -> None:
    started = commands(recipe, tmp_path, **environment)
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


@pytest.mark.parametrize("script", sorted(RUNS.glob("*.sh")), ids=lambda p: p.name)
def test_every_script_is_whole(script: Path) -> None:
    subprocess.run(["bash", "-n", script], check=True, timeout=60)
