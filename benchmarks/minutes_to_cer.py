"""How long training takes until the answers are well spoken.

    python benchmarks/minutes_to_cer.py runs/nano/omni [--limit 0.10] [--record]

Evaluates what the stages of a training left in its work folder, their snapshots
`step_N` and in the end their `model`, in order, on the test split's facts, until the
consistency CER is at the limit; the minutes come from the stages' own metrics.
"""

import argparse
import json
import shlex
import sys
from pathlib import Path

from minimind_o import figures
from minimind_o.assets import Assets
from minimind_o.evaluation.consistency import ConsistencyRun, run
from minimind_o.evaluation.hearing import summarise


def main() -> None:
    """Walk the snapshots, print a line for each, record where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path, help="the training's work folder")
    parser.add_argument("--limit", type=float, default=0.10)
    parser.add_argument(
        "--after", type=float, default=0.0, metavar="MINUTES", help="skip earlier ones"
    )
    parser.add_argument("--num", type=int, default=200, help="prompts")
    parser.add_argument("--assets", default=None, metavar="FOLDER")
    parser.add_argument("--record", action="store_true", help="write figures.json")
    arguments = parser.parse_args()
    assets = Assets.find(arguments.assets)
    snapshots = minutes_of_snapshots(arguments.work)
    command = "python benchmarks/minutes_to_cer.py " + shlex.join(sys.argv[1:])
    reached, note = None, "no snapshot reached the limit"
    for snapshot, minutes in snapshots.items():
        if minutes < arguments.after:
            continue
        name = f"{snapshot.parent.name}/{snapshot.name}"
        options = ConsistencyRun(
            model=snapshot,
            data=assets.sft_t2a / "test.parquet",
            out=arguments.work / "evaluated" / name,
            num=arguments.num,
            kinds=("fact",),
        )
        result = run(options, assets, show=lambda _: None)
        summary = summarise([item.hearing for item in result.items])
        assert summary is not None
        cer = summary.cer.value
        print(f"{name}: {minutes:.1f} minutes, CER {cer:.4f}", flush=True)
        if cer <= arguments.limit:
            reached = minutes
            note = f"{name}, CER {cer:.4f}; only snapshots were looked at"
            break
    if arguments.record:
        figures.record("minutes_to_cer10", reached, command=command, note=note)


def minutes_of_snapshots(work: Path) -> dict[Path, float]:
    """What every stage left, in order, and the minutes of training until then."""
    found: dict[Path, float] = {}
    before = 0.0
    for metrics in sorted(work.glob("*/metrics.jsonl")):
        rows = [json.loads(line) for line in metrics.read_text().splitlines()]
        minutes = {row["step"]: row["minutes"] for row in rows}
        steps = (int(path.name[5:]) for path in metrics.parent.glob("step_*"))
        for step in sorted(steps):
            found[metrics.parent / f"step_{step}"] = before + minutes[step]
        before += rows[-1]["minutes"]
        if (metrics.parent / "model").is_dir():
            found[metrics.parent / "model"] = before
    return found


if __name__ == "__main__":
    main()
