"""Train the nano dense model: from the language model, on the spoken dialogues.

Two stages. First the Talker learns alone to speak what the language model writes: the
Thinker is frozen, so its upper half and its gradients need not be computed, which
halves the time of a step. Then both learn together.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from minimind_o.training.guidance import GuidedHead
from minimind_o.training.processes import start_processes
from minimind_o.training.recipe import TrainingRecipe
from minimind_o.training.text_to_speech import T2AData, train_text_to_speech

MAX_POSITIONS = 1280  # small batches and many steps: a CPU has no use for large ones
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
TALKER_STAGE = TrainingRecipe(
    stage="talker",
    num_steps=3000,
    learning=("talker",),
    optimiser="muon",
    learning_rate=3e-3,
    warmup_steps=60,
    codebook_weights=CODEBOOK_WEIGHTS,
    guidance_weight=2.0,
    guided_heads=GUIDED_HEADS,
    validate_every=400,
    save_every=200,
)
ALL_STAGE = replace(
    TALKER_STAGE,
    stage="all",
    num_steps=3000,
    learning=("thinker", "talker"),
    learning_rate=1.5e-3,
    thinker_rate=0.3,  # it comes trained
)
STAGES = (TALKER_STAGE, ALL_STAGE)


def train_omni(
    stages: Sequence[TrainingRecipe], *, tokenizer: Path, llm: Path, sft_t2a: Path,
    work: Path, out: Path,
) -> dict[str, float]:  # fmt: skip
    """Train (or resume) stage after stage and write the model `out`.

    Each stage has its own folder in `work`, with its model when it has ended. Returns
    the card's figures: those of the last stage, and the minutes of all.
    """
    data = T2AData(
        train=sorted(sft_t2a.glob("train*.parquet")),
        validation=[sft_t2a / "validation.parquet"],
        max_positions=MAX_POSITIONS,
        seed=stages[0].seed,
    )
    processes = start_processes()
    init, minutes, figures = llm, 0.0, {}
    try:
        for number, recipe in enumerate(stages):
            folder = work / f"{number}_{recipe.stage}"
            last = recipe is stages[-1]
            figures = train_text_to_speech(
                recipe, data, tokenizer_directory=tokenizer, init=init, work=folder,
                out=out if last else folder / "model", processes=processes,
                snapshot_every=400,
            )  # fmt: skip
            minutes += figures.pop("minutes")
            figures[f"minutes_{recipe.stage}"] = minutes
            init = folder / "model"
    finally:
        processes.close()
    return figures | {"minutes": minutes, "processes": processes.world_size}
