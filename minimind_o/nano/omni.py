"""Train the nano dense model: from the language model, on the spoken dialogues."""

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
OMNI_RECIPE = TrainingRecipe(
    stage="t2a",
    num_steps=8000,
    learning_rate=3e-3,
    thinker_rate=0.3,  # it comes trained
    warmup_steps=150,
    codebook_weights=CODEBOOK_WEIGHTS,
    guidance_weight=2.0,
    guided_heads=GUIDED_HEADS,
    validate_every=500,
    save_every=250,
)


def train_omni(
    recipe: TrainingRecipe, *, tokenizer: Path, llm: Path, sft_t2a: Path,
    work: Path, out: Path,
) -> dict[str, float]:  # fmt: skip
    """Train (or resume) and write the model `out`; returns the card's figures."""
    data = T2AData(
        train=sorted(sft_t2a.glob("train*.parquet")),
        validation=[sft_t2a / "validation.parquet"],
        max_positions=MAX_POSITIONS,
        seed=recipe.seed,
    )
    processes = start_processes()
    try:
        return train_text_to_speech(
            recipe, data, tokenizer_directory=tokenizer, init=llm, work=work, out=out,
            processes=processes, snapshot_every=1000,
        )  # fmt: skip
    finally:
        processes.close()
