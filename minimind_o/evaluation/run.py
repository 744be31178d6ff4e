"""`minimind-o evaluate …`: the suites from the command line."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from minimind_o.assets import ENVIRONMENT_VARIABLE, Assets
from minimind_o.config import WEIGHT_PRECISIONS
from minimind_o.errors import UserError

SUITES = ("consistency", "voices", "vision")
SETS = ("sft_t2a", "sft_a2a", "sft_i2t")
DEFAULT_NUM = {"consistency": 200, "voices": 20, "vision": 200}

DESCRIPTION = """\
Ask a model questions, listen to its answers, and measure them. Three suites:

  consistency  Does it say what it writes? A transcriber listens to each answer;
               character and word error rates (CER, WER) by language and by length.
  voices       Does it sound like the voice prompt? Cosines of speaker vectors,
               voice by voice.
  vision       Does it describe what is in a picture? Its words against a reference
               description of equal length, and the attributes that it names.

Every figure has a 95 % interval, and beside it what the same instruments make of the
data's own speech. Each suite writes SUITE.parquet (a row an answer) and Markdown pages
into --out.
"""
EXAMPLES = """\
examples:
  minimind-o evaluate --num 20
      a first look at the embedded model: 20 questions, 20 texts to read aloud
  minimind-o evaluate --set sft_a2a --kind spoken --num 100
      spoken questions
  minimind-o evaluate --suite all --model runs/mine/model --out runs/mine/evaluation
      everything, for a model of your own
  minimind-o evaluate --transcriber SenseVoiceSmall
      another pair of ears: a SenseVoice folder in funasr's format
  minimind-o evaluate --transcriber my_module:listen
      or a function of yours: listen(waves, sample_rate) gives a text for each wave
"""


def main(argv: Sequence[str]) -> None:
    """Run one suite, or all of them.

    Raises:
        UserError: bad files, or more prompts asked for than there are.
    """
    arguments = build_parser().parse_args(argv)
    suites = SUITES if arguments.suite == "all" else (arguments.suite,)
    if arguments.data and len(suites) > 1:
        raise UserError(
            "--data holds the prompts of one suite: name it with --suite "
            f"{' or '.join(SUITES)}"
        )
    command = f"minimind-o evaluate {shlex.join(argv)}"
    _run(arguments, suites, Assets.find(arguments.assets), command)


def _run(
    arguments: argparse.Namespace, suites: Sequence[str], assets: Assets, command: str
) -> None:
    # torch and funasr load only once the arguments are known to be right.
    from minimind_o.evaluation import consistency, vision, voices
    from minimind_o.evaluation.record import check_recordable
    from minimind_o.evaluation.tables import Provenance
    from minimind_o.evaluation.transcribe import named_transcriber

    def options(suite: str, data_set: str) -> dict[str, Any]:
        return {
            "model": arguments.model or assets.omni,
            "data": arguments.data or held_out_rows(assets, data_set),
            "out": arguments.out,
            "num": arguments.num or DEFAULT_NUM[suite],
            "seed": arguments.seed,
            "batch_size": arguments.batch_size,
            "device": arguments.device,
            "precision": arguments.precision,
        }

    runs: dict[str, Any] = {}
    for suite in suites:
        if suite == "voices":
            runs[suite] = voices.VoicesRun(**options(suite, "sft_t2a"))
            continue
        is_vision = suite == "vision"
        kind: Any = "picture" if is_vision else arguments.kind
        runs[suite] = consistency.ConsistencyRun(
            **options(suite, "sft_i2t" if is_vision else arguments.set),
            kinds=(kind,) if kind else (),
        )
    modules = {"consistency": consistency, "voices": voices, "vision": vision}
    if arguments.record:
        # Before the first suite runs for an hour.
        for suite in suites:
            check_recordable(runs[suite].num, modules[suite].MIN_RECORDED)
    provenance = Provenance(
        model=str(arguments.model or "omni of the assets"),
        transcriber=arguments.transcriber,
        seed=arguments.seed,
        command=command,
    )
    recorded = command if arguments.record else None
    for suite in suites:
        extra: dict[str, Any] = {"provenance": replace(provenance, transcriber="none")}
        if suite != "voices":
            listener = named_transcriber(arguments.transcriber, assets)
            extra = {"provenance": provenance, "transcriber": listener}
        modules[suite].run(runs[suite], assets, record_command=recorded, **extra)


def held_out_rows(assets: Assets, data_set: str) -> Path:
    """The rows of a set that nothing was trained on.

    Raises:
        UserError: the set is missing, or it is a released file that was never split.
    """
    file = assets.checked(data_set) / "test.parquet"
    if not file.is_file():
        released = file.with_name(assets.files(data_set)[0])
        raise UserError(
            f"{file} is missing: make it with 'minimind-o data split {released} "
            f"{file.parent}', or name a file with --data"
        )
    return file


def build_parser() -> argparse.ArgumentParser:
    """The arguments of `minimind-o evaluate`."""
    parser = argparse.ArgumentParser(
        prog="minimind-o evaluate",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_argument_group("what is measured")
    what.add_argument(
        "--suite", choices=(*SUITES, "all"), default="consistency",
        help="(default: consistency)",
    )  # fmt: skip
    what.add_argument(
        "--model", type=Path, metavar="FOLDER",
        help="a model folder, nano or released (default: omni of the assets)",
    )  # fmt: skip
    what.add_argument(
        "--transcriber", default="nano", metavar="WHO",
        help="who listens: 'nano' for the SenseVoice of the assets (default), a "
        "SenseVoice folder, or package.module:function",
    )  # fmt: skip
    what.add_argument(
        "--assets", metavar="FOLDER",
        help="tokenizer, codec, encoders, voices and prompts "
        f"(default: ${ENVIRONMENT_VARIABLE} or data/nano)",
    )  # fmt: skip

    prompts = parser.add_argument_group("which prompts")
    prompts.add_argument(
        "--num", type=_positive, metavar="N",
        help="prompts of each kind (default: 200); questions for each voice "
        "(default: 20)",
    )  # fmt: skip
    prompts.add_argument(
        "--set", choices=SETS, default=SETS[0],
        help="whose test split the consistency suite asks: written questions, spoken "
        "ones, pictures (default: sft_t2a)",
    )  # fmt: skip
    prompts.add_argument(
        "--kind", choices=("fact", "read_aloud", "spoken", "picture"),
        help="of the consistency suite's prompts (default: all that the set has)",
    )  # fmt: skip
    prompts.add_argument(
        "--data", type=Path, metavar="PARQUET",
        help="a file of your own in their place, for one suite",
    )  # fmt: skip
    prompts.add_argument(
        "--seed", type=int, default=0, help="of prompts and answers (default: 0)"
    )

    result = parser.add_argument_group("where the result goes")
    result.add_argument(
        "--out", type=Path, default=Path("runs/evaluation"), metavar="FOLDER",
        help="for the tables (default: runs/evaluation)",
    )  # fmt: skip
    result.add_argument(
        "--record", action="store_true",
        help="write the figures into data/results/figures.json, too",
    )  # fmt: skip

    machine = parser.add_argument_group("how it runs")
    machine.add_argument(
        "--batch-size", type=_positive, default=32, metavar="N",
        help="answers at once (default: 32)",
    )  # fmt: skip
    machine.add_argument(
        "--device", default="cpu", help="where the model runs (default: cpu)"
    )
    machine.add_argument(
        "--precision", choices=WEIGHT_PRECISIONS, default="fp32",
        help="of the model's weights (default: fp32)",
    )  # fmt: skip
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not 1 or more")
    return number
