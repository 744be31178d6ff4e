"""Are the passes in which only a projector learns worth their steps?

(Paper, section 5.) The shipped language model has never heard or seen anything, and its
projectors are random. With the passes, they learn alone for a quarter of the steps,
before the Thinker learns with them; without, all learn from the first step; and at the
other end the Thinker never learns. The steps are as many in all three.

The Talker stays out of it: what a projector is for is read from the text, and a step
without the Talker costs a fraction. Spoken questions and pictures learn together. Their
text loss is on speakers and pictures not met in training; the loss on *written*
questions says what the language model has lost by it, which the first passes are to
prevent.

The repository ships 300 rows of each kind, too few to learn from; more are spoken and
drawn by the nano world's own code, without answers in sound, which nothing here needs.
"""

from pathlib import Path

import numpy as np

from minimind_o.ablations.closed_world import (
    QUESTIONS,
    TRAIN,
    VALIDATION,
    choose,
)
from minimind_o.ablations.experiment import (
    Experiment,
    Measures,
    Phase,
    Setting,
    Trained,
)
from minimind_o.ablations.measures import answer, cases_of, losses_of
from minimind_o.ablations.recipe import MAX_LENGTH, MAX_POSITIONS, NUM_ANSWERS, SAMPLING
from minimind_o.ablations.workbench import Workbench
from minimind_o.data.examples import ExampleDataset, ExampleOptions
from minimind_o.data.writing import NewRow, write_table
from minimind_o.evaluation.consistency import is_same_answer
from minimind_o.generation.batch import BatchSampling
from minimind_o.layout import LayoutSpec
from minimind_o.nano import a2a, i2t
from minimind_o.nano.rows import DialogueRow
from minimind_o.nano.t2a import draw_held_out
from minimind_o.training.stage import validation_batches

NUM_SPOKEN, NUM_PICTURES = 1200, 500
NUM_HELD_OUT = 48
WRITTEN = "written.parquet"
PROJECTORS = ("audio_projector", "image_projector")
LISTENING = ("thinker", *PROJECTORS)
SILENT = BatchSampling(
    text=SAMPLING.text,
    audio=SAMPLING.audio,
    max_frames=1,
    max_text_tokens=SAMPLING.max_text_tokens,
)


def _world(bench: Workbench, folder: Path) -> None:
    training = a2a.asked_aloud(a2a.draw_training(0, NUM_SPOKEN), "train", 0)
    training += i2t.draw_rows("train", NUM_PICTURES, 0)
    order = np.random.default_rng(0).permutation(len(training))
    write_table(folder / TRAIN, [_row(training[index]) for index in order])
    validation = draw_held_out("validation", NUM_HELD_OUT, 0)
    heard = a2a.asked_aloud(validation, "validation", 0)
    seen = i2t.draw_rows("validation", NUM_HELD_OUT, 0)
    write_table(folder / VALIDATION, map(_row, heard + seen))
    asked = a2a.asked_aloud(draw_held_out("test", NUM_HELD_OUT, 0), "test", 0)
    shown = i2t.draw_rows("validation", NUM_HELD_OUT, 1)
    write_table(folder / QUESTIONS, map(_row, asked + shown))
    written = [
        DialogueRow(item=item, question=item.dialogue.question) for item in validation
    ]
    write_table(folder / WRITTEN, map(_row, written))


def _row(row: DialogueRow) -> NewRow:
    """A row whose answer is text alone."""
    return NewRow(
        turns=[
            {"role": "user", "content": row.question},
            {"role": "assistant", "content": row.item.dialogue.answer},
        ],
        recordings=() if row.speech is None else (row.speech,),
        pictures=() if row.picture is None else (row.picture,),
    )


def _measure(run: Trained) -> Measures:
    found: Measures = {}
    cases = cases_of(run)
    for kind in ("spoken", "picture"):
        own = choose([case for case in cases if case.kind == kind], NUM_ANSWERS // 2)
        answers = answer(run, own, SILENT)
        found[f"right_{kind}"] = [
            int(is_same_answer(a.text, case))
            for a, case in zip(answers, own, strict=True)
        ]
    held_out = _rows(run, run.files.validation)
    kinds = {
        "pictures": [r for r in held_out.rows if r.media.pictures],
        "speech": [r for r in held_out.rows if not r.media.pictures],
        "written": _rows(run, run.files.train.parent / WRITTEN).rows,
    }
    for kind, rows in kinds.items():
        held_out.rows = rows
        held_out.lengths = np.array([r.grid_length(held_out.spec) - 1 for r in rows])
        batches = validation_batches(held_out, 2 * MAX_POSITIONS)
        losses = losses_of(run.model, batches, run.bench.device, speaks=False)
        found[f"text_loss_{kind}"] = losses["text_loss"]
    return found


def _rows(run: Trained, path: Path) -> ExampleDataset:
    return ExampleDataset(
        [path],
        run.bench.tokenizer,
        LayoutSpec.from_config(run.model.config),
        ExampleOptions(max_length=MAX_LENGTH),
        speaker_embedding_size=run.model.config.speaker_embedding_size,
        encoders=run.bench.encoders,
    )


EXPERIMENT = Experiment(
    name="stages",
    question="Are the passes in which only a projector learns worth their steps?",
    settings=(
        Setting(
            name="with",
            what="projectors first",
            phases=(
                Phase(share=0.25, learning=PROJECTORS),
                Phase(share=0.75, learning=LISTENING),
            ),
        ),
        Setting(
            name="without",
            what="all at once",
            phases=(Phase(share=1.0, learning=LISTENING),),
        ),
        Setting(
            name="projectors_only",
            what="projectors alone",
            phases=(Phase(share=1.0, learning=PROJECTORS),),
        ),
    ),
    world=_world,
    measure=_measure,
    recipe={"learning": LISTENING, "learning_rate": 2e-3, "thinker_rate": 0.5},
    data={"code_noise": 0.0},
)
