"""What an experiment is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from minimind_o.ablations.recipe import STEPS
from minimind_o.ablations.workbench import Workbench
from minimind_o.errors import UserError
from minimind_o.model import OmniModel

Measures = dict[str, Any]
"""Name -> a number, or a list of numbers or texts."""
Direction = Literal["lower", "higher", "same"]
"""How a setting's measure stands to the baseline's."""
Start = Literal["language model", "omni", "whole", "random"]
"""Whose weights a run starts from: the shipped language model's, those and the shipped
omni model's Thinker and projectors, all of the shipped model, or none. But for the
whole, the Talker is new."""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A part of a run's steps in which some parts of the model learn.

    share: of all steps. learning: as in `TrainingRecipe`. rate: the learning rate;
        None: the recipe's.
    """

    share: float
    learning: tuple[str, ...]
    rate: float | None = None


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One value of what an experiment varies.

    what: in a few words, for tables and figures.
    config: changes to the model's config. data: to the training data (`StageData`).
    warm_start: whether the Talker's blocks start from the Thinker's last ones.
    phases: which parts learn when; empty: those of the experiment's recipe, throughout.
    swap: is given the model once its weights are loaded, before it learns, and puts
        other components in place of some of its own: for what no config names.

    Raises:
        UserError: `swap` and `phases`. Between phases a model is written and read
            again, which one with other components cannot be.
    """

    name: str
    what: str
    config: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    warm_start: bool = True
    phases: tuple[Phase, ...] = ()
    swap: Callable[[OmniModel], None] | None = None

    def __post_init__(self) -> None:
        if self.swap is not None and self.phases:
            raise UserError(
                f"the setting {self.name!r} has both 'swap' and 'phases': a model with "
                "swapped components learns in one phase."
            )


@dataclass(frozen=True, kw_only=True)
class WorldFiles:
    """The data of an experiment, the same for all its runs.

    train, validation: for the losses. questions: to be answered at the end. All are
        Parquet files in the released schema.
    """

    train: Path
    validation: Path
    questions: Path


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """A run at its end, to be measured."""

    model: OmniModel
    setting: Setting
    seed: int
    bench: Workbench
    files: WorldFiles
    data: Mapping[str, Any]
    """The setting's changes to the data, the experiment's own among them."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What is expected, said before the first run and kept in every row.

    measure: the name of a number in every row. setting, baseline: names of settings.
    direction: where the setting's measure will be, seen from the baseline's.
    margin: a difference so small does not matter; one within it is called "same".
    """

    measure: str
    setting: str
    baseline: str
    direction: Direction
    margin: float = 0.0

    def __str__(self) -> str:
        than = "as" if self.direction == "same" else "than"
        return (
            f"{self.measure} of {self.setting} {self.direction} {than} that of "
            f"{self.baseline} (differences up to {self.margin:g} do not matter)"
        )


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A question, what is varied to answer it, and what is measured.

    world: writes the data's files into a folder. world_name: of experiments that
        share their data; empty: the experiment's own name.
    recipe, data: departures from the shared recipe and data, in all settings alike.
    evaluation_minutes: what measuring takes at the end of a run, on one slow core.
    prediction: None where nothing is predicted.
    file, version: where it is written down, if not in this package, and a digest of
        what was read there; `own.load_file` sets both.
    """

    name: str
    question: str
    settings: tuple[Setting, ...]
    world: Callable[[Workbench, Path], None]
    measure: Callable[[Trained], Measures]
    world_name: str = ""
    start: Start = "language model"
    steps: int = STEPS
    recipe: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    evaluation_minutes: float = 1.0
    prediction: Prediction | None = None
    file: Path | None = None
    version: str = ""

    def setting(self, name: str) -> Setting:
        """The setting of that name.

        Raises:
            UserError: there is none.
        """
        for setting in self.settings:
            if setting.name == name:
                return setting
        known = ", ".join(setting.name for setting in self.settings)
        raise UserError(f"{self.name} has no setting {name!r}; it has {known}.")
