"""How long it will take, said before it begins."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from minimind_o.ablations.experiment import Experiment
from minimind_o.ablations.runs import Run, world_files
from minimind_o.ablations.start import write_start
from minimind_o.ablations.table import read_table, table_path
from minimind_o.ablations.training import begin, data_of, phases_of, recipe_of
from minimind_o.ablations.workbench import Workbench
from minimind_o.terminal_table import terminal_table

NUM_PROBES = 2


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What is left of one experiment.

    minutes: of a run. is_measured: they are those of finished runs, and not estimated
        from a few steps.
    """

    experiment: Experiment
    runs: int
    left: int
    steps: int
    minutes: float
    is_measured: bool

    @property
    def hours(self) -> float:
        """Of all that is left, one run after the other."""
        return self.left * self.minutes / 60


def plan(
    runs: Sequence[Run], left: Sequence[Run], bench: Workbench, results: Path
) -> list[Planned]:
    """What is to be run, experiment by experiment.

    A run takes as long as the finished ones of its experiment; where none is, a few
    steps of its largest setting are made and thrown away.
    """
    planned = []
    for name in dict.fromkeys(run.experiment.name for run in runs):
        own = [run for run in runs if run.experiment.name == name]
        mine = [run for run in left if run.experiment.name == name]
        first = own[0]
        rows = read_table(table_path(results, name))
        known = [row["minutes"] for row in rows if row["steps"] == first.steps]
        minutes = 0.0
        if known:
            minutes = sum(known) / len(known)
        elif mine:
            seconds = seconds_a_step(mine[0], bench)
            minutes = first.steps * seconds / 60 + first.experiment.evaluation_minutes
        planned.append(
            Planned(
                experiment=first.experiment,
                runs=len(own),
                left=len(mine),
                steps=first.steps,
                minutes=minutes,
                is_measured=bool(known),
            )
        )
    return planned


def seconds_a_step(run: Run, bench: Workbench) -> float:
    """Of a training step of a run, after the first."""
    files = world_files(run.experiment, bench)
    recipe = recipe_of(run.experiment, run.steps, run.seed)
    ((recipe, _), *_) = phases_of(run.setting, recipe)
    with tempfile.TemporaryDirectory() as scratch:
        init = Path(scratch) / "start"
        write_start(bench, run.setting, run.experiment.start, run.seed, init)
        data = data_of(run.experiment, run.setting, files, run.seed)
        trainer, batches = begin(recipe, data, bench, init, run.setting.swap)
        trainer.step([next(batches)])
        started = time.monotonic()
        for _ in range(NUM_PROBES):
            trainer.step([next(batches)])
    return (time.monotonic() - started) / NUM_PROBES


def plan_table(planned: Sequence[Planned], num_processes: int) -> str:
    """For reading; the last line says how long all of it takes."""
    rows = [
        (
            item.experiment.name,
            str(len({s.name for s in item.experiment.settings})),
            f"{item.left} of {item.runs}",
            str(item.steps),
            f"{item.minutes:.1f}" + ("" if item.is_measured else " (probed)"),
            f"{item.hours:.2f}",
        )
        for item in planned
    ]
    head = ("experiment", "settings", "runs left", "steps", "minutes a run", "hours")
    hours = sum(item.hours for item in planned)
    total = f"{hours:.2f} hours of runs"
    if num_processes > 1:
        total += (
            f", {hours / num_processes:.2f} on {num_processes} processes that do not "
            "get in each other's way"
        )
    return f"{terminal_table(head, rows, max_width=30)}\n{total}"
