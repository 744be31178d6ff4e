"""`minimind-o evaluate …`: the suites from the command line."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from minimind_o.assets import ENVIRONMENT_VARIABLE, Assets

SUITES = ("consistency",)


def main(argv: Sequence[str]) -> None:
    """Run one suite.

    Raises:
        UserError: bad files, or more prompts asked for than there are.
    """
    arguments = build_parser().parse_args(argv)
    # torch and funasr load only once the arguments are known to be right.
    from minimind_o.evaluation.cases import KINDS
    from minimind_o.evaluation.consistency import ConsistencyRun, run

    assets = Assets.find(arguments.assets)
    options = ConsistencyRun(
        model=arguments.model or assets.omni,
        data=arguments.data or assets.sft_t2a / "test.parquet",
        out=arguments.out,
        num=arguments.num,
        kinds=(arguments.kind,) if arguments.kind else KINDS,
        seed=arguments.seed,
        batch_size=arguments.batch_size,
        device=arguments.device,
    )
    command = f"minimind-o evaluate {shlex.join(argv)}"
    run(options, assets, record_command=command if arguments.record else None)


def build_parser() -> argparse.ArgumentParser:
    """The arguments of `minimind-o evaluate`."""
    parser = argparse.ArgumentParser(
        prog="minimind-o evaluate",
        description="Measure how well the model says what it writes.",
    )
    parser.add_argument("--suite", choices=SUITES, default="consistency")
    parser.add_argument(
        "--model", type=Path, metavar="FOLDER", help="default: omni of the assets"
    )
    parser.add_argument(
        "--data", type=Path, metavar="PARQUET", help="default: the assets' test split"
    )
    parser.add_argument(
        "--num", type=_positive, default=200, help="prompts of each kind"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/consistency"), metavar="FOLDER"
    )
    parser.add_argument(
        "--kind", choices=("fact", "read_aloud"), help="default: both kinds"
    )
    parser.add_argument("--seed", type=int, default=0, help="prompts and sampling")
    parser.add_argument("--batch-size", type=_positive, default=32)
    parser.add_argument("--device", default="cpu", help="where the model runs")
    parser.add_argument(
        "--record", action="store_true", help="write data/results/figures.json"
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
