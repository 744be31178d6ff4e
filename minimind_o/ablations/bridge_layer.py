"""Which layer should the Talker listen to?

The paper claims the middle one (section 3.1) and shows no table. Here it is: every
layer from the embedding to the last. Low layers know the letters and not the context,
high ones have turned to the next token. Here, alone of the experiments on the shipped
language model, the Thinker learns too, at a third of the rate: what a bridge costs the
text can only then be seen (`text_loss`).

To the closed world come the world's phrases with heteronyms, to be read aloud, six
times each, so that they weigh as much as the facts; one phrase of every reading is held
out (`minimind_o.ablations.heteronyms`). Whole sentences learned by heart need no
context: the held-out phrases are the ones to look at.
"""

from collections.abc import Sequence
from pathlib import Path

from minimind_o.ablations.closed_world import (
    TRAIN,
    Choice,
    choose,
    write_world,
)
from minimind_o.ablations.experiment import Experiment, Measures, Setting, Trained
from minimind_o.ablations.heteronyms import judge, training_rows, write_readings
from minimind_o.ablations.measures import cases_of, consistency
from minimind_o.ablations.workbench import Workbench
from minimind_o.config import EMBEDDING
from minimind_o.data.writing import NewRow
from minimind_o.training.recipe import MODES

NUM_LAYERS = 8
VOICE = "ada"
COPIES = 6
NUM_FACTS, NUM_SEEN_PHRASES = 16, 12


def _world(bench: Workbench, folder: Path) -> None:
    def with_phrases(rows: Sequence[NewRow], name: str) -> Sequence[NewRow]:
        if name != TRAIN:
            return rows
        write_readings(bench, folder, VOICE, rows[0])
        return [*rows, *COPIES * training_rows(bench, VOICE, rows)]

    write_world(bench, folder, Choice(voices=(VOICE,)), with_phrases)


def _measure(run: Trained) -> Measures:
    found = consistency(run, choose(cases_of(run), NUM_FACTS))
    bridge = run.model.config.bridge_index
    return {"bridge_layer": bridge, **found, **judge(run, NUM_SEEN_PHRASES)}


EXPERIMENT = Experiment(
    name="bridge_layer",
    question="Which layer should the Talker listen to?",
    settings=tuple(
        Setting(
            name="embedding" if layer == EMBEDDING else f"layer_{layer}",
            what="embedding" if layer == EMBEDDING else f"layer {layer}",
            config={"bridge_layer": layer},
        )
        for layer in range(EMBEDDING, NUM_LAYERS)
    ),
    world=_world,
    measure=_measure,
    recipe={"learning": MODES["t2a"], "thinker_rate": 0.3},
    evaluation_minutes=1.5,
)
