"""Do experts change how a voice is followed? (Paper, tables 3 and 7.)

Both tables have a column for the dense model and one for the model with experts. Here
are both in the world of many voices, measured as in `voice_condition`.

Both start from all of the shipped model, as there: the experts, each as wide as the
feed-forward in whose place they are, begin as copies of it, so the same number of
parameters is at work and the first step of both is the same model. Then all of it
learns, experts and gates, and they part. (From random weights no voice is learned in so
few steps: LOG.md.) Whether a narrow Talker is worse with experts, too, is asked in
`talker_width`.
"""

from minimind_o.ablations.experiment import Experiment, Setting
from minimind_o.ablations.voice_condition import MANY_VOICES, measure_voices
from minimind_o.training.recipe import MODES

EXPERIMENT = Experiment(
    name="moe_talker",
    question="Do experts change how a voice is followed?",
    settings=(
        Setting(name="dense", what="dense"),
        Setting(name="moe", what="4 experts, 1 active", config={"use_moe": True}),
    ),
    world=MANY_VOICES,
    world_name="voice_condition",
    measure=measure_voices,
    start="whole",
    recipe={"learning": MODES["t2a"], "learning_rate": 1e-3, "thinker_rate": 0.3},
    evaluation_minutes=1.5,
)
