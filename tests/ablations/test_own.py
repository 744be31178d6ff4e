"""An experiment from a file is run as the package's own, and mistakes are named."""

import shlex
from pathlib import Path

import pytest
import torch

from minimind_o.ablations import __main__ as command
from minimind_o.ablations.experiment import Phase, Prediction, Setting
from minimind_o.ablations.own import load_file
from minimind_o.ablations.start import write_start
from minimind_o.ablations.table import read_table, table_path
from minimind_o.ablations.training import begin, data_of, recipe_of
from minimind_o.errors import UserError
from tests.ablations import tiny

REPOSITORY = Path(__file__).resolve().parents[2]
TEMPLATE = REPOSITORY / "notebooks" / "my_experiment.py"
MINE = """
from __future__ import annotations
from dataclasses import dataclass
from minimind_o.ablations.experiment import Prediction, Setting
from tests.ablations import tiny


@dataclass
class Size:
    rank: int


def double(model):
    model.talker.text_scale.data.mul_(2)


EXPERIMENT = tiny.experiment(
    name="mine",
    settings=(
        Setting(name="plain", what="as it is"),
        Setting(name="doubled", what="twice the text", swap=double),
    ),
    prediction=Prediction(
        measure="scale", setting="doubled", baseline="plain", direction="higher"
    ),
)
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "my_own.py"
    path.write_text(MINE)
    return path


def test_a_file_is_run_and_its_rows_say_where_they_come_from(
    mine, bench, tmp_path, capsys
) -> None:
    options = [
        *("--results", str(tmp_path / "results"), "--work", str(bench.work)),
        *("--assets", str(bench.assets.root), "--seeds", "0"),
    ]
    assert command.main([str(mine), *options]) == 0
    plain, doubled = sorted(
        read_table(table_path(tmp_path / "results", "mine")), key=lambda r: r["place"]
    )
    words = shlex.split(plain["command"])
    assert words[3] == str(mine)
    experiment = load_file(mine)
    assert plain["definition"] == doubled["definition"] == experiment.version
    assert plain["prediction"] == str(experiment.prediction)
    # A text_scale of 3 became 6 before the first step.
    assert doubled["scale"] > plain["scale"] + 2
    assert '"swap": "double"' in doubled["recipe"]
    assert "swap" not in plain["recipe"]
    capsys.readouterr()
    assert command.main([*words[3:], *options]) == 0
    assert "NO" not in capsys.readouterr().out


def test_another_version_of_a_file_is_another_definition(mine) -> None:
    before = load_file(mine).version
    mine.write_text(MINE + "# changed\n")
    assert load_file(mine).version != before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n", "defines no EXPERIMENT"),
        ("EXPERIMENT = 'delay'\n", "defines no EXPERIMENT"),
        ("import nothing_of_that_name\n", "in line 1 with ModuleNotFoundError"),
        ("\n\n1 / 0\n", "in line 3 with ZeroDivisionError"),
        ("def f(:\n", "in line 1 with SyntaxError"),
        (MINE.replace('"mine"', '"delay"'), "experiment of the package"),
        (MINE.replace('"mine"', '"../mine"'), "small letters"),
        (MINE.replace('"doubled"', '"plain"'), "a name of its own"),
        (MINE.replace('baseline="plain"', 'baseline="pain"'), "no setting 'pain'"),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path, capsys, text, said) -> None:
    path = tmp_path / "wrong.py"
    path.write_text(text)
    assert command.main([str(path), "--dry-run"]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert len(error.splitlines()) == 1


def test_a_missing_file_and_an_unknown_name_are_told_apart(tmp_path, capsys) -> None:
    assert command.main([str(tmp_path / "no.py"), "--dry-run"]) == 2
    assert "no.py cannot be read" in capsys.readouterr().err
    assert command.main(["delays", "--dry-run"]) == 2
    assert "there is no experiment 'delays'; there are" in capsys.readouterr().err


def test_a_swap_and_phases_exclude_each_other() -> None:
    phases = (Phase(share=1.0, learning=("talker",)),)
    with pytest.raises(UserError, match="both 'swap' and 'phases'"):
        Setting(name="a", what="a", phases=phases, swap=lambda model: None)


def test_a_prediction_says_all_of_itself() -> None:
    prediction = Prediction(
        measure="cer", setting="a", baseline="b", direction="same", margin=0.01
    )
    assert str(prediction) == (
        "cer of a same as that of b (differences up to 0.01 do not matter)"
    )


def test_the_template_swaps_what_it_says(bench, tmp_path) -> None:
    experiment = load_file(TEMPLATE, command.NAMES)
    setting = experiment.setting("no_gate")
    files = tiny.files(bench, tmp_path / "world")
    write_start(bench, setting, experiment.start, 0, tmp_path / "start")
    recipe = recipe_of(tiny.experiment(), 2, 0)
    data = data_of(experiment, setting, files, 0)
    trainer, batches = begin(recipe, data, bench, tmp_path / "start", setting.swap)
    block = trainer.model.talker.layers[0].feed_forward
    names = {name for name, _ in block.named_parameters()}
    assert names == {"up_proj.weight", "down_proj.weight"}
    before = block.up_proj.weight.detach().clone()
    trainer.step([next(batches)])
    assert not torch.equal(block.up_proj.weight, before), "what was put in learns"
