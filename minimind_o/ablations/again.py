"""A stored row, made again and compared: is each number where it was?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minimind_o.ablations.experiment import Experiment
from minimind_o.ablations.runs import runs_of, train_run, world_files
from minimind_o.ablations.workbench import Workbench
from minimind_o.evaluation.statistics import bootstrap_ratio
from minimind_o.figures import changed_since
from minimind_o.terminal_table import terminal_table

TOLERANCE = 0.05
"""Share by which a loss may differ on another machine; on the same one it does not."""
NOT_COMPARED = {
    "place", "seed", "steps", "minutes", "cpu_minutes", "parameters",
    "active_parameters", "talker_parameters", "adapter_parameters",
}  # fmt: skip
_USED = ("data/nano", ":(exclude)data/nano/omni_moe")
"""What a run may start from, as git names it; those with experts start elsewhere."""


def compare(
    stored: Mapping[str, Any], again: Mapping[str, Any]
) -> list[tuple[str, str, str, bool]]:
    """Name, stored, now, and whether the second is within the first's interval.

    A rate that is stored with its counts has a bootstrap interval; of any other number
    `TOLERANCE` is allowed.
    """
    found = []
    for name, value in stored.items():
        if name in NOT_COMPARED or isinstance(value, bool | str) or value is None:
            continue
        if isinstance(value, int | float) and name in again:
            low, high = _interval(stored, name)
            now = float(again[name])
            shown = f"{value:.4f} [{low:.4f}, {high:.4f}]"
            found.append((name, shown, f"{now:.4f}", low <= now <= high))
    return found


def _interval(row: Mapping[str, Any], name: str) -> tuple[float, float]:
    value = float(row[name])
    counts, totals = row.get(f"{name}_errors"), row.get(f"{name}_lengths")
    if counts and totals and sum(totals):
        estimate = bootstrap_ratio(counts, totals)
        return estimate.low, estimate.high
    room = TOLERANCE * abs(value)
    return value - room, value + room


def compare_beginning(
    stored: Mapping[str, Any], experiment: Experiment, bench: Workbench
) -> list[tuple[str, str, str, bool]]:
    """The first steps of a row's run once more: as `compare`, of its curves there.

    As many steps as the run made until its curves were first noted, in the schedule of
    the whole run.

    Raises:
        UserError: as `minimind_o.ablations.training.train`.
    """
    (run,) = runs_of(
        experiment, (stored["seed"],), stored["steps"], (stored["setting"],)
    )
    files = world_files(experiment, bench)
    _, curves = train_run(run, bench, files, until=stored["curve_step"][0])
    # Curves of several codebooks are lists of lists, laid end to end.
    names = [
        name
        for name, curve in curves.items()
        if name.startswith("curve_") and name != "curve_step" and len(curve) == 1
    ]
    return compare(
        {name: stored[name][0] for name in names},
        {name: curves[name][0] for name in names},
    )


def why_not(row: Mapping[str, Any]) -> str | None:
    """Why a row may not come out here, in one sentence; None where nothing is known."""
    if not changed_since(row["commit"], *_USED):
        return None
    return (
        f"The row is of commit {row['commit']}, and data/nano has changed since: check "
        "that commit out to make it again."
    )


def comparison_table(found: list[tuple[str, str, str, bool]]) -> str:
    """For reading."""
    rows = [(n, stored, now, "yes" if ok else "NO") for n, stored, now, ok in found]
    head = ("measure", "stored [interval]", "again", "within")
    return terminal_table(head, rows, max_width=40)
