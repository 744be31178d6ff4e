"""Train the nano model: from the language model, stage after stage.

T2A, then speech (A2A), then pictures (I2T), as the released model was trained. Five
things are ours. In the first stage the Thinker is frozen: the Talker learns to speak
what the language model writes, and since the Thinker's upper half and gradients need
not be computed, a step takes half the time. It starts from random blocks: copies of the
Thinker's last ones, as released, learn slower at this size (LOG.md). Before speech and
pictures the projector learns alone. Then it and the Thinker learn to listen, or to see,
without the Talker, for a third of the time; then all of the model learns from all of
the data, which brings the Talker to the Thinker that has changed, and in the end the
Talker alone. And every stage goes on with rows of the earlier ones among its own, so
that nothing is forgotten.

The model with experts goes through the same stages, with half of the steps in all but
the last two.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from minimind_o.assets import Assets
from minimind_o.data.encoders import MediaEncoders
from minimind_o.errors import UserError
from minimind_o.terminal_table import terminal_table
from minimind_o.training.guidance import GuidedHead
from minimind_o.training.processes import start_processes
from minimind_o.training.recipe import MODES, TrainingRecipe
from minimind_o.training.stage import StageData, StageInputs, train_stage

MAX_POSITIONS = 1280  # small batches and many steps: a CPU has no use for large ones
POOL_ROWS = 8192  # eight row groups, so that most pools hold rows of every set
# Codebooks 0 and 1 carry the words, codebook 2 a little (LOG.md); the others are close
# to noise, and learning them alike would drown what can be learned.
CODEBOOK_WEIGHTS = (3.0, 3.0, 1.0, 0.4, 0.2, 0.2, 0.1, 0.1)
# (lag, ahead) of the guided heads of each Talker layer. Each layer finds the token anew
# and can use where the layers below have found it a step ago. Two heads share keys and
# values; what is not guided is left to the codes.
GUIDED_HEADS = tuple(
    GuidedHead(layer=layer, lag=lag, ahead=ahead)
    for layer, heads in enumerate(
        (
            ((0, 0), (0, 1)),
            ((0, 0), (0, 1), (1, 0), (0, 1), (0, 0), (2, 0)),
            ((0, 0), (0, 1), (1, 0), (0, 1), (0, 0), (2, 0)),
            ((0, 0), (0, 1), (1, 0), (2, 0)),
        )
    )
    for lag, ahead in heads
)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage: how it learns, from what, and what to expect.

    train: Parquet files without their ending; those that end in `_more` are only made
        by `minimind-o nano`, and the stage does without where they are missing.
    expected: validation losses at the end of the shipped model's run.
    """

    recipe: TrainingRecipe
    train: tuple[str, ...]
    validation: str
    expected: Mapping[str, float] = field(default_factory=dict)


_SPEAKING = TrainingRecipe(
    stage="t2a",
    num_steps=3400,
    learning=MODES["talker"],
    optimiser="muon",
    learning_rate=3e-3,
    warmup_steps=60,
    codebook_weights=CODEBOOK_WEIGHTS,
    guidance_weight=2.0,
    guided_heads=GUIDED_HEADS,
    validate_every=400,
    save_every=200,
)
_PROJECTOR = TrainingRecipe(
    stage="", num_steps=500, learning_rate=2e-3, warmup_steps=30, validate_every=250
)
_THINKER = replace(
    _PROJECTOR,
    optimiser="muon",
    thinker_rate=0.5,  # it comes trained
    warmup_steps=60,
    save_every=200,
)
_ALL = replace(
    _SPEAKING,
    stage="all",
    num_steps=700,
    learning=MODES["all"],
    learning_rate=1e-3,
    thinker_rate=0.3,
)
_T2A = ("sft_t2a/train", "sft_t2a/train_more")
_A2A = ("sft_a2a/train", "sft_a2a/train_more")
_I2T = ("sft_i2t/train", "sft_i2t/train_more")
_EVERY_SET = (*_I2T, *_A2A, *_T2A)
STAGES = (
    Stage(
        recipe=_SPEAKING,
        train=_T2A,
        validation="sft_t2a/validation",
        expected={"codebook_0_loss": 1.019, "alignment": 0.953},
    ),
    Stage(
        recipe=replace(_PROJECTOR, stage="a2a_projector", learning=MODES["audio_proj"]),
        train=_A2A,
        validation="sft_a2a/validation",
        expected={"text_loss": 0.392},
    ),
    Stage(
        recipe=replace(
            _THINKER,
            stage="a2a",
            num_steps=1000,
            learning=("thinker", "audio_projector"),
        ),
        train=(*_A2A, "sft_t2a/train"),
        validation="sft_a2a/validation",
        expected={"text_loss": 0.062},
    ),
    Stage(
        recipe=replace(
            _PROJECTOR,
            stage="i2t_projector",
            num_steps=300,
            learning=MODES["vision_proj"],
        ),
        train=_I2T,
        validation="sft_i2t/validation",
        expected={"text_loss": 0.703},
    ),
    Stage(
        recipe=replace(
            _THINKER,
            stage="i2t",
            num_steps=800,
            learning=("thinker", "audio_projector", "image_projector"),
        ),
        train=(*_I2T, *_A2A, "sft_t2a/train"),  # texts of what no picture shows
        validation="sft_i2t/validation",
        expected={"text_loss": 0.027},
    ),
    Stage(
        recipe=_ALL,
        train=_EVERY_SET,
        validation="sft_i2t/validation",
        expected={"text_loss": 0.013, "codebook_0_loss": 0.639, "alignment": 0.980},
    ),
    Stage(
        recipe=replace(_SPEAKING, stage="talker", num_steps=1000, learning_rate=1.5e-3),
        train=_EVERY_SET,
        validation="sft_i2t/validation",
        expected={"codebook_0_loss": 0.577, "alignment": 0.983},
    ),
)
EXPERTS_SHARE = 0.5  # a step of theirs takes longer, and the whole must fit an evening
NUM_WHOLE = 2  # the last stages, in which all comes together, keep their steps


def for_experts(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """The stages of a model with experts: the first shorter, no losses expected."""
    shares = [EXPERTS_SHARE] * (len(stages) - NUM_WHOLE) + [1.0] * NUM_WHOLE
    return tuple(
        replace(
            stage,
            recipe=replace(
                stage.recipe, num_steps=round(share * stage.recipe.num_steps)
            ),
            expected={},
        )
        for stage, share in zip(stages, shares, strict=True)
    )


def train_omni(
    stages: Sequence[Stage],
    assets: Assets,
    init: Path,
    work: Path,
    out: Path,
    seed: int,
) -> dict[str, float]:
    """Train (or resume) stage after stage and write the model `out`.

    `init` is the language model's directory, dense or with experts.
    Each stage has its own folder in `work`; one that has ended is not run again. A
    table of the stages' losses, beside the expected ones, is printed at the end.

    Returns:
        The card's figures: each loss as the last stage that has it left it, the minutes
        of each stage and of all.
    """
    processes = start_processes()
    encoders = MediaEncoders(
        assets.path("sensevoice"),
        assets.path("siglip2"),
        str(processes.device),
        keep=True,
    )
    ended: dict[str, dict[str, float]] = {}
    try:
        for number, stage in enumerate(stages):
            recipe = replace(stage.recipe, seed=seed)
            folder = work / f"{number}_{recipe.stage}"
            model = out if stage is stages[-1] else folder / "model"
            done = folder / "figures.json"
            if not done.is_file():
                figures = train_stage(
                    recipe,
                    _data(stage, assets.root, seed),
                    StageInputs(
                        tokenizer_directory=assets.tokenizer,
                        init=init,
                        warm_start=False,
                        encoders=encoders,
                    ),
                    work=folder,
                    out=model,
                    processes=processes,
                    snapshot_every=400,
                )
                if processes.is_main:
                    done.write_text(json.dumps(figures) + "\n")
                processes.barrier()
            ended[recipe.stage] = json.loads(done.read_text())
            init = model
    finally:
        processes.close()
    if processes.is_main and any(stage.expected for stage in stages):
        print(loss_table(stages, ended))
    minutes = {f"minutes_{name}": f.pop("minutes") for name, f in ended.items()}
    losses: dict[str, float] = {}
    for figures in ended.values():
        losses |= figures
    return {**losses, **minutes, "minutes": sum(minutes.values())}


def loss_table(
    stages: Sequence[Stage], ended: Mapping[str, Mapping[str, float]]
) -> str:
    """Each stage's validation losses beside the expected ones."""
    rows = []
    for stage in stages:
        name = stage.recipe.stage
        for loss, value in ended[name].items():
            if loss in stage.expected:
                expected = f"{stage.expected[loss]:.3f}"
                rows.append((name, loss, f"{value:.3f}", expected))
    return terminal_table(("stage", "loss", "here", "expected"), rows, max_width=30)


def _data(stage: Stage, root: Path, seed: int) -> StageData:
    """The stage's files, without those that the repository does not hold.

    Raises:
        UserError: a file that it does hold is missing.
    """
    files = [root / f"{name}.parquet" for name in stage.train]
    missing = [file for file in files if not file.is_file()]
    for file in missing:
        if not file.stem.endswith("_more"):
            raise UserError(
                f"{file} is missing: restore it from the repository, or make it with "
                f"'minimind-o nano {file.parent.name}'"
            )
    return StageData(
        train=[file for file in files if file not in missing],
        validation=[root / f"{stage.validation}.parquet"],
        max_positions=MAX_POSITIONS,
        pool_rows=POOL_ROWS,
        reference_probability=0.5,  # the speaker's vector must do, too
        seed=seed,
    )
