"""An experiment's table as the notebooks use it: whole, or one line that says why not.

A figure is drawn, a verdict said and a clip played only where every setting has every
seed. Otherwise what is missing is said, with the command that makes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from minimind_o.ablations.experiment import Experiment
from minimind_o.ablations.recipe import SEEDS
from minimind_o.ablations.runs import runs_of
from minimind_o.ablations.table import RESULTS, key_of, read_table, table_path
from minimind_o.assets import Assets
from minimind_o.errors import UserError
from minimind_o.evaluation.transcribe import Wave
from minimind_o.evaluation.yardsticks import decode
from minimind_o.frozen.mimi import Mimi, load_mimi
from minimind_o.listening import Player, listen
from minimind_o.nano.answers import codec_name
from minimind_o.plots import Picture
from minimind_o.widgets.ab_listener import ABListener

Row = dict[str, Any]


class Note:
    """One line in place of what cannot be shown."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text

    def twin(self) -> Note:
        """Itself: what is not there has no twin."""
        return self


@dataclass(frozen=True, kw_only=True, eq=False)
class Stored:
    """The rows of an experiment's runs of full length, and how many there must be."""

    experiment: Experiment
    rows: list[Row]
    num_wanted: int

    @property
    def is_complete(self) -> bool:
        """Whether every setting has every seed."""
        return len(self.rows) == self.num_wanted

    def __repr__(self) -> str:
        name = self.experiment.name
        if not self.is_complete:
            return (
                f"{name}: {len(self.rows)} of {self.num_wanted} runs are stored; to "
                f"make the others: python -m minimind_o.ablations {name}"
            )
        table = f"data/results/{name}.parquet"
        seeds = ", ".join(str(seed) for seed in sorted({r["seed"] for r in self.rows}))
        return (
            f"{table}: {len(self.experiment.settings)} settings, seeds {seeds}, "
            f"{self.experiment.steps} steps."
        )

    @property
    def note(self) -> Note:
        """What is missing."""
        return Note(repr(self))

    def draw(self, figure: Callable[[Sequence[Row]], Picture]) -> Picture | Note:
        """The figure, where the table is complete."""
        return figure(self.rows) if self.is_complete else self.note

    def judge(self, verdict: Callable[[Sequence[Row]], object]) -> object:
        """What a verdict function says of the rows, where they are complete."""
        return verdict(self.rows) if self.is_complete else self.note

    def row(self, setting: str, seed: int) -> Row | None:
        """The row of one run, where it is there."""
        runs = (r for r in self.rows if (r["setting"], r["seed"]) == (setting, seed))
        return next(runs, None)

    def at_step(self, name: str, setting: str, seed: int, step: int) -> float | None:
        """A measure on the run's way, where there is the run and it noted the step."""
        row = self.row(setting, seed)
        if row is None or step not in row["curve_step"]:
            return None
        return float(row[f"curve_{name}"][row["curve_step"].index(step)])

    def clips(
        self, settings: Sequence[str], assets: Assets, name: str = "clip"
    ) -> dict[str, dict[tuple[str, int], Wave]] | Note:
        """What the settings' runs said: setting -> (text, seed) -> wave (N,).

        Only what all of them said of the same text with the same seed.

        Args:
            settings: names of settings.
            assets: whose codec decodes the rows' codes.
            name: `clip`, or another that the experiment's rows keep.
        """
        if not self.is_complete:
            return self.note
        rows = [row for row in self.rows if row["setting"] in settings]
        table = f"data/results/{self.experiment.name}.parquet"
        if not all(row.get(f"{name}_codes") for row in rows):
            return Note(f"{table} holds no clips: it was made before they were kept.")
        if {row["codec"] for row in rows} != {codec_name(assets.mimi)}:
            return Note(f"{table} was made with another codec, so it cannot be heard.")
        mimi = load_mimi(assets.mimi)
        found: dict[str, dict[tuple[str, int], Wave]] = {s: {} for s in settings}
        for row in rows:
            for text, wave in clip_waves(row, mimi, name):
                if len(wave):
                    found[row["setting"]][text, row["seed"]] = wave
        common = set.intersection(*(set(waves) for waves in found.values()))
        return {
            setting: {key: waves[key] for key in sorted(common)}
            for setting, waves in found.items()
        }

    def listen(
        self, settings: Sequence[str], assets: Assets, name: str = "clip"
    ) -> Player | Note:
        """The same sentence by every setting, of the first seed."""
        found = self.clips(settings, assets, name)
        if isinstance(found, Note):
            return found
        what = {setting.name: setting.what for setting in self.experiment.settings}
        key = _shared(found)
        if key is None:
            return Note("no text was said by all of these settings with one seed.")
        return listen(
            {f"{what[s]}: {key[0]}": waves[key] for s, waves in found.items()}
        )

    def compare_blind(
        self,
        first: str,
        second: str,
        assets: Assets,
        name: str = "clip",
        most: int = 6,
    ) -> ABListener | Note:
        """Two settings, to be judged blind, in pairs of the same text and seed."""
        found = self.clips((first, second), assets, name)
        if isinstance(found, Note):
            return found
        if _shared(found) is None:
            return Note(f"{first} and {second} have no text in common.")
        keys = list(found[first])
        pairs = {
            f"{text}, seed {seed}": (
                found[first][text, seed],
                found[second][text, seed],
            )
            for text, seed in keys[:: max(1, len(keys) // most)][:most]
        }
        return ABListener((first, second), pairs, seed=0)


def clip_waves(
    row: Mapping[str, Any], mimi: Mimi, name: str = "clip"
) -> list[tuple[str, Wave]]:
    """What a row keeps to be heard: text and wave (N,), of no samples if it is silent.

    Args:
        row: with `NAME_texts` and `NAME_codes`; without, nothing can be heard.
        mimi: the codec of the row.
        name: see `Stored.clips`.
    """
    found = []
    texts, codes = row.get(f"{name}_texts") or (), row.get(f"{name}_codes") or ()
    for text, flat in zip(texts, codes, strict=True):
        grid_QF = np.array(flat, int).reshape(-1, mimi.num_codebooks).T
        found.append((text, decode(mimi, grid_QF)))
    return found


def _shared(found: Mapping[str, Mapping[tuple[str, int], Wave]]) -> Any:
    """The first text and seed that all have."""
    return next(iter(next(iter(found.values()))), None)


def stored(
    name: str,
    results: Path = RESULTS,
    seeds: Sequence[int] = SEEDS,
) -> Stored:
    """An experiment's table.

    Args:
        name: of the experiment.
        results: the folder of the tables.
        seeds: that every setting must have.

    Raises:
        UserError: a table that cannot be read, or no experiment of that name.
    """
    try:
        module = import_module(f"minimind_o.ablations.{name}")
        experiment: Experiment = module.EXPERIMENT
    except (ModuleNotFoundError, AttributeError):
        raise UserError(f"there is no experiment {name!r}.") from None
    wanted = {run.key for run in runs_of(experiment, seeds)}
    rows = read_table(table_path(results, name))
    mine = [row for row in rows if key_of(row) in wanted]
    return Stored(experiment=experiment, rows=mine, num_wanted=len(wanted))
