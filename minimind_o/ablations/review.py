"""Does an experiment's table bear out what is claimed of it?

`python -m minimind_o.ablations.review FILE --verdict lower` reads the table of the
experiment that FILE defines, asks of it what a careful reader would ask, and with
`--page` writes it all down as a page, clips included.

The interval is Student's, of the differences seed by seed: the setting's measure minus
the baseline's. With three seeds it is wide, and that is the truth about three seeds.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from minimind_o.ablations.experiment import Experiment, Prediction
from minimind_o.ablations.own import load_file
from minimind_o.ablations.table import RESULTS, read_table, table_path
from minimind_o.assets import ENVIRONMENT_VARIABLE, Assets
from minimind_o.errors import UserError
from minimind_o.evaluation.statistics import Estimate, student_mean

Row = Mapping[str, Any]
Verdict = Literal["lower", "higher", "same", "undecided"]
VERDICTS: tuple[Verdict, ...] = ("lower", "higher", "same", "undecided")
MIN_SEEDS = 3
NOT_VARIED = {"recipe.seed"}


@dataclass(frozen=True, kw_only=True)
class Check:
    """One demand on an experiment. said: what was found, in one sentence."""

    name: str
    is_met: bool
    said: str


def verdict_of(interval: Estimate, margin: float = 0.0) -> Verdict:
    """What an interval of differences allows to be said.

    "same" takes a margin: that no difference was found does not say there is none.
    """
    if -margin <= interval.low and interval.high <= margin and margin > 0:
        return "same"
    if interval.low > 0:
        return "higher"
    return "lower" if interval.high < 0 else "undecided"


def compared(rows: Sequence[Row], prediction: Prediction) -> dict[str, dict[int, Row]]:
    """Baseline and setting -> seed -> row, of the runs with the most steps."""
    names = (prediction.baseline, prediction.setting)
    mine = [row for row in rows if row["setting"] in names]
    most = max((row["steps"] for row in mine), default=0)
    return {
        name: {
            row["seed"]: row
            for row in mine
            if row["setting"] == name and row["steps"] == most
        }
        for name in names
    }


def differences(rows: Sequence[Row], prediction: Prediction) -> list[float]:
    """Of the measure, setting minus baseline, for every seed that both have."""
    pair = compared(rows, prediction)
    baseline, setting = pair[prediction.baseline], pair[prediction.setting]
    return [
        float(setting[seed][prediction.measure] - baseline[seed][prediction.measure])
        for seed in sorted(set(baseline) & set(setting))
        if _is_number(setting[seed].get(prediction.measure))
        and _is_number(baseline[seed].get(prediction.measure))
    ]


def review(
    experiment: Experiment, rows: Sequence[Row], verdict: Verdict
) -> list[Check]:
    """All demands, met or not, in the order in which they are to be mended.

    Args:
        experiment: with its prediction.
        rows: of its table.
        verdict: what is claimed of the prediction's measure.

    Raises:
        UserError: the experiment predicts nothing, or the verdict is no such word.
    """
    prediction = experiment.prediction
    if prediction is None:
        raise UserError(
            f"{experiment.name} predicts nothing: give its EXPERIMENT a prediction, "
            "and run it anew."
        )
    if verdict not in VERDICTS:
        raise UserError(
            f"the verdict is one of {', '.join(VERDICTS)}, not {verdict!r}."
        )
    pair = compared(rows, prediction)
    both = [row for seeds in pair.values() for row in seeds.values()]
    return [
        _has_baseline(pair),
        _was_predicted(both, prediction),
        _is_one_version(both, experiment),
        _has_seeds(pair),
        _varies(pair, experiment, prediction),
        _is_measured(both, prediction),
        _can_be_heard(both),
        _is_borne_out(differences(rows, prediction), prediction, verdict),
    ]


def _has_baseline(pair: Mapping[str, Mapping[int, Row]]) -> Check:
    steps = {row["steps"] for seeds in pair.values() for row in seeds.values()}
    missing = [name for name, seeds in pair.items() if not seeds]
    said = f"baseline and setting were trained for {max(steps, default=0)} steps"
    if missing:
        said = (
            f"no row of {' nor of '.join(missing)} has as many steps as the longest run"
        )
    return Check(name="a baseline of as many steps", is_met=not missing, said=said)


def _was_predicted(rows: Sequence[Row], prediction: Prediction) -> Check:
    wrong = [row for row in rows if row.get("prediction") != str(prediction)]
    said = f"predicted: {prediction}"
    if wrong:
        row = wrong[0]
        said = (
            f"{row['setting']}, seed {row['seed']}, was run under another prediction "
            f"({row.get('prediction') or 'none'})"
        )
    return Check(
        name="a prediction before the runs", is_met=bool(rows) and not wrong, said=said
    )


def _is_one_version(rows: Sequence[Row], experiment: Experiment) -> Check:
    versions = {str(row.get("definition")) for row in rows} - {experiment.version}
    said = "all runs are of the file as it is now"
    if versions:
        said = (
            "the file has changed since some of the runs: run them again, with another "
            "--results"
        )
    return Check(name="one experiment", is_met=bool(rows) and not versions, said=said)


def _has_seeds(pair: Mapping[str, Mapping[int, Row]]) -> Check:
    baseline, setting = (set(seeds) for seeds in pair.values())
    shared = sorted(baseline & setting)
    is_met = len(shared) >= MIN_SEEDS and baseline == setting
    said = f"seeds {', '.join(map(str, shared)) or 'none'} of both"
    if baseline != setting:
        said += f", and {', '.join(map(str, sorted(baseline ^ setting)))} of one only"
    if len(shared) < MIN_SEEDS:
        said += f"; {MIN_SEEDS} or more are needed"
    return Check(name="the same seeds", is_met=is_met, said=said)


def _varies(
    pair: Mapping[str, Mapping[int, Row]],
    experiment: Experiment,
    prediction: Prediction,
) -> Check:
    found = []
    for seed in set.intersection(*(set(seeds) for seeds in pair.values())):
        old, new = (_settings(seeds[seed]) for seeds in pair.values())
        names = sorted((set(old) | set(new)) - NOT_VARIED)
        differing = [name for name in names if old.get(name) != new.get(name)]
        found.append([f"{n}: {old.get(n)} -> {new.get(n)}" for n in differing])
    said = "; ".join(found[0]) if found else "nothing to compare"
    is_met = bool(found) and bool(found[0]) and all(one == found[0] for one in found)
    if found and not found[0]:
        said = f"{prediction.setting} is set up as {prediction.baseline} is"
    elif found and not is_met:
        said = "what differs is not the same for every seed"
    return Check(name="what was swapped", is_met=is_met, said=said)


def _settings(row: Row) -> dict[str, Any]:
    """Config and recipe of a row, flat: `recipe.learning_rate` and the like."""
    flat: dict[str, Any] = {}

    def add(name: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                add(f"{name}.{key}" if name else key, inner)
        else:
            flat[name] = value

    add("config", json.loads(row["config"]))
    add("", json.loads(row["recipe"]))
    return flat


def _is_measured(rows: Sequence[Row], prediction: Prediction) -> Check:
    wrong = [row for row in rows if not _is_number(row.get(prediction.measure))]
    said = f"every row has a number for {prediction.measure}"
    if wrong:
        row = wrong[0]
        said = f"{row['setting']}, seed {row['seed']}, has no {prediction.measure}"
    return Check(name="the measure", is_met=bool(rows) and not wrong, said=said)


def _can_be_heard(rows: Sequence[Row]) -> Check:
    silent = [row for row in rows if not row.get("clip_codes")]
    said = "clips of every run are in the table"
    if silent:
        row = silent[0]
        said = (
            f"{row['setting']}, seed {row['seed']}, has no clips: measure with "
            "minimind_o.ablations.measures.coded_clips, too"
        )
    return Check(name="something to hear", is_met=bool(rows) and not silent, said=said)


def _is_borne_out(
    found: Sequence[float], prediction: Prediction, verdict: Verdict
) -> Check:
    if len(found) < 2:
        said = "two seeds of both are the least for an interval"
        return Check(name="a verdict from the interval", is_met=False, said=said)
    interval = student_mean(found)
    right = verdict_of(interval, prediction.margin)
    said = f"{prediction.measure}, setting minus baseline: {interval}: {right}"
    if right != verdict:
        said += f", and not {verdict}"
    elif right == prediction.direction:
        said += ", as predicted"
    elif right != "undecided":
        said += f", where {prediction.direction} was predicted"
    return Check(name="a verdict from the interval", is_met=right == verdict, said=said)


def _is_number(value: Any) -> bool:
    is_plain = isinstance(value, int | float) and not isinstance(value, bool)
    return is_plain and math.isfinite(value)


def review_text(checks: Sequence[Check]) -> str:
    """One line a demand, for a terminal."""
    marks = {True: "ok     ", False: "not yet"}
    return "\n".join(f"{marks[one.is_met]}  {one.name}: {one.said}." for one in checks)


def main(argv: Sequence[str] | None = None) -> int:
    """Review; 0 where all is met, 1 where something is not, 2 after one sentence."""
    parser = argparse.ArgumentParser(
        prog="python -m minimind_o.ablations.review",
        description="Ask of an experiment what a careful reader would ask.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="defines EXPERIMENT")
    parser.add_argument("--verdict", required=True, metavar="WORD",
                        help=f"your claim: {', '.join(VERDICTS)}")  # fmt: skip
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, help="write it down, with the clips")
    parser.add_argument(
        "--assets", metavar="FOLDER",
        help=f"whose codec made them (default: ${ENVIRONMENT_VARIABLE} or data/nano)",
    )  # fmt: skip
    arguments = parser.parse_args(argv)
    try:
        experiment = load_file(arguments.file)
        rows = read_table(table_path(arguments.results, experiment.name))
        checks = review(experiment, rows, arguments.verdict)
        print(review_text(checks))
        if arguments.page is not None:
            from minimind_o.ablations.review_page import write_page

            assets = Assets.find(arguments.assets)
            write_page(experiment, rows, checks, arguments.page, assets)
            print(arguments.page)
    except UserError as error:
        print(f"minimind_o.ablations.review: {error}", file=sys.stderr)
        return 2
    return 0 if all(one.is_met for one in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
