"""Kill a training at random moments and see whether it comes back identical.

    python benchmarks/kill_resume.py --record

A nano training runs once undisturbed and once killed (SIGKILL) at random moments; twice
the checkpoint is torn in half after the kill. A kill counts as survived where every
loss logged from there to the next kill is the undisturbed run's to the bit; in the end
the weights and the optimiser's state must be, too.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import torch

from minimind_o import figures
from minimind_o.assets import Assets
from minimind_o.training.checkpoint import previous

SAVE_EVERY = 4
STEPS_A_KILL = 3


def command(work: Path, num_steps: int, num_processes: int) -> list[str]:
    """The training, logging every step."""
    assets = Assets.find()
    launch = [sys.executable, "-m"]
    if num_processes > 1:
        launch += ["torch.distributed.run", "--standalone"]
        launch += [f"--nproc_per_node={num_processes}", "-m"]
    options = {
        "--data": assets.sft_t2a / "validation.parquet",
        "--validation": assets.sft_t2a / "validation.parquet",
        "--work": work,
        "--max-positions": 256,
        "--num-steps": num_steps,
        "--save-every": SAVE_EVERY,
        "--validate-every": 10 * num_steps,
        "--log-every": 1,
        "--optimiser": "muon",
    }
    words = [str(word) for option in options.items() for word in option]
    return [*launch, "minimind_o.training", *words]


def losses(work: Path) -> dict[int, dict[str, float]]:
    """What was logged, by step, without the minutes; torn lines are passed over."""
    found = {}
    file = work / "metrics.jsonl"
    for line in file.read_text().splitlines() if file.is_file() else ():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if row["split"] == "train":
            del row["minutes"]
            found[row["step"]] = row
    return found


def kill_after(work: Path, step: int, wait: float, started: list[str]) -> None:
    """Start, and end without warning a moment after a step was logged."""
    process = subprocess.Popen(
        started, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    while max(losses(work), default=0) < step:
        if process.poll() is not None:
            assert process.stderr is not None
            raise SystemExit(f"the training ended: {process.stderr.read().decode()}")
        time.sleep(0.02)
    time.sleep(wait)
    parent = psutil.Process(process.pid)
    for member in [parent, *parent.children(recursive=True)]:  # torchrun's, too
        member.kill()
    process.wait()


def tear(checkpoint: Path) -> bool:
    """Cut the file in half, as a disk that was full would; not without a spare."""
    if not previous(checkpoint).is_file():
        return False
    checkpoint.write_bytes(checkpoint.read_bytes()[: checkpoint.stat().st_size // 2])
    return True


def same(one: object, other: object) -> bool:
    """Equal to the bit, however nested."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def main() -> None:
    """Run both trainings and print what came back."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--tears", type=int, default=2)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("runs/kill_resume"))
    parser.add_argument("--record", action="store_true")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    num_steps = STEPS_A_KILL * arguments.kills + SAVE_EVERY
    shutil.rmtree(arguments.work, ignore_errors=True)
    whole, killed = arguments.work / "whole", arguments.work / "killed"
    started = {w: command(w, num_steps, arguments.processes) for w in (whole, killed)}
    subprocess.run(started[whole], check=True, capture_output=True)
    wanted = losses(whole)
    torn_after = set(rng.sample(range(2, arguments.kills), arguments.tears))
    survived = torn = 0
    for kill in range(arguments.kills):
        step = max(1, STEPS_A_KILL * kill + rng.randint(0, 2))
        kill_after(killed, step, rng.uniform(0, 0.5), started[killed])
        known = losses(killed)
        is_same = all(wanted[number] == row for number, row in known.items())
        survived += is_same
        how = "identical" if is_same else "DIFFERENT"
        if kill in torn_after and tear(killed / "checkpoint.pt"):
            torn += 1
            how += ", then its checkpoint torn"
        print(f"kill {kill + 1} at step {max(known)} of {num_steps}: {how}", flush=True)
    subprocess.run(started[killed], check=True, capture_output=True)
    states = [
        torch.load(work / "checkpoint.pt", weights_only=True)
        for work in (whole, killed)
    ]
    ends = all(
        same(states[0][name], states[1][name])
        for name in ("model", "optimiser", "positions", "random", "step")
    )
    ends = ends and losses(killed) == wanted
    print(f"weights, optimiser, chance and all losses identical: {ends}")
    if not ends:
        survived = 0
    print(f"{survived} of {arguments.kills} kills came back identical ({torn} torn)")
    if arguments.record:
        figures.record(
            "kill_resume_identical",
            survived,
            command=f"python benchmarks/kill_resume.py --kills {arguments.kills} "
            f"--processes {arguments.processes} --record",
            note=f"of {arguments.kills} kills at random moments, {torn} of them with a "
            f"torn checkpoint; {arguments.processes} process(es)",
        )


if __name__ == "__main__":
    main()
