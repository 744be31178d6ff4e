"""How wide must the Talker be, and is it the width? (Paper, table 2.)

The released ablation compares a Talker as wide as the Thinker, whose blocks start from
the Thinker's, with narrower ones, whose blocks start from random weights. Here every
width is trained both ways. At another width the warm start is a transplant of what fits
(`minimind_o.ablations.start.transplant`); the random start at the full width is the
control that the paper lacks. Two settings more have experts, each a copy of the shipped
Thinker's feed-forward at first: does the width matter to them as it does to one?

The world keeps its long answers, of up to 40 words, and the answers are told apart by
length: short up to 5 words, mid up to 12, long above.
"""

from dataclasses import replace
from functools import partial

from minimind_o.ablations.closed_world import Choice, choose, num_words, write_world
from minimind_o.ablations.experiment import Experiment, Measures, Setting, Trained
from minimind_o.ablations.measures import cases_of, consistency
from minimind_o.ablations.recipe import NUM_ANSWERS, SAMPLING
from minimind_o.evaluation.cases import Case

WIDTHS = (128, 256, 384)
EXPERT_WIDTHS = (128, 256)
SHORT, MID = 5, 12
BUCKETS = ("short", "mid", "long")
SAMPLING_LONG = replace(SAMPLING, max_frames=128, max_text_tokens=96)


def bucket(words: int) -> str:
    """Which length an answer of so many words has."""
    return "short" if words <= SHORT else "mid" if words <= MID else "long"


def _questions(cases: list[Case]) -> list[Case]:
    """As many of each length, where there are so many."""
    by_length = {
        name: [c for c in cases if bucket(num_words(c.answer)) == name]
        for name in BUCKETS
    }
    most = NUM_ANSWERS // len(BUCKETS)
    return [case for own in by_length.values() for case in choose(own, most)]


def _measure(run: Trained) -> Measures:
    found = consistency(run, _questions(cases_of(run)), SAMPLING_LONG)
    names = [bucket(words) for words in found["answer_words"]]
    for name in BUCKETS:
        mine = [index for index, other in enumerate(names) if other == name]
        errors = [found["cer_errors"][index] for index in mine]
        lengths = [found["cer_lengths"][index] for index in mine]
        found[f"cer_{name}_errors"], found[f"cer_{name}_lengths"] = errors, lengths
        found[f"cer_{name}"] = sum(errors) / sum(lengths) if sum(lengths) else None
    return found


_DENSE = tuple(
    Setting(
        name=f"width_{width}_{'warm' if warm else 'random'}",
        what=f"{width} wide, {'warm' if warm else 'random'} start",
        config={"talker_hidden_size": width},
        warm_start=warm,
    )
    for width in WIDTHS
    for warm in (True, False)
)
_EXPERTS = tuple(
    Setting(
        name=f"width_{width}_experts",
        what=f"{width} wide, 4 experts",
        config={"talker_hidden_size": width, "use_moe": True},
    )
    for width in EXPERT_WIDTHS
)
EXPERIMENT = Experiment(
    name="talker_width",
    question="Is it the Talker's width, or what its blocks start from?",
    settings=_DENSE + _EXPERTS,
    world=partial(write_world, choice=Choice(max_words=40)),
    measure=_measure,
    evaluation_minutes=1.5,
)
