"""An experiment small enough for tests: random codes, a tiny model, a few steps."""

from pathlib import Path

from minimind_o.ablations.closed_world import QUESTIONS, TRAIN, VALIDATION
from minimind_o.ablations.experiment import (
    Experiment,
    Measures,
    Setting,
    Trained,
    WorldFiles,
)
from minimind_o.ablations.workbench import Workbench
from tests.training import tiny

NAME = "delay"
"""A name that the command line knows; `launch.py` gives it this experiment."""
STEPS = 2


def write_world(bench: Workbench, folder: Path) -> None:
    """Words to read aloud, each with random codes."""
    folder.mkdir(parents=True, exist_ok=True)
    tiny.write_data(folder / TRAIN, 12)
    tiny.write_data(folder / VALIDATION, 4, seed=50)
    tiny.write_data(folder / QUESTIONS, 4, seed=90)


def files(bench: Workbench, folder: Path) -> WorldFiles:
    """The same, written and named."""
    write_world(bench, folder)
    names = {"train": TRAIN, "validation": VALIDATION, "questions": QUESTIONS}
    return WorldFiles(**{part: folder / name for part, name in names.items()})


def measure(run: Trained) -> Measures:
    """Something with counts and something without."""
    wrong = [round(10 * value) for value in run.model.talker.norm.weight[:4].tolist()]
    return {
        "cer": sum(wrong) / 80,
        "cer_errors": wrong,
        "cer_lengths": [20] * 4,
        "scale": run.model.talker.text_scale.item(),
    }


def experiment(**changes: object) -> Experiment:
    """Three settings that differ in the head's rank."""
    fields: dict = {
        "name": NAME,
        "question": "?",
        "settings": tuple(
            Setting(name=f"rank_{r}", what=f"rank {r}", config={"talker_head_rank": r})
            for r in (0, 2, 4)
        ),
        "world": write_world,
        "measure": measure,
        "steps": STEPS,
        # The tiny Talker's heads are too few to be guided.
        "recipe": {"guidance_weight": 0.0, "precision": "fp32"},
    }
    return Experiment(**{**fields, **changes})
