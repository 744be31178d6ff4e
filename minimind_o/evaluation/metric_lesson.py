"""What a normaliser does to an error rate, and what it can hide.

A transcription is compared with a text that nobody spelt for the comparison. Without a
normaliser right speech counts as wrong: digits against words, as in the paper's
question about the speed of light. With one, some wrong speech counts as right. Both
faults are shown here on pairs of which a listener would know whether what was heard is
what was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from minimind_o.evaluation.alignment import align_words, count_changes
from minimind_o.evaluation.normalise import normalise

Normaliser = Callable[[str, str], str]
"""A text and its language (`en`, `zh`) to the text that is compared."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A text, and what was heard."""

    text: str
    heard: str
    is_right: bool
    """A listener would say: that is what is written."""
    why: str
    """What the pair is about."""
    language: str = "en"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What one normaliser makes of one pair."""

    pair: Pair
    wer: float
    """Word errors per word of the normalised text; a Mandarin character is a word."""

    @property
    def fault(self) -> str:
        """`invented`: right speech has errors; `hidden`: wrong speech has none."""
        if self.pair.is_right and self.wer > 0:
            return "invented"
        return "hidden" if not self.pair.is_right and self.wer == 0 else ""


PAIRS: tuple[Pair, ...] = (
    Pair(
        text="Light travels 299,792,458 metres per second.",
        heard="light travels two hundred ninety nine million seven hundred ninety two "
        "thousand four hundred fifty eight metres per second",
        is_right=True,
        why="a number in digits",
    ),
    Pair(
        text="水在100度沸腾。",
        heard="水 在 一 百 度 沸 腾",
        is_right=True,
        why="the same in Mandarin",
        language="zh",
    ),
    Pair(
        text="It's hot!", heard="it's hot", is_right=True, why="case and punctuation"
    ),
    Pair(text="The answer is 50.", heard="the answer is fifty", is_right=True,
         why="50"),
    Pair(text="The answer is 50.", heard="the answer is fifteen", is_right=False,
         why="15 for 50"),
    Pair(text="The answer is 50.", heard="the answer is five zero", is_right=True,
         why="50, digit by digit"),
    Pair(text="It was in 1984.", heard="it was in nineteen eighty four", is_right=True,
         why="a year"),
    Pair(text="It is -5 degrees.", heard="it is minus five degrees", is_right=True,
         why="the sign is said"),
    Pair(text="It is -5 degrees.", heard="it is five degrees", is_right=False,
         why="the sign is gone"),
    Pair(text="今天-5度。", heard="今 天 五 度", is_right=False,
         why="the sign is gone", language="zh"),
    Pair(text="It costs $5.", heard="it costs five", is_right=False,
         why="the currency is gone"),
    Pair(text="We're at home.", heard="were at home", is_right=False,
         why="an apostrophe is a sound"),
    Pair(text="It is not red.", heard="it is red", is_right=False,
         why="a negation is gone: one word of four"),
    Pair(text="I have two.", heard="i have to", is_right=True, why="a homophone"),
    Pair(text="他喜欢茶。", heard="她 喜 欢 茶", is_right=True, why="a homophone",
         language="zh"),
)  # fmt: skip
"""Pairs on which normalisers differ, or all fail."""


def as_it_is(text: str, language: str) -> str:
    """No normaliser: only the spaces that a transcriber puts into Mandarin."""
    return re.sub(r"(?<=[\u4e00-\u9fff]) (?=[\u4e00-\u9fff])", "", text)


def letters_and_digits(text: str, language: str) -> str:
    """What most scripts do: lower case, no punctuation; digits stay digits."""
    kept = (c if c.isalnum() or c.isspace() else "" for c in text.lower())
    return as_it_is(" ".join("".join(kept).split()), language)


NORMALISERS: Mapping[str, Normaliser] = {
    "none": as_it_is,
    "case and punctuation": letters_and_digits,
    "numbers, too": normalise,
}
"""From none to the one of this package, by name."""


def judge(normaliser: Normaliser, pairs: Sequence[Pair] = PAIRS) -> list[Verdict]:
    """What a normaliser makes of each pair."""
    verdicts = []
    for pair in pairs:
        text, heard = (
            _split(normaliser(side, pair.language)) for side in (pair.text, pair.heard)
        )
        counts = count_changes(align_words(text, heard))
        errors = counts["substitute"] + counts["delete"] + counts["insert"]
        verdicts.append(Verdict(pair=pair, wer=errors / max(len(text), 1)))
    return verdicts


def _split(text: str) -> list[str]:
    """Words; each Mandarin character is one, whatever the normaliser has left."""
    return re.sub(r"([\u4e00-\u9fff])", r" \1 ", text).split()
