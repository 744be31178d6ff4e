"""`minimind-o nano …`: make one nano asset, or all in order, each with its card."""

from __future__ import annotations

import argparse
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from minimind_o.assets import FILES, NANO_ROOT, Assets
from minimind_o.nano.card import write_card

Metrics = dict[str, Any]
# Set by torchrun, which may start several processes for one training.
IS_MAIN = os.environ.get("RANK", "0") == "0"
NUM_PROCESSES = int(os.environ.get("WORLD_SIZE", "1"))
TITLES = {
    "tokenizer": "Byte-pair tokenizer of the nano world",
    "mimi": "Nano Mimi, the speech codec",
    "sensevoice": "Nano SenseVoice, speech encoder and transcriber",
    "siglip2": "Nano SigLIP2, the vision encoder",
    "campplus": "Nano CAM++, the speaker encoder",
    "voices": "Voice prompts of the twelve voices",
    "sft_t2a": "Questions and spoken answers",
    "sft_a2a": "Spoken questions and spoken answers",
    "sft_i2t": "Questions about pictures and spoken answers",
    "examples": "A spoken question, a picture, and a spoken question about it",
    "llm": "Nano MiniMind, the language model",
    "omni": "The trained nano model",
    "llm_moe": "Nano MiniMind with experts, the language model",
    "omni_moe": "The trained nano model with experts",
}


@dataclass(frozen=True, kw_only=True)
class NanoRun:
    """Where an asset is made, and from which seed."""

    assets: Assets
    """The tree that it goes into and that holds what it needs."""
    work: Path
    """Its own folder for checkpoints, which a later run resumes from."""
    seed: int

    @property
    def answers(self) -> Path:
        """Where the sets keep the spoken answers they share."""
        return self.work.parent / "answers"

    def out(self, name: str) -> Path:
        """The folder of an asset that is being written."""
        return self.assets.path(name)


def main(argv: Sequence[str]) -> None:
    """Make the assets that `argv` names.

    Raises:
        UserError: an asset is missing that must be made first.
    """
    arguments = build_parser().parse_args(argv)
    arguments.assets.mkdir(parents=True, exist_ok=True)
    every = arguments.asset == "all"
    for name in MAKERS if every else [arguments.asset]:
        work = arguments.work / name
        done = work / "done"
        if arguments.fresh:
            shutil.rmtree(work, ignore_errors=True)
        if every and done.exists():
            print(f"{name}: made before; --fresh makes it again")
            continue
        run = NanoRun(assets=Assets(arguments.assets), work=work, seed=arguments.seed)
        print(f"{name}: {TITLES[name]}")
        make(name, run)
        if IS_MAIN:
            done.touch()


def make(name: str, run: NanoRun) -> Metrics:
    """Make one asset, check that it is whole, and write its card."""
    run.work.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    metrics = MAKERS[name](run)
    minutes = metrics.pop("minutes", (time.monotonic() - started) / 60)
    if not IS_MAIN:
        return metrics
    launcher = f"torchrun --nproc_per_node {NUM_PROCESSES} -m minimind_o"
    write_card(
        run.assets.checked(name),
        title=TITLES[name],
        command=f"{launcher if NUM_PROCESSES > 1 else 'minimind-o'} nano {name} "
        f"--seed {run.seed}",
        seed=run.seed,
        minutes=minutes,
        metrics=metrics,
    )
    return metrics


def build_parser() -> argparse.ArgumentParser:
    """The arguments of `minimind-o nano`."""
    parser = argparse.ArgumentParser(
        prog="minimind-o nano",
        description="Make the nano assets from nothing. An interrupted run resumes.",
    )
    parser.add_argument("asset", choices=[*FILES, "all"], nargs="?", default="all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--assets", type=Path, default=NANO_ROOT, metavar="FOLDER")
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("runs/nano"),
        metavar="FOLDER",
        help="for checkpoints (default: runs/nano)",
    )
    parser.add_argument(
        "--fresh", action="store_true", help="forget checkpoints, start from nothing"
    )
    return parser


# Each maker imports its own module: torch and funasr take seconds to load.


def _tokenizer(run: NanoRun) -> Metrics:
    from minimind_o.nano.llm import train_tokenizer

    return {"entries": train_tokenizer(run.out("tokenizer"))}


def _mimi(run: NanoRun) -> Metrics:
    from minimind_o.nano.mimi import MimiRecipe, train_mimi

    return dict(train_mimi(MimiRecipe(seed=run.seed), run.work, run.out("mimi")))


def _sensevoice(run: NanoRun) -> Metrics:
    from minimind_o.nano.sensevoice import (
        SenseVoiceRecipe,
        train_sensevoice,
        transcriber_errors,
    )

    mimi, out = run.assets.mimi, run.out("sensevoice")
    trained = train_sensevoice(SenseVoiceRecipe(seed=run.seed), mimi, run.work, out)
    return dict(trained) | transcriber_errors(out, mimi)


def _siglip2(run: NanoRun) -> Metrics:
    from minimind_o.nano.siglip2 import Siglip2Recipe, train_siglip2

    recipe, out = Siglip2Recipe(seed=run.seed), run.out("siglip2")
    return dict(train_siglip2(recipe, run.assets.tokenizer, run.work, out))


def _campplus(run: NanoRun) -> Metrics:
    from minimind_o.nano.campplus import CampPlusRecipe, train_campplus

    recipe, out = CampPlusRecipe(seed=run.seed), run.out("campplus")
    return dict(train_campplus(recipe, run.assets.mimi, run.work, out))


def _voices(run: NanoRun) -> Metrics:
    from minimind_o.data.speech import VOICES
    from minimind_o.frozen.campplus import load_campplus
    from minimind_o.frozen.mimi import load_mimi
    from minimind_o.generation.voices import Voice, save_voice
    from minimind_o.nano.voice_prompts import voice_prompts

    mimi, campplus = load_mimi(run.assets.mimi), load_campplus(run.assets.campplus)
    for name, voice in VOICES.items():
        prompt = voice_prompts(mimi, campplus, voice)[0]
        saved = Voice(
            name=name,
            codes_QT=prompt.codes.astype("int64"),
            speaker_embedding_S=prompt.speaker,
        )
        save_voice(run.out("voices"), saved)
    return {"voices": len(VOICES), "frames": saved.codes_QT.shape[1]}


def _sft_t2a(run: NanoRun) -> Metrics:
    from minimind_o.nano.t2a import build_t2a

    mimi, campplus, out = run.assets.mimi, run.assets.campplus, run.out("sft_t2a")
    return dict(build_t2a(mimi, campplus, run.answers, out, seed=run.seed))


def _sft_a2a(run: NanoRun) -> Metrics:
    from minimind_o.nano.a2a import build_a2a

    mimi, campplus, out = run.assets.mimi, run.assets.campplus, run.out("sft_a2a")
    return dict(build_a2a(mimi, campplus, run.answers, out, seed=run.seed))


def _sft_i2t(run: NanoRun) -> Metrics:
    from minimind_o.nano.i2t import build_i2t

    mimi, campplus, out = run.assets.mimi, run.assets.campplus, run.out("sft_i2t")
    return dict(build_i2t(mimi, campplus, run.answers, out, seed=run.seed))


def _examples(run: NanoRun) -> Metrics:
    from minimind_o.nano.examples import write_examples

    return dict(write_examples(run.out("examples"), run.seed))


def _llm(run: NanoRun, *, use_moe: bool = False) -> Metrics:
    from dataclasses import replace

    from minimind_o import tokenizer
    from minimind_o.nano.llm import LLM_RECIPE, nano_config, pretrain_llm

    directory = run.assets.tokenizer
    config = nano_config(tokenizer.load(directory).vocab_size, use_moe=use_moe)
    out = run.out("llm_moe" if use_moe else "llm")
    recipe = replace(LLM_RECIPE, seed=run.seed)
    return dict(pretrain_llm(recipe, config, directory, run.work, out))


def _omni(run: NanoRun, *, use_moe: bool = False) -> Metrics:
    from minimind_o.nano.omni import STAGES, for_experts, train_omni

    stages = for_experts(STAGES) if use_moe else STAGES
    init = run.assets.llm_moe if use_moe else run.assets.llm
    out = run.out("omni_moe" if use_moe else "omni")
    return dict(train_omni(stages, run.assets, init, run.work, out, run.seed))


MAKERS: dict[str, Callable[[NanoRun], Metrics]] = {
    "tokenizer": _tokenizer,
    "mimi": _mimi,
    "sensevoice": _sensevoice,
    "siglip2": _siglip2,
    "campplus": _campplus,
    "voices": _voices,
    "sft_t2a": _sft_t2a,
    "sft_a2a": _sft_a2a,
    "sft_i2t": _sft_i2t,
    "examples": _examples,
    "llm": _llm,
    "omni": _omni,
    "llm_moe": partial(_llm, use_moe=True),
    "omni_moe": partial(_omni, use_moe=True),
}
