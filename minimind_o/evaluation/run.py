"""`minimind-o evaluate …`: the suites from the command line."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from minimind_o.assets import ENVIRONMENT_VARIABLE, Assets
from minimind_o.config import WEIGHT_PRECISIONS

SUITES = ("consistency", "voices")
SETS = ("sft_t2a", "sft_a2a", "sft_i2t")


def main(argv: Sequence[str]) -> None:
    """Run one suite.

    Raises:
        UserError: bad files, or more prompts asked for than there are.
    """
    arguments = build_parser().parse_args(argv)
    assets = Assets.find(arguments.assets)
    command = f"minimind-o evaluate {shlex.join(argv)}"
    recorded = command if arguments.record else None
    # torch and funasr load only once the arguments are known to be right.
    if arguments.suite == "voices":
        from minimind_o.evaluation import voices

        voices.run(
            arguments.model or assets.omni,
            assets,
            num=arguments.num,
            seed=arguments.seed,
            record_command=recorded,
        )
        return
    from minimind_o.evaluation.consistency import ConsistencyRun, run

    options = ConsistencyRun(
        model=arguments.model or assets.omni,
        data=arguments.data or assets.checked(arguments.set) / "test.parquet",
        out=arguments.out,
        num=arguments.num,
        kinds=(arguments.kind,) if arguments.kind else (),
        seed=arguments.seed,
        batch_size=arguments.batch_size,
        device=arguments.device,
        precision=arguments.precision,
    )
    run(options, assets, record_command=recorded)


def build_parser() -> argparse.ArgumentParser:
    """The arguments of `minimind-o evaluate`."""
    parser = argparse.ArgumentParser(
        prog="minimind-o evaluate",
        description="Measure how well the model says what it writes.",
    )
    parser.add_argument("--suite", choices=SUITES, default="consistency")
    parser.add_argument(
        "--model", type=Path, metavar="MODEL", help="default: omni of the assets"
    )
    parser.add_argument(
        "--set", choices=SETS, default=SETS[0], help="whose test split to ask"
    )
    parser.add_argument(
        "--data", type=Path, metavar="PARQUET", help="a file of your own instead"
    )
    parser.add_argument(
        "--num",
        type=_positive,
        default=200,
        help="prompts of each kind, or for each voice",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/consistency"), metavar="FOLDER"
    )
    parser.add_argument(
        "--kind",
        choices=("fact", "read_aloud", "spoken", "picture"),
        help="default: all kinds that there are",
    )
    parser.add_argument("--seed", type=int, default=0, help="prompts and sampling")
    parser.add_argument("--batch-size", type=_positive, default=32)
    parser.add_argument("--device", default="cpu", help="where the model runs")
    parser.add_argument(
        "--precision",
        choices=WEIGHT_PRECISIONS,
        default="fp32",
        help="of the model's weights (default: fp32)",
    )
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
