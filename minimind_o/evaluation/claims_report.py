"""The claims as tables to read, and their share as a recorded figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from minimind_o import figures
from minimind_o.ablations.table import RESULTS
from minimind_o.evaluation.claims import (
    MIN_SEEDS,
    Finding,
    Judged,
    Verdict,
    covered,
    judge,
    read_claims,
    runs_command,
)
from minimind_o.evaluation.statistics import Estimate
from minimind_o.evaluation.tables import NONE
from minimind_o.terminal_table import terminal_table

FIGURE = "paper_claims_covered"
COMMAND = "minimind-o claims --record"


def shown(finding: Finding) -> str:
    """What was found of a check: the number and its interval, or what to run."""
    check, estimate = finding.check, finding.estimate
    if estimate is None:
        return f"{check.what}: not run yet (`{check.command}`)"
    return f"{check.what}: {number(estimate)}, wanted {check.wanted}"


def number(estimate: Estimate) -> str:
    """A mean with its interval over seeds, or a count."""
    if estimate.n == 1:
        return f"{estimate.value:.5g}"
    return (
        f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}], "
        f"{estimate.n} seeds"
    )


def markdown(judged: Sequence[Judged], *, brief: bool = False) -> str:
    """A row a claim: place, claim, the paper's figures, ours, verdict.

    brief: of ours the numbers and where they have to lie, or the reason why not.
    """
    lines = ["| place | claim | paper | here | verdict |", "|---|---|---|---|---|"]
    for item in judged:
        if brief:
            here = [
                f"{number(f.estimate)}, wanted {f.check.wanted}"
                for f in item.findings
                if f.estimate
            ]
            here += [item.claim.reason] if not item.findings else []
        else:
            here = [shown(finding) for finding in item.findings]
            here += [item.claim.reason] if item.claim.reason else []
        cells = (
            item.claim.place,
            item.claim.what,
            item.claim.paper,
            "<br>".join(here) or NONE,
            f"**{item.verdict}**",
        )
        row = " | ".join(cell.replace("|", "\\|") for cell in cells)
        lines.append(f"| {row} |")
    return "\n".join(lines)


def text(judged: Sequence[Judged]) -> str:
    """The verdicts for a terminal, and what each kind of them comes to."""
    rows = [(item.claim.id, item.verdict, item.claim.what) for item in judged]
    table = terminal_table(("claim", "verdict", "what"), rows, max_width=60)
    parts = [table, summary(judged)]
    missing = commands(judged)
    if missing:
        parts.append("Not run yet:\n" + "\n".join(f"  {line}" for line in missing))
    return "\n\n".join(parts)


def commands(judged: Sequence[Judged]) -> list[str]:
    """The command lines of all runs that are missing, one an ablation."""
    settings: dict[str, list[str]] = {}
    for item in judged:
        for finding in item.findings:
            if finding.estimate is None:
                own = [term.setting for term in finding.check.terms]
                settings.setdefault(finding.check.table, []).extend(own)
    return [runs_command(table, own) for table, own in settings.items()]


def summary(judged: Sequence[Judged]) -> str:
    """How many claims there are, how each was judged, and with what result."""
    by_seeds = [item for item in judged if not item.claim.reason]
    counted = [item for item in judged if item.claim.reason and item.findings]
    ours = [item for item in counted if not item.claim.of_rows]
    rows = [item for item in counted if item.claim.of_rows]
    rest = len(judged) - len(by_seeds) - len(counted)
    return (
        f"{len(judged)} claims; {len(by_seeds)} judged by runs of {MIN_SEEDS} seeds: "
        f"{_listed(by_seeds)}; {len(ours)} counted here: {_listed(ours)}; {len(rows)} "
        f"looked at in the paper's rows: {_listed(rows)}; {rest} with a reason alone"
    )


def _listed(judged: Sequence[Judged]) -> str:
    counts = Counter(item.verdict for item in judged)
    return ", ".join(
        f"{counts[name]} {name}" for name in get_args(Verdict) if counts[name]
    )


def run(
    results: Path | None = None,
    *,
    record: bool = False,
    figures_file: Path = figures.FIGURES_FILE,
) -> str:
    """Judge all claims; the text to print.

    Args:
        results: the folder of the ablations' tables; None: that of the repository.
        record: write the share that is covered into `figures_file`.

    Raises:
        UserError: a table or the list of claims cannot be read.
    """
    judged = judge(read_claims(), results or RESULTS)
    if record:
        figures.record(
            FIGURE,
            covered(judged),
            command=COMMAND,
            note=summary(judged),
            path=figures_file,
        )
    return text(judged)
