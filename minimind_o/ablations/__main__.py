"""`python -m minimind_o.ablations NAME …`, or `torchrun --nproc_per_node N -m …`.

NAME is an experiment, several, or `all`, or a Python file of yours that defines
EXPERIMENT. Every process takes whole runs, on the CPU
with one thread each; on a GPU they share it. A run that has its row is not run again,
one that was interrupted starts again. The hours are printed first; `--dry-run` prints
nothing else.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import torch

from minimind_o.ablations.again import compare, comparison_table, why_not
from minimind_o.ablations.experiment import Experiment
from minimind_o.ablations.own import load_file
from minimind_o.ablations.plan import plan, plan_table
from minimind_o.ablations.recipe import SEEDS
from minimind_o.ablations.runs import Run, measure, pending, run_all, runs_of
from minimind_o.ablations.table import RESULTS, key_of, read_table, table_path
from minimind_o.ablations.workbench import Workbench
from minimind_o.assets import ENVIRONMENT_VARIABLE, Assets
from minimind_o.errors import UserError
from minimind_o.figures import REPOSITORY

NAMES = (
    "talker_rank",
    "bridge_layer",
    "talker_width",
    "voice_condition",
    "dense_moe",
    "moe_talker",
    "delay",
    "input_noise",
    "stages",
)


def load(name: str) -> Experiment:
    """The experiment of that name, or in that file.

    Raises:
        UserError: there is none.
    """
    if name.endswith(".py"):
        return load_file(Path(name), NAMES)
    if name not in NAMES:
        raise UserError(
            f"there is no experiment {name!r}; there are {', '.join(NAMES)}, or give a "
            "file that ends in .py."
        )
    experiment: Experiment = import_module(f"minimind_o.ablations.{name}").EXPERIMENT
    return experiment


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m minimind_o.ablations",
        description="Run ablations; run it again and it goes on.",
    )
    parser.add_argument(
        "names", nargs="+", metavar="NAME",
        help=f"all, or some of: {', '.join(NAMES)}; or a file with your own",
    )  # fmt: skip
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--steps", type=_positive, help="of each run")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="SETTING", help="of one experiment"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print the plan, run nothing"
    )
    parser.add_argument(
        "--again",
        action="store_true",
        help="run what has its row once more, compare, and write nothing",
    )
    parser.add_argument(
        "--results", type=Path, default=RESULTS, help="folder of the tables"
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=REPOSITORY / "runs" / "ablations",
        help="for the data, which is made once",
    )
    parser.add_argument(
        "--assets",
        metavar="FOLDER",
        help=f"the assets' folder (default: ${ENVIRONMENT_VARIABLE} or data/nano)",
    )
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not 1 or more")
    return number


def main(argv: Sequence[str] | None = None) -> int:
    """Run; 0, 1 where a row did not come out again, 2 after one sentence on stderr."""
    arguments = build_parser().parse_args(argv)
    try:
        return _run(arguments)
    except UserError as error:
        print(f"minimind_o.ablations: {error}", file=sys.stderr)
        return 2


def _run(arguments: argparse.Namespace) -> int:
    rank, world_size, device = _place()
    names = NAMES if "all" in arguments.names else tuple(dict.fromkeys(arguments.names))
    if arguments.only and len(names) > 1:
        raise UserError("--only names settings of one experiment: give one NAME.")
    runs = [
        run
        for name in names
        for run in runs_of(load(name), arguments.seeds, arguments.steps, arguments.only)
    ]
    bench = Workbench(
        assets=Assets.find(arguments.assets), work=arguments.work, device=device
    )
    if arguments.again:
        mine = [run for index, run in enumerate(runs) if index % world_size == rank]
        return _again(mine, bench, arguments)
    left = pending(runs, arguments.results)
    if rank == 0:
        print(plan_table(plan(runs, left, bench, arguments.results), world_size))
        sys.stdout.flush()
    if arguments.dry_run:
        return 0
    run_all(
        left,
        bench,
        arguments.results,
        assets=arguments.assets,
        show=lambda line: print(line, flush=True),
    )
    return 0


def _place() -> tuple[int, int, torch.device]:
    """This process among those that torchrun started, and where it computes.

    No process group is needed: the runs have nothing to say to each other.
    """
    rank = int(os.environ.get("RANK", "0"))
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if torch.cuda.is_available():
        local = int(os.environ.get("LOCAL_RANK", "0"))
        device = torch.device("cuda", local % torch.cuda.device_count())
        torch.cuda.set_device(device)
        return rank, world_size, device
    torch.set_num_threads(1)
    return rank, world_size, torch.device("cpu")


def _again(runs: Sequence[Run], bench: Workbench, arguments: argparse.Namespace) -> int:
    """Make stored rows once more; 1 where a number left its interval."""
    code = 0
    for run in runs:
        path = table_path(arguments.results, run.experiment.name)
        stored = {key_of(row): row for row in read_table(path)}.get(run.key)
        if stored is None:
            raise UserError(
                f"{path} has no row of {run.setting.name}, seed {run.seed}, "
                f"{run.steps} steps to be made again: run it first, without --again."
            )
        found = compare(stored, measure(run, bench, arguments.assets))
        print(f"{run.experiment.name} {run.setting.name}, seed {run.seed}")
        print(comparison_table(found), flush=True)
        if all(is_within for *_, is_within in found):
            continue
        code = 1
        if remark := why_not(stored):
            print(remark)
    return code


if __name__ == "__main__":
    sys.exit(main())
