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

from minimind_o.assets import NANO_ROOT
from minimind_o.data.encoders import MediaEncoders
from minimind_o.errors import UserError
from minimind_o.training.processes import Processes, start_processes
from minimind_o.training.recipe import MODES, OPTIMISERS, PRECISIONS, TrainingRecipe
from minimind_o.training.stage import StageData, train_stage


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
        "--assets", type=Path, default=NANO_ROOT, help="of the frozen encoders"
    )
    data = NANO_ROOT / "sft_t2a"
    parser.add_argument(
        "--data", nargs="+", type=Path, default=[data / "train.parquet"]
    )
    parser.add_argument(
        "--validation", nargs="+", type=Path, default=[data / "validation.parquet"]
    )
    parser.add_argument("--tokenizer", type=Path, default=NANO_ROOT / "tokenizer")
    parser.add_argument("--init", type=Path, default=NANO_ROOT / "llm")
    parser.add_argument("--work", type=Path, default=Path("runs/t2a"))
    parser.add_argument("--out", type=Path, default=None, help="default: WORK/model")
    parser.add_argument("--max-positions", type=int, default=2048)
    parser.add_argument("--max-length", type=int, default=320)
    parser.add_argument("--code-noise", type=float, default=0.05)
    parser.add_argument("--bad-rows", choices=["fatal", "skip"], default="fatal")
    parser.add_argument("--snapshot-every", type=int, default=0)
    defaults = TrainingRecipe(stage="t2a", guidance_weight=0.5)
    for field in dataclasses.fields(TrainingRecipe):
        value = getattr(defaults, field.name)
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            option = "--" + field.name.replace("_", "-")
            choices = {"precision": PRECISIONS, "optimiser": OPTIMISERS}.get(field.name)
            parser.add_argument(
                option, type=type(value), default=value, choices=choices
            )
    return parser


def _train(arguments: argparse.Namespace, processes: Processes) -> dict[str, float]:
    names = {field.name for field in dataclasses.fields(TrainingRecipe)}
    given = {k: v for k, v in vars(arguments).items() if k in names}
    recipe = TrainingRecipe(**given, learning=MODES[arguments.mode])
    data = StageData(
        train=arguments.data,
        validation=arguments.validation,
        max_positions=arguments.max_positions,
        max_length=arguments.max_length,
        code_noise=arguments.code_noise,
        bad_rows=arguments.bad_rows,
        seed=recipe.seed,
    )
    return train_stage(
        recipe,
        data,
        tokenizer_directory=arguments.tokenizer,
        init=arguments.init,
        work=arguments.work,
        out=arguments.out or arguments.work / "model",
        processes=processes,
        encoders=MediaEncoders(
            arguments.assets / "sensevoice",
            arguments.assets / "siglip2",
            str(processes.device),
        ),
        snapshot_every=arguments.snapshot_every,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Train; 0, or 2 after one sentence on stderr."""
    arguments = build_parser().parse_args(argv)
    processes = start_processes()
    try:
        figures = _train(arguments, processes)
    except UserError as error:
        if processes.is_first_here:
            print(f"minimind_o.training: {error}", file=sys.stderr)
        return 2
    finally:
        processes.close()
    if processes.is_main:
        print(json.dumps({k: round(v, 4) for k, v in figures.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
