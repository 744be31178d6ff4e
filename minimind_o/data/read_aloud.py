"""Texts to read aloud, composed at random from the world's words.

Half are grammatical, half are plain sequences of words, some with repetitions: a
learner may type anything, so the model must learn to walk along a text, not to know
texts.
"""

from typing import Literal

import numpy as np

from minimind_o.data import vocabulary as v
from minimind_o.data.facts_english import ENGLISH_HETERONYMS
from minimind_o.data.facts_mandarin import MANDARIN_HETERONYMS

_ENGLISH_CLASSES = {
    "N": v.ANIMALS + v.PEOPLE + v.THINGS, "A": v.ADJECTIVES + v.COLOURS, "V": v.VERBS,
    "M": v.MOVES, "L": v.PLACES, "R": v.ADVERBS, "P": v.PREPOSITIONS, "#": v.NUMBERS,
    "D": v.DAYS, "O": v.MONTHS,
    "T": ["the", "a", "my", "your", "this", "our", "his", "her"],
}  # fmt: skip
_ENGLISH_PATTERNS = (
    "T A N M R", "T N V T A N", "T N V T N P T L", "T A N is A and A", "# A N M P T L",
    "T N M P T L", "I like T A N", "on D T N V T N", "in O T N is A", "T N is P T N",
    "we will M R", "# and # is not #", "T A A N V T N", "it is A R", "where is T A N",
)  # fmt: skip
_MANDARIN_CLASSES = {
    "N": v.ZH_ANIMALS + v.ZH_PEOPLE + v.ZH_THINGS, "A": v.ZH_ADJECTIVES,
    "V": v.ZH_VERBS, "M": v.ZH_MOVES, "L": v.ZH_PLACES, "T": v.ZH_TIMES,
    "#": v.ZH_NUMBERS, "P": v.ZH_PEOPLE,
}  # fmt: skip
_MANDARIN_PATTERNS = (
    "T P 在 L M", "P V A N", "N 很 A", "T N 很 A", "我 V N", "P 在 L V N", "# 个 N",
    "T 我 M", "A N 在 L", "P 不 V N", "N 和 N 都 很 A",
)  # fmt: skip


def _pattern(
    rng: np.random.Generator, patterns: tuple[str, ...], classes: dict
) -> list[str]:
    slots = patterns[rng.integers(len(patterns))].split()
    return [str(rng.choice(classes[s])) if s in classes else s for s in slots]


def _loose_words(rng: np.random.Generator, language: str, count: int) -> list[str]:
    pool = v.all_english_words() if language == "en" else v.MANDARIN_WORDS
    words = [pool[i] for i in rng.integers(0, len(pool), count)]
    if rng.random() < 0.25 and count > 1:
        at = int(rng.integers(1, count))
        words[at] = words[at - 1]
    return words


def compose(
    rng: np.random.Generator, language: Literal["en", "zh"], num_words: int
) -> str:
    """A text of about `num_words` words, marked up where pronunciation matters."""
    heteronyms = ENGLISH_HETERONYMS if language == "en" else MANDARIN_HETERONYMS
    patterns = _ENGLISH_PATTERNS if language == "en" else _MANDARIN_PATTERNS
    classes = _ENGLISH_CLASSES if language == "en" else _MANDARIN_CLASSES
    if rng.random() < 0.5:
        words = _loose_words(rng, language, num_words)
    else:
        words = []
        while len(words) < num_words:
            if words and language == "en" and rng.random() < 0.5:
                words.append("and")
            if rng.random() < 0.12:
                words += [str(rng.choice(heteronyms))]
            else:
                words += _pattern(rng, patterns, classes)
        if language == "en" and num_words < 4:
            words = words[:num_words]
    return (" " if language == "en" else "").join(words)
