"""`python -m minimind_o.training …`, or `torchrun --nproc_per_node N -m …`.

Trains one stage, by default text to speech from a language model, on one process or
many, on CPU or CUDA. `--mode` says which parts of the model learn, as in the released
recipe: T2A is `--mode t2a`, then on rows with speech `--mode audio_proj` and `--mode
all`, then on rows with pictures `--mode vision_proj` and `--mode all`, each from the
model of the one before (`--init`). Run it again with the same `--work` and it goes on
where it stopped.
"""

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from minimind_o.assets import ENVIRONMENT_VARIABLE, Assets
from minimind_o.data.encoders import MediaEncoders
from minimind_o.errors import UserError
from minimind_o.training.plan import make_plan
from minimind_o.training.processes import Processes, start_processes
from minimind_o.training.recipe import MODES, OPTIMISERS, PRECISIONS, TrainingRecipe
from minimind_o.training.stage import (
    StageData,
    StageInputs,
    prepare_stage,
    steps_of,
    train_stage,
)


def build_parser() -> argparse.ArgumentParser:
    """The command line; every recipe field is an option of the same name."""
    parser = argparse.ArgumentParser(
        prog="python -m minimind_o.training",
        description="Train one stage; run it again and it goes on.",
    )
    parser.add_argument(
        "--mode", choices=MODES, default="t2a", help="which parts learn (default: t2a)"
    )
    parser.add_argument(
        "--assets",
        help=f"of encoders, and of what is not named (default: ${ENVIRONMENT_VARIABLE} "
        "or data/nano)",
    )
    parser.add_argument(
        "--data",
        nargs="+",
        help="Parquet files, globs, or any address that fsspec reaches (default: the "
        "assets' sft_t2a)",
    )
    parser.add_argument("--validation", nargs="+", help="likewise")
    parser.add_argument("--tokenizer", type=Path, help="default: of the assets")
    parser.add_argument("--init", type=Path, help="default: llm of the assets")
    parser.add_argument(
        "--random-talker",
        action="store_true",
        help="start the Talker of a language model from random blocks, not its last",
    )
    parser.add_argument("--work", type=Path, default=Path("runs/t2a"))
    parser.add_argument("--out", type=Path, default=None, help="default: WORK/model")
    parser.add_argument("--max-positions", type=int, default=2048)
    parser.add_argument(
        "--batch-size", type=int, default=0, help="rows, in place of --max-positions"
    )
    parser.add_argument(
        "--epochs", type=float, default=None, help="in place of --num-steps"
    )
    parser.add_argument("--max-length", type=int, default=320)
    parser.add_argument("--code-noise", type=float, default=0.05)
    parser.add_argument("--bad-rows", choices=["fatal", "skip"], default="fatal")
    parser.add_argument("--snapshot-every", type=int, default=0)
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the plan, measured on a few steps, and write nothing",
    )
    defaults = TrainingRecipe(stage="t2a", guidance_weight=0.5)
    for field in dataclasses.fields(TrainingRecipe):
        value = getattr(defaults, field.name)
        option = "--" + field.name.replace("_", "-")
        if isinstance(value, bool):
            parser.add_argument(option, action="store_true")
        elif isinstance(value, str | int | float):
            choices = {"precision": PRECISIONS, "optimiser": OPTIMISERS}.get(field.name)
            parser.add_argument(
                option, type=type(value), default=value, choices=choices
            )
    return parser


def _run(arguments: argparse.Namespace, processes: Processes) -> str:
    """Train, or plan; returns what is to be printed."""
    names = {field.name for field in dataclasses.fields(TrainingRecipe)}
    given = {k: v for k, v in vars(arguments).items() if k in names}
    recipe = TrainingRecipe(**given, learning=MODES[arguments.mode])
    assets = Assets.find(arguments.assets)
    rows = assets.path("sft_t2a")
    data = StageData(
        train=arguments.data or [rows / "train.parquet"],
        validation=arguments.validation or [rows / "validation.parquet"],
        max_positions=arguments.max_positions,
        batch_size=arguments.batch_size,
        max_length=arguments.max_length,
        code_noise=arguments.code_noise,
        bad_rows=arguments.bad_rows,
        seed=recipe.seed,
    )
    if arguments.epochs is not None:
        steps = steps_of(
            arguments.epochs, data, recipe.accumulate, processes.world_size
        )
        recipe = dataclasses.replace(recipe, num_steps=steps)
    inputs = StageInputs(
        tokenizer_directory=arguments.tokenizer or assets.tokenizer,
        init=arguments.init or assets.llm,
        warm_start=not arguments.random_talker,
        encoders=MediaEncoders(
            assets.path("sensevoice"),
            assets.path("siglip2"),
            str(processes.device),
        ),
    )
    work = arguments.work
    if arguments.dry_run:
        return make_plan(*prepare_stage(recipe, data, inputs, work, processes)).table()
    figures = train_stage(
        recipe,
        data,
        inputs,
        work=work,
        out=arguments.out or work / "model",
        processes=processes,
        snapshot_every=arguments.snapshot_every,
    )
    return json.dumps({k: round(v, 4) for k, v in figures.items()})


def main(argv: Sequence[str] | None = None) -> int:
    """Train; 0, or 2 after one sentence on stderr."""
    arguments = build_parser().parse_args(argv)
    processes = start_processes()
    try:
        outcome = _run(arguments, processes)
    except UserError as error:
        if processes.is_first_here:
            print(f"minimind_o.training: {error}", file=sys.stderr)
        return 2
    finally:
        processes.close()
    if processes.is_main:
        print(outcome)
    return 0


if __name__ == "__main__":
    sys.exit(main())
