"""Do experts pay, at the same work for every position? (Paper, table 2.)

Four experts of which a position is sent to one, against one feed-forward as wide as one
of them: the same active parameters but for the gates. No shipped weights have either
shape, so here Thinker and Talker start from random weights and both learn.

Beside the losses stands which share of the positions every expert serves, where there
is text and where there is only sound (`expert_use_text`, `expert_use_sound`).
"""

from minimind_o.ablations.closed_world import choose, write_world
from minimind_o.ablations.experiment import Experiment, Measures, Setting, Trained
from minimind_o.ablations.measures import cases_of, consistency, expert_use
from minimind_o.ablations.recipe import (
    EXPERT_WIDTH,
    MAX_LENGTH,
    MAX_POSITIONS,
    NUM_ANSWERS,
)
from minimind_o.data.examples import ExampleDataset, ExampleOptions
from minimind_o.layout import LayoutSpec
from minimind_o.training.recipe import MODES
from minimind_o.training.stage import validation_batches


def _measure(run: Trained) -> Measures:
    found = consistency(run, choose(cases_of(run), NUM_ANSWERS))
    config = run.model.config
    if not config.use_moe:
        return found
    dataset = ExampleDataset(
        [run.files.validation],
        run.bench.tokenizer,
        LayoutSpec.from_config(config),
        ExampleOptions(max_length=MAX_LENGTH),
        speaker_embedding_size=config.speaker_embedding_size,
    )
    batches = validation_batches(dataset, 2 * MAX_POSITIONS)
    return found | expert_use(run.model, batches, run.bench.device)


EXPERIMENT = Experiment(
    name="dense_moe",
    question="Do experts pay, at the same work for every position?",
    settings=(
        Setting(
            name="dense",
            what="dense",
            config={"use_moe": False, "intermediate_size": EXPERT_WIDTH},
        ),
        Setting(
            name="moe",
            what="4 experts, 1 active",
            config={"use_moe": True, "intermediate_size": EXPERT_WIDTH},
        ),
    ),
    world=write_world,
    world_name="one_voice",
    measure=_measure,
    start="random",
    recipe={"learning": MODES["t2a"]},
)
