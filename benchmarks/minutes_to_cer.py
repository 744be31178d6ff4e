"""How long training takes until the answers are well spoken.

    python benchmarks/minutes_to_cer.py runs/nano/omni [--limit 0.10] [--record]

Evaluates the snapshots `step_N` that a training left in its work folder, in order, on
the test split's facts, until the consistency CER is at the limit; the minutes come from
the training's own metrics.
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
    parser.add_argument("--num", type=int, default=200, help="prompts")
    parser.add_argument("--assets", default=None, metavar="FOLDER")
    parser.add_argument("--record", action="store_true", help="write figures.json")
    arguments = parser.parse_args()
    assets = Assets.find(arguments.assets)
    minutes = minutes_of_steps(arguments.work / "metrics.jsonl")
    command = "python benchmarks/minutes_to_cer.py " + shlex.join(sys.argv[1:])
    snapshots = sorted(
        arguments.work.glob("step_*"), key=lambda folder: int(folder.name[5:])
    )
    reached, note = None, "no snapshot reached the limit"
    for snapshot in snapshots:
        step = int(snapshot.name[5:])
        options = ConsistencyRun(
            model=snapshot,
            data=assets.sft_t2a / "test.parquet",
            out=arguments.work / "evaluated" / snapshot.name,
            num=arguments.num,
            kinds=("fact",),
        )
        result = run(options, assets, show=lambda _: None)
        summary = summarise([item.hearing for item in result.items])
        assert summary is not None
        cer = summary.cer.value
        print(f"step {step}: {minutes[step]:.1f} minutes, CER {cer:.4f}", flush=True)
        if cer <= arguments.limit:
            reached = minutes[step]
            note = f"step {step}, CER {cer:.4f}; only snapshots were looked at"
            break
    if arguments.record:
        figures.record("minutes_to_cer10", reached, command=command, note=note)


def minutes_of_steps(metrics: Path) -> dict[int, float]:
    """Minutes of training at every logged step."""
    rows = [json.loads(line) for line in metrics.read_text().splitlines()]
    return {row["step"]: row["minutes"] for row in rows}


if __name__ == "__main__":
    main()
