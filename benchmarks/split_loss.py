"""Train the same rows split in four ways and see how far the outcomes are apart.

    python benchmarks/split_loss.py --record

32 rows of different lengths are one step: as one batch, on two processes, on four, and
on one in four batches, in fp32, from the nano language model. What is compared after
twenty steps are the losses of every step and all weights; the figure is the largest
relative difference of a loss, or of a weight matrix by its norm.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import torch

from minimind_o import figures
from minimind_o.assets import Assets

ROWS, STEPS = 32, 20
SPLITS = {
    "1 x 32": (1, 1),
    "2 x 16": (2, 1),
    "4 x 8": (4, 1),
    "1 x 8, four batches a step": (1, 4),
}
"""Processes, and batches of each in a step."""
LOSSES = ("text_loss", "audio_loss", "guidance_loss")


def train(work: Path, data: Path, processes: int, accumulate: int) -> None:
    """One training of its own."""
    launch = [sys.executable, "-m"]
    if processes > 1:
        launch += ["torch.distributed.run", "--standalone"]
        launch += [f"--nproc_per_node={processes}", "-m"]
    options = {
        "--data": data,
        "--validation": data,
        "--work": work,
        "--batch-size": ROWS // processes // accumulate,
        "--accumulate": accumulate,
        "--num-steps": STEPS,
        "--warmup-steps": 5,
        "--log-every": 1,
        "--validate-every": 10 * STEPS,
        "--precision": "fp32",
    }
    words = [str(word) for option in options.items() for word in option]
    subprocess.run(
        [*launch, "minimind_o.training", *words],
        check=True, capture_output=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def outcome(work: Path) -> tuple[dict[str, list[float]], dict[str, torch.Tensor]]:
    """The losses of every step, and the weights."""
    rows = map(json.loads, (work / "metrics.jsonl").read_text().splitlines())
    steps = [row for row in rows if row["split"] == "train"]
    state = torch.load(work / "checkpoint.pt", weights_only=True)
    return {name: [row[name] for row in steps] for name in LOSSES}, state["model"]


def main() -> None:
    """Train four times and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("runs/split_loss"))
    parser.add_argument("--record", action="store_true")
    arguments = parser.parse_args()
    shutil.rmtree(arguments.work, ignore_errors=True)
    arguments.work.mkdir(parents=True)
    data = arguments.work / "rows.parquet"
    source = Assets.find().sft_t2a / "validation.parquet"
    pq.write_table(pq.read_table(source).slice(0, ROWS), data)
    outcomes = {}
    for name, (processes, accumulate) in SPLITS.items():
        work = arguments.work / f"{processes}_{accumulate}"
        train(work, data, processes, accumulate)
        outcomes[name] = outcome(work)
    (wanted_losses, wanted_weights), *_ = outcomes.values()
    largest = 0.0
    for name, (losses, weights) in outcomes.items():
        loss_error = max(
            abs(a - b) / b
            for kind in LOSSES
            for a, b in zip(losses[kind], wanted_losses[kind], strict=True)
        )
        weight_error = max(
            float((weights[key] - value).norm() / value.norm().clamp(min=1e-12))
            for key, value in wanted_weights.items()
        )
        largest = max(largest, loss_error, weight_error)
        print(f"{name}: losses {loss_error:.1e}, weights {weight_error:.1e}")
    if arguments.record:
        figures.record(
            "split_loss_rel_error",
            largest,
            command="python benchmarks/split_loss.py --record",
            note=f"{', '.join(SPLITS)}; {STEPS} steps, fp32, losses as logged",
        )


if __name__ == "__main__":
    main()
