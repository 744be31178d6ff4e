"""`python -m tests.fuzz`, or `make fuzz`: 100,000 damaged inputs into every reader.

`--record` keeps a line for each reader in data/results/fuzz.json, and readers may be
run on different days: `make fuzz ARGS="audio image"`. The figure is the least of all
of them, once all are there.

What a reader does not survive is saved under runs/fuzz, with a line that reads it
again: `python -m tests.fuzz --replay runs/fuzz/audio-17-hang`.
"""

import argparse
import datetime
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm.auto import tqdm

from minimind_o import figures
from minimind_o.written_aside import file_written_aside
from tests.fuzz.campaign import Campaign, Limits, Outcome, save_finding, try_alone
from tests.fuzz.readers import READERS

FIGURE = "fuzz_inputs_per_reader"
FOLDER = figures.REPOSITORY / "runs" / "fuzz"
TABLE = figures.REPOSITORY / "data" / "results" / "fuzz.json"


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("readers", nargs="*", metavar="READER", default=[],
                        help=f"of {', '.join(READERS)} (default: all)")  # fmt: skip
    parser.add_argument("--inputs", type=int, default=100_000, help="for each reader")
    parser.add_argument("--seed", type=int, default=0, help="another gives others")
    parser.add_argument("--seconds", type=float, help="most for each reader")
    parser.add_argument("--seconds-per-input", type=float, default=5.0)
    parser.add_argument("--processes", type=int, help="at once (default: cores)")
    parser.add_argument("--out", type=Path, default=FOLDER, help="for what was found")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="read it again")
    parser.add_argument("--record", action="store_true",
                        help=f"keep what was found, write {FIGURE}")  # fmt: skip
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """0 where every reader survived everything, otherwise 1."""
    arguments = build_parser().parse_args(argv)
    unknown = set(arguments.readers) - set(READERS)
    if unknown:
        print(f"no reader is called {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    if arguments.replay is not None:
        return replay(arguments.replay)
    limits = Limits(seconds=arguments.seconds_per_input)
    num_findings = 0
    logging.disable(logging.CRITICAL)
    for name in arguments.readers or READERS:
        campaign = Campaign(
            name,
            arguments.inputs,
            seed=arguments.seed,
            num_processes=arguments.processes,
            limits=limits,
            seconds=arguments.seconds,
        )
        with tqdm(total=arguments.inputs, desc=name, unit="input") as bar:
            outcome = campaign.run(bar.update)
        num_findings += len(outcome.findings)
        rate = outcome.inputs / outcome.seconds
        print(f"{name}: {outcome.inputs:,} inputs, {rate:.0f} a second, "
              f"{len(outcome.findings)} findings", flush=True)  # fmt: skip
        for finding in outcome.findings:
            data = READERS[name].input(name, arguments.seed, finding.number)
            file = save_finding(finding, data, arguments.out)
            print(f"  {finding.kind}: {finding.text.strip().splitlines()[-1][:200]}")
            print(f"    python -m tests.fuzz --replay {file}", flush=True)
        if arguments.record:
            record(name, outcome, arguments.seed)
    return 1 if num_findings else 0


def record(
    name: str,
    outcome: Outcome,
    seed: int,
    table: Path = TABLE,
    figures_file: Path = figures.FIGURES_FILE,
) -> None:
    """Put a reader's line in place of its earlier one; the figure, when all are there.

    A line of fewer inputs than the earlier one, without findings both, changes nothing.
    """
    lines = json.loads(table.read_text()) if table.exists() else {}
    line = {
        "inputs": outcome.inputs,
        "survived": outcome.survived,
        "findings": len(outcome.findings),
        "seed": seed,
        "minutes": round(outcome.seconds / 60, 1),
        "commit": figures.current_commit(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
    before = lines.get(name)
    if before and not (before["findings"] or line["findings"]):
        line = max(before, line, key=lambda one: one["inputs"])
    lines[name] = line
    with file_written_aside(table) as aside:
        aside.write_text(json.dumps(dict(sorted(lines.items())), indent=1) + "\n")
    if set(READERS) <= set(lines):
        known = [lines[reader] for reader in READERS]
        figures.record(
            FIGURE,
            min(one["survived"] for one in known),
            command="make fuzz",
            note=f"{len(known)} readers, {sum(one['minutes'] for one in known):.0f} "
            f"minutes, {sum(one['findings'] for one in known)} findings; by reader in "
            "data/results/fuzz.json",
            path=figures_file,
        )


def replay(file: Path) -> int:
    """Read a saved input once more; its name begins with the reader's."""
    name = file.name.split("-")[0]
    found = try_alone(READERS[name], file.read_bytes())
    print(f"{found.kind}\n{found.text}" if found else f"{name} survives {file}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
