"""The paper's claims, each judged by the same rule from the tables of the ablations.

A claim has checks. A check is a number and where it has to lie: above something, below
something, or between the two. The number is a sum of measures of settings, taken seed
by seed, so that settings are compared where they share their draw; over the seeds it
has a mean and Student's interval (`student_mean`). Then

- **reproduced**: the whole interval lies where the paper says;
- **partly**: the mean does, the interval reaches beyond: other seeds may disagree;
- **not**: the mean does not.

A claim with several checks is reproduced where all of them are, not where none is even
in part, and partly otherwise. What is counted has no seed: it is as claimed or it is
not. Where runs are missing nothing is judged, and the command that makes them is named.

Claims about other models can only be looked at in the paper's own printed rows: these
agree with the claim or they disagree, and nothing is reproduced by that.

A claim is *covered* when its checks have runs of at least `MIN_SEEDS` seeds, or when it
has a reason why no runs with seeds can carry it here.
"""

from __future__ import annotations

import math
import re
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from minimind_o.ablations.__main__ import load
from minimind_o.ablations.table import RESULTS, read_table, table_path
from minimind_o.errors import UserError
from minimind_o.evaluation.counted import COUNTS
from minimind_o.evaluation.paper import PAPER_FOLDER
from minimind_o.evaluation.statistics import Estimate, student_mean

CLAIMS_FILE = PAPER_FOLDER / "claims.toml"
MIN_SEEDS = 3
Row = Mapping[str, Any]
Verdict = Literal[
    "reproduced",
    "partly",
    "not",
    "not run yet",
    "rows agree",
    "rows disagree",
    "not here",
]
_ITEM = re.compile(r"(?P<name>\w+)(?:\[(?P<index>-?\d+)\])?")
_KEYS = {"what", "table", "terms", "count", "above", "below", "equals"}


@dataclass(frozen=True, kw_only=True)
class Term:
    """A measure of a setting, and what it is multiplied by."""

    setting: str
    measure: str
    weight: float


@dataclass(frozen=True, kw_only=True)
class Check:
    """A number, and where it has to lie for a claim to hold.

    what: the number, in words. table, terms: an ablation, and what to add up of its
        rows. count: in their place, a name of `COUNTS`.
    above, below: bounds that the number must not touch. equals: what a count is.
    """

    what: str
    table: str = ""
    terms: tuple[Term, ...] = ()
    count: str = ""
    above: float = -math.inf
    below: float = math.inf
    equals: float | None = None

    def holds(self, value: float) -> bool:
        """Whether a number lies where it has to."""
        if self.equals is not None:
            return value == self.equals
        return self.above < value < self.below

    @property
    def wanted(self) -> str:
        """Where that is, for reading."""
        if self.equals is not None:
            return f"= {self.equals:g}"
        bounds = [f"> {self.above:g}"] if self.above > -math.inf else []
        bounds += [f"< {self.below:g}"] if self.below < math.inf else []
        return ", ".join(bounds)

    @property
    def command(self) -> str:
        """The command line of the runs that it needs."""
        return runs_command(self.table, [term.setting for term in self.terms])


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Something that the paper says, in our words.

    place: where it says so. topic: what the rows of a table have in common. paper: its
        figures. reason: why no runs with seeds can carry it here; empty: they can.
    of_rows: its checks are about the paper's printed rows, and nothing of ours.
    """

    id: str
    topic: str
    place: str
    what: str
    paper: str
    checks: tuple[Check, ...]
    reason: str = ""
    of_rows: bool = False


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A check, and what was found: an estimate where there are runs or a count."""

    check: Check
    estimate: Estimate | None
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A claim and its verdict."""

    claim: Claim
    findings: tuple[Finding, ...]
    verdict: Verdict

    @property
    def is_covered(self) -> bool:
        """Whether it was judged over seeds, or cannot be here for a reason."""
        return self.verdict != "not run yet"


def runs_command(table: str, settings: Sequence[str]) -> str:
    """The command line that runs settings of an ablation; what has its row is kept."""
    words = ["python", "-m", "minimind_o.ablations", table, "--only"]
    return shlex.join([*words, *dict.fromkeys(settings)])


def read_claims(path: Path = CLAIMS_FILE) -> list[Claim]:
    """The list of claims, in its order.

    Raises:
        UserError: the file is missing or says something that cannot be judged.
    """
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("claim", [])
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    claims = []
    for entry in entries:
        name = entry.get("id", "a claim")
        checks = tuple(_check(one, name) for one in entry.pop("check", []))
        if not checks and not entry.get("reason"):
            raise UserError(f"{path.name}: '{name}' has neither a check nor a reason.")
        if not entry.get("reason") and any(check.count for check in checks):
            raise UserError(f"{path.name}: '{name}' is counted, but gives no reason.")
        try:
            claims.append(Claim(checks=checks, **entry))
        except TypeError as error:
            raise UserError(f"{path.name}: '{name}': {error}") from error
    return claims


def _check(entry: dict[str, Any], name: str) -> Check:
    terms = tuple(
        Term(setting=setting, measure=measure, weight=float(weight))
        for key, weight in entry.get("terms", {}).items()
        for setting, _, measure in (key.partition("."),)
    )
    is_bounded = {"above", "below", "equals"} & set(entry)
    is_complete = {"what"} <= set(entry) <= _KEYS and is_bounded
    if not is_complete or bool(terms) == ("count" in entry):
        raise UserError(
            f"claims.toml: a check of '{name}' needs 'what', a bound, and either "
            "'table' with 'terms' or 'count'."
        )
    if "count" in entry and entry["count"] not in COUNTS:
        raise UserError(f"claims.toml: '{name}' counts an unknown {entry['count']!r}.")
    for term in terms:
        load(entry["table"]).setting(term.setting)
    return Check(**{**entry, "terms": terms})


def judge(claims: Sequence[Claim], results: Path = RESULTS) -> list[Judged]:
    """Every claim with its verdict, from the tables in `results`.

    Raises:
        UserError: a table is damaged, or lacks a measure that a claim is judged by.
    """
    tables = {
        name: _whole_runs(name, results)
        for name in {check.table for claim in claims for check in claim.checks}
        if name
    }
    judged = []
    for claim in claims:
        found = tuple(judge_check(check, tables) for check in claim.checks)
        verdict = combined([finding.verdict for finding in found])
        if claim.of_rows:
            verdict = "rows agree" if verdict == "reproduced" else "rows disagree"
        judged.append(Judged(claim=claim, findings=found, verdict=verdict))
    return judged


def _whole_runs(name: str, results: Path) -> list[Row]:
    """An experiment's rows of the most steps; none where these are fewer than its own.

    A run of a few steps is a rehearsal and judges nothing.
    """
    rows = read_table(table_path(results, name))
    most = max((row["steps"] for row in rows), default=0)
    return [row for row in rows if row["steps"] == most >= load(name).steps]


def judge_check(check: Check, tables: Mapping[str, Sequence[Row]]) -> Finding:
    """One check, from the rows of each table."""
    if check.count:
        value = COUNTS[check.count]()
        counted = Estimate(value=value, low=value, high=value, n=1)
        verdict: Verdict = "reproduced" if check.holds(value) else "not"
        return Finding(check=check, estimate=counted, verdict=verdict)
    values = seed_values(check, tables[check.table])
    if len(values) < MIN_SEEDS:
        return Finding(check=check, estimate=None, verdict="not run yet")
    estimate = student_mean(list(values.values()))
    return Finding(check=check, estimate=estimate, verdict=verdict_of(check, estimate))


def verdict_of(check: Check, estimate: Estimate) -> Verdict:
    """The rule: the whole interval, only the mean, or neither lies where it has to."""
    if not check.holds(estimate.value):
        return "not"
    ends = check.holds(estimate.low) and check.holds(estimate.high)
    return "reproduced" if ends else "partly"


def combined(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict on a claim from those on its checks; none: it is not judged here."""
    if not verdicts:
        return "not here"
    if "not run yet" in verdicts:
        return "not run yet"
    if len(set(verdicts)) == 1:
        return verdicts[0]
    return "partly"


def seed_values(check: Check, rows: Sequence[Row]) -> dict[int, float]:
    """Seed -> the number of a check, for the seeds that every setting has.

    Raises:
        UserError: a row lacks a measure.
    """
    by_run = {(row["setting"], row["seed"]): row for row in rows}
    settings = {term.setting for term in check.terms}
    found = {}
    for seed in sorted({seed for _, seed in by_run}):
        if all((setting, seed) in by_run for setting in settings):
            parts = [
                term.weight * measure(by_run[term.setting, seed], term.measure)
                for term in check.terms
            ]
            if not any(map(math.isnan, parts)):
                found[seed] = math.fsum(parts)
    return found


def measure(row: Row, name: str) -> float:
    """A measure of a run: a number, the mean of a list, or one of its items.

    NaN where the run has none: no long answer, no answer that was unclear.

    Raises:
        UserError: the row has no such measure.
    """
    if name in DERIVED:
        return DERIVED[name](row)
    match = _ITEM.fullmatch(name)
    if match is None or match["name"] not in row:
        raise UserError(
            f"the table {row.get('experiment', '')} has no measure {name!r}: its rows "
            "are of another version; run the experiment anew."
        )
    value = row[match["name"]]
    if value is None:
        return math.nan
    if not isinstance(value, list):
        return float(value)
    if match["index"] is not None:
        return float(value[int(match["index"])])
    return float(np.mean(value)) if value else math.nan


def best_voice(row: Row) -> float:
    """Mean cosine of the voice that is met best."""
    return max(_by_voice(row, "voice_similarity").values())


def clear_minus_unclear(row: Row) -> float:
    """Mean cosine of the answers with a CER up to the median, minus the others'."""
    lengths = np.maximum(row["cer_lengths"], 1)
    rates = np.array(row["cer_errors"]) / lengths
    is_clear = rates <= np.median(rates)
    if is_clear.all():
        return math.nan
    similarity = np.array(row["voice_similarity"])
    return float(similarity[is_clear].mean() - similarity[~is_clear].mean())


def reference_correlation(row: Row) -> float:
    """Pearson's, over voices: the prompt's own cosine and that of its answers."""
    prompts = list(_by_voice(row, "reference_similarity").values())
    answers = list(_by_voice(row, "voice_similarity").values())
    if np.ptp(prompts) == 0 or np.ptp(answers) == 0:
        return math.nan
    return float(np.corrcoef(prompts, answers)[0, 1])


def _by_voice(row: Row, name: str) -> dict[str, float]:
    groups: dict[str, list[float]] = {}
    for voice, value in zip(row["voice"], row[name], strict=True):
        groups.setdefault(voice, []).append(value)
    return {voice: float(np.mean(values)) for voice, values in groups.items()}


DERIVED = {
    "best_voice": best_voice,
    "clear_minus_unclear": clear_minus_unclear,
    "reference_correlation": reference_correlation,
}
"""Measures that are computed of a row's lists."""


def covered(judged: Sequence[Judged]) -> float:
    """The share of the claims that are judged over seeds, or have their reason."""
    return sum(item.is_covered for item in judged) / len(judged)
