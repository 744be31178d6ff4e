"""How long all notebooks take, each by itself and in any order, under strict nbval.

    python benchmarks/nbval_all.py --record [--at-once 2]

Every notebook is its own pytest, in an order drawn anew by --seed, and none may fail:
then there is no figure, and the exit code is 1. On an idle machine.
"""

import argparse
import os
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from minimind_o import figures

FIGURE = "minutes_nbval_all"
FOLDER = figures.REPOSITORY / "notebooks"


def check(path: Path) -> tuple[str, float, str]:
    """Name, minutes, and what pytest printed where the notebook fails."""
    began = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-q", "--nbval", "--nbval-current-env"]
    command += ["--nbval-cell-timeout=600", "-p", "no:cacheprovider", str(path)]
    done = subprocess.run(
        command, cwd=figures.REPOSITORY, capture_output=True, text=True, check=False
    )
    said = "" if done.returncode == 0 else done.stdout + done.stderr
    return path.stem, (time.monotonic() - began) / 60, said


def main() -> int:
    """Run them all; 1 where one fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--at-once", type=int, default=2, help="notebooks at a time")
    parser.add_argument("--seed", type=int, default=0, help="another gives an order")
    parser.add_argument("--record", action="store_true")
    arguments = parser.parse_args()
    paths = sorted([*FOLDER.glob("*.ipynb"), *FOLDER.glob("solutions/*.ipynb")])
    random.Random(arguments.seed).shuffle(paths)
    os.environ["OMP_NUM_THREADS"] = str(
        max(1, len(os.sched_getaffinity(0)) // arguments.at_once)
    )
    began = time.monotonic()
    failed, longest = [], ("", 0.0)
    with ThreadPoolExecutor(arguments.at_once) as pool:
        for name, minutes, said in pool.map(check, paths):
            print(f"{name}: {minutes:.1f} minutes{', FAILED' if said else ''}")
            print(said, end="", flush=True)
            failed += [name] if said else []
            longest = max(longest, (name, minutes), key=lambda pair: pair[1])
    total = (time.monotonic() - began) / 60
    print(f"{len(paths)} notebooks, {total:.1f} minutes, {len(failed)} failed")
    if failed:
        return 1
    if arguments.record:
        figures.record(
            FIGURE,
            total,
            command=f"python benchmarks/nbval_all.py --record "
            f"--at-once {arguments.at_once} --seed {arguments.seed}",
            note=f"{len(paths)} notebooks, {arguments.at_once} at a time; the longest, "
            f"{longest[0]}, {longest[1]:.1f}",
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
