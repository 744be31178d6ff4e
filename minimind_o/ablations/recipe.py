"""What all runs of all experiments share, in one place.

A run must answer its question in a few minutes on one slow core, so that three seeds of
every setting fit into a night. What makes that possible:

- a closed world: some two hundred sentences in one voice, which a Talker can learn
  nearly whole (`closed_world`); texts to be read aloud would take it hours;
- the shipped language model, frozen where the experiment allows it;
- Muon, guided attention and the weights of the codebooks, as in the nano recipe;
- small batches and many steps, for which a CPU has more use than for large ones.

An experiment that must depart from this says so in its own file, and does so in all its
settings alike.
"""

from minimind_o.generation.batch import BatchSampling
from minimind_o.generation.sampling import AUDIO_SAMPLING, GREEDY
from minimind_o.nano.omni import CODEBOOK_WEIGHTS, GUIDED_HEADS
from minimind_o.training.recipe import MODES, TrainingRecipe

SEEDS = (0, 1, 2)
STEPS = 200
MAX_POSITIONS = 640
"""Padded positions in a batch."""
MAX_LENGTH = 256
NUM_CURVE_POINTS = 8
NUM_ANSWERS = 48
"""Answers generated and listened to at the end of a run, at most."""
NUM_CLIPS = 4
"""Answers of a run that its row keeps, to be heard."""
CODE_NOISE = 0.05
EXPERT_WIDTH = 256
"""Of one expert, and of the dense feed-forward that it is compared with."""

RECIPE = TrainingRecipe(
    stage="ablation",
    num_steps=STEPS,
    learning=MODES["talker"],
    optimiser="muon",
    learning_rate=3e-3,
    warmup_steps=20,
    codebook_weights=CODEBOOK_WEIGHTS,
    guidance_weight=2.0,
    guided_heads=GUIDED_HEADS,
)
# The text is what the run is not about: the likeliest one, the same for all settings
# that leave the Thinker alone.
SAMPLING = BatchSampling(
    text=GREEDY, audio=AUDIO_SAMPLING, max_frames=64, max_text_tokens=48
)
