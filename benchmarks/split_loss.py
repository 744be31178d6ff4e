"""Train the same rows split in four ways and see how far the outcomes are apart.

    python benchmarks/split_loss.py --record

32 rows of different lengths are one step: as one batch, on two processes, on four, and
on one in four batches, in fp32, from the nano language model. What is compared after
twenty steps are the loss of every step and all weights; the figure is the largest
relative difference of a loss, or of a weight matrix by its norm. The parts of the loss
are shown beside it: the text's is near 0, and what is near 0 differs more.
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
PARTS = ("text_loss", "audio_loss", "guidance_loss")


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
    """The loss of every step and its parts, and the weights."""
    rows = map(json.loads, (work / "metrics.jsonl").read_text().splitlines())
    steps = [row for row in rows if row["split"] == "train"]
    state = torch.load(work / "checkpoint.pt", weights_only=True)
    losses = {name: [row[name] for row in steps] for name in ("loss", *PARTS)}
    return losses, state["model"]


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
    largest = parts = 0.0
    for name, (losses, weights) in outcomes.items():
        errors = {
            kind: max(
                abs(a - b) / b
                for a, b in zip(losses[kind], wanted_losses[kind], strict=True)
            )
            for kind in losses
        }
        weight_error = max(
            float((weights[key] - value).norm() / value.norm().clamp(min=1e-12))
            for key, value in wanted_weights.items()
        )
        largest = max(largest, errors["loss"], weight_error)
        parts = max(parts, *(errors[part] for part in PARTS))
        shown = ", ".join(f"{kind} {error:.1e}" for kind, error in errors.items())
        print(f"{name}: {shown}, weights {weight_error:.1e}", flush=True)
    if arguments.record:
        figures.record(
            "split_loss_rel_error",
            largest,
            command="python benchmarks/split_loss.py --record",
            note=f"{', '.join(SPLITS)}; {STEPS} steps, fp32; of a part {parts:.1e}",
        )


if __name__ == "__main__":
    main()
