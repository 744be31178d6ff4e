"""A description of a picture against a reference.

The paper (tables 5 and 10) compares the description of each of nine pictures with a
reference of about its length, by CER and WER, and takes the means. Free descriptions of
one picture share few words, though: the models' mean WER is 0.98 and 1.03 there, and a
text of as many wrong words has 1.

Here a picture has one reference, which names every attribute of what is shown
(`minimind_o.data.pictures.describe`; in other data it is the row's answer). So besides
the paper's two figures, per picture and as means, there are

- *token F1*: words in common, in any order;
- *right*: the same text, normalised;
- for each attribute, the share of the reference's that the description names.

References of equal length: a reference is not cut, which would drop what is to be
judged. Instead the figures are given again for those descriptions whose reference has
between 3/4 and 4/3 of their words (as all rows of the paper's table 10), and beside
them for *another picture*: the reference of a different scene with as many words, in
place of the description. That is what fluent guessing earns. Floor and ceiling are what
the transcriber makes of the reference itself, spoken before and through the codec.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minimind_o.evaluation.attributes import Attribute, named_of, token_f1
from minimind_o.evaluation.error_rates import (
    ErrorCount,
    character_errors,
    word_errors,
)
from minimind_o.evaluation.normalise import normalise, words
from minimind_o.evaluation.report import Item

LENGTH_MATCHED = (3 / 4, 4 / 3)
"""Words of the reference over words of the description."""


@dataclass(frozen=True, kw_only=True)
class Match:
    """One text against the reference."""

    characters: ErrorCount
    words: ErrorCount
    f1: float
    """Of words, in any order."""
    is_right: bool
    """The same text, normalised."""
    named: dict[Attribute, tuple[int, int]]
    """Attributes of the reference that are named, and of how many."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """One picture: what the model wrote and said of it, and what to hold it against."""

    item: Item
    written: Match
    """The model's text."""
    heard: Match
    """What was heard of its speech."""
    other: Match | None
    """The reference of another picture, as long; None where there is none."""
    floor: Match | None
    """The reference as heard before the codec."""
    ceiling: Match | None
    """The reference as heard through the codec."""

    @property
    def is_length_matched(self) -> bool:
        """Reference and description have about as many words."""
        low, high = LENGTH_MATCHED
        return low <= self.written.words.length / max(self.item.num_words, 1) <= high


def describe_items(items: Sequence[Item], seed: int = 0) -> list[Description]:
    """Compare each item with its reference and with another's of equal length."""
    described = []
    for item, other in zip(items, other_references(items, seed), strict=True):
        floor = None if item.floor is None else item.floor.heard
        ceiling = None if item.ceiling is None else item.ceiling.heard
        described.append(
            Description(
                item=item,
                written=match(item.hearing.text, item),
                heard=match(item.hearing.heard, item),
                other=None if other is None else match(other, item),
                floor=None if floor is None else match(floor, item),
                ceiling=None if ceiling is None else match(ceiling, item),
            )
        )
    return described


def match(text: str, item: Item) -> Match:
    """Compare a text with the reference of an item."""
    reference, language = item.reference_answer, item.hearing.language
    return Match(
        characters=character_errors(reference, text, language),
        words=word_errors(reference, text, language),
        f1=token_f1(reference, text, language),
        is_right=normalise(reference, language) == normalise(text, language),
        named=named_of(reference, text, language),
    )


def other_references(items: Sequence[Item], seed: int = 0) -> list[str | None]:
    """For each item the reference of another scene in its language, as long.

    Where none has as many words, one of those that come nearest; None where every
    reference in the language is the same.
    """
    rng = np.random.default_rng(seed)
    own = [(item.hearing.language, item.reference_answer) for item in items]
    lengths = {key: len(words(key[1], key[0])) for key in own}
    drawn: list[str | None] = []
    for key in own:
        others = sorted(k for k in lengths if k[0] == key[0] and k != key)
        distances = [abs(lengths[k] - lengths[key]) for k in others]
        nearest = [
            k for k, d in zip(others, distances, strict=True) if d == min(distances)
        ]
        drawn.append(nearest[rng.integers(len(nearest))][1] if nearest else None)
    return drawn
