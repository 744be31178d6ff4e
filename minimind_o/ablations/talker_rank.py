"""How large must the adapters of the codebooks be? (Paper, figure 8.)

Spoken questions, the Thinker frozen, the Talker new: loss and accuracy of each codebook
against the adapters' parameters. Both ranks together; then each with the other fixed;
and the two ends that the paper only mentions: no adapters, so that the 8 codebooks
share everything, and eight whole tables and heads, so that they share nothing. The
largest rank is the Talker's width, at which an adapter has more parameters than a whole
table.

No answers are judged: the question is what the codes cost, and the loss on held-out
questions in the learned voice says that with far less noise than a transcriber. A few
are generated, to be heard.
"""

from functools import partial

from minimind_o.ablations.closed_world import asked_aloud, choose, write_world
from minimind_o.ablations.experiment import Experiment, Measures, Setting, Trained
from minimind_o.ablations.measures import answer, cases_of, coded_clips
from minimind_o.ablations.recipe import NUM_CLIPS
from minimind_o.config import FULL

RANKS = (4, 16, 64, 256)
FIXED = 16


def _setting(name: str, what: str, embedding: int, head: int) -> Setting:
    ranks = {"talker_embedding_rank": embedding, "talker_head_rank": head}
    return Setting(name=name, what=what, config=ranks)


def _measure(run: Trained) -> Measures:
    """The losses at the end are the last of the curve."""
    config = run.model.config
    return {
        "embedding_rank": config.talker_embedding_rank,
        "head_rank": config.talker_head_rank,
        **coded_clips(answer(run, choose(cases_of(run), NUM_CLIPS))),
    }


EXPERIMENT = Experiment(
    name="talker_rank",
    question="How large must the adapters of the codebooks be?",
    settings=(
        _setting("none", "no adapters", 0, 0),
        *(_setting(f"rank_{r}", f"both ranks {r}", r, r) for r in RANKS),
        *(
            _setting(f"head_{r}", f"embedding {FIXED}, head {r}", FIXED, r)
            for r in RANKS
            if r != FIXED
        ),
        *(
            _setting(f"embedding_{r}", f"embedding {r}, head {FIXED}", r, FIXED)
            for r in RANKS
            if r != FIXED
        ),
        _setting("full", "whole tables and heads", FULL, FULL),
    ),
    world=partial(write_world, change=asked_aloud),
    measure=_measure,
    start="omni",
    evaluation_minutes=0.5,
)
