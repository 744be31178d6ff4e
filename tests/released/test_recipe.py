"""The published stages are read as they are, and the scripts train just these."""

import pytest

from minimind_o.errors import UserError
from minimind_o.released.recipe import (
    SCRIPTS,
    published_stages,
    recipe_commands,
)
from minimind_o.training.__main__ import build_parser


def test_the_papers_minutes_are_those_of_four_gpus() -> None:
    stages = published_stages("paper")
    assert [stage.minutes for stage in stages] == [45, 25, 75, 45, 45]
    assert sum(stage.gpu_minutes for stage in stages) == 4 * 235
    (mini, *_) = published_stages("released script (mini)")
    assert (mini.minutes, mini.gpus, mini.learning_rate) == (60, 1, 5e-4)


def test_an_unknown_source_is_refused() -> None:
    with pytest.raises(UserError, match="none of paper, released script"):
        published_stages("hearsay")


@pytest.mark.parametrize("source", SCRIPTS)
@pytest.mark.parametrize("gpus", [1, 4])
def test_the_scripts_train_what_was_published(source: str, gpus: int) -> None:
    stages = published_stages(source)
    commands = recipe_commands(SCRIPTS[source], GPUS=str(gpus))
    for stage, command in zip(stages, commands, strict=True):
        assert command[command.index("--nproc_per_node") + 1] == str(gpus)
        place = command.index("minimind_o.training") + 1
        given = build_parser().parse_args(command[place:])
        assert given.learning_rate == stage.learning_rate
        assert given.epochs == stage.epochs
        assert given.batch_size == stage.batch_per_gpu
        assert given.max_length == stage.context
        # The same rows in a step, on as many GPUs as were meant or on fewer.
        assert given.accumulate == max(1, stage.gpus // gpus)
        mode = "t2a" if stage.stage.startswith("t2a") else stage.stage.split()[1]
        assert given.mode == mode
        assert stage.stage[:3] in given.data[0]
