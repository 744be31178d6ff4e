"""Why do the codebooks wait for each other? (Paper, section 4.)

Codebook q of a frame is a refinement of the ones before it. Staggered by a step each,
as released, it can see them; all at once it cannot; two steps apart it sees no more
than at one, and the first sound comes later. `frame_steps` is how long a whole frame
takes.

Attention is guided for codebook 0 alone, whose place no schedule changes: the other
guided heads of the shared recipe lag as the released schedule does.
"""

from minimind_o.ablations.closed_world import choose, write_world
from minimind_o.ablations.experiment import Experiment, Measures, Setting, Trained
from minimind_o.ablations.measures import cases_of, consistency
from minimind_o.ablations.recipe import NUM_ANSWERS
from minimind_o.nano.omni import GUIDED_HEADS


def _measure(run: Trained) -> Measures:
    found = consistency(run, choose(cases_of(run), NUM_ANSWERS))
    return {"frame_steps": run.model.config.frame_steps, **found}


EXPERIMENT = Experiment(
    name="delay",
    question="Why do the codebooks wait for each other?",
    settings=tuple(
        Setting(name=name, what=what, config={"codebook_delay": delay})
        for name, what, delay in (
            ("at_once", "all 8 at once", 0),
            ("staggered", "a step each (released)", 1),
            ("two_steps", "two steps each", 2),
        )
    ),
    world=write_world,
    world_name="one_voice",
    measure=_measure,
    recipe={"guided_heads": tuple(head for head in GUIDED_HEADS if head.lag == 0)},
)
