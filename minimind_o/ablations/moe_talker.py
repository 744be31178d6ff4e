"""Do experts change what is said of the Talker's voices and width? (Paper, section 6.)

Tables 2, 3 and 7 have a row for the dense model and one for the model with experts.
Here are both in the world of many voices, and the second once more with a Talker half
as wide. Voices and errors are measured as in `voice_condition`.

No shipped weights have experts of this shape, so Thinker and Talker start from random
weights and both learn: as in `dense_moe`, the dense model has one feed-forward as wide
as one expert. The narrow Talker's experts have the width that goes with it, which is
more than that of the wide one's: where it is worse all the same, its experts were not
too small.
"""

from minimind_o.ablations.experiment import Experiment, Setting
from minimind_o.ablations.recipe import EXPERT_WIDTH
from minimind_o.ablations.voice_condition import MANY_VOICES, measure_voices
from minimind_o.training.recipe import MODES

NARROW = 128


def _setting(name: str, what: str, **config: object) -> Setting:
    return Setting(
        name=name, what=what, config={"intermediate_size": EXPERT_WIDTH, **config}
    )


EXPERIMENT = Experiment(
    name="moe_talker",
    question="Do experts change what is said of the Talker's voices and width?",
    settings=(
        _setting("dense", "dense", use_moe=False),
        _setting("moe", "4 experts", use_moe=True),
        _setting(
            "moe_narrow",
            f"4 experts, Talker {NARROW} wide",
            use_moe=True,
            talker_hidden_size=NARROW,
        ),
    ),
    world=MANY_VOICES,
    world_name="voice_condition",
    measure=measure_voices,
    start="random",
    recipe={"learning": MODES["t2a"]},
    evaluation_minutes=1.5,
)
