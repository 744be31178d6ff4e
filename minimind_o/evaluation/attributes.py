"""What a description names: colours, sizes, things, places and numbers.

The words are those of the nano pictures (`minimind_o.data.pictures`). Only *whether* a
word is there counts, not what it belongs to: "a red cup and a blue car" names all that
"a blue cup and a red car" does. That is why the share of descriptions that are right as
a whole stands beside these figures.
"""

from __future__ import annotations

from collections import Counter
from typing import Literal, get_args

from minimind_o.data.pictures import COLOURS, MANDARIN, NUMBERS, PLURALS, THINGS
from minimind_o.evaluation.normalise import normalise, words

Attribute = Literal["colour", "size", "thing", "place", "number"]
ATTRIBUTES: tuple[Attribute, ...] = get_args(Attribute)

_PLACES = ("left", "right", "high", "low", "under")
_ENGLISH: dict[str, tuple[Attribute, str]] = {
    **{name: ("colour", name) for name in COLOURS},
    **{name: ("size", name) for name in ("big", "small")},
    **{name: ("thing", name) for name in THINGS},
    **{plural: ("thing", name) for name, plural in PLURALS.items()},
    **{name: ("place", name) for name in _PLACES},
    **{name: ("number", name) for name in NUMBERS.values()},
}
_MANDARIN: dict[str, Attribute] = {
    word: (
        "number"
        if isinstance(name, int)
        else "place"
        if name in ("left", "right", "up", "down")
        else _ENGLISH[name][0]
    )
    for name, word in MANDARIN.items()
}

Named = Counter[tuple[Attribute, str]]


def attributes(text: str, language: str) -> Named:
    """The attributes that a text names, each as often as it is named."""
    if language == "zh":
        # Spaces between characters are the transcriber's, not the writer's.
        spoken = normalise(text, language)
        return Counter(
            {
                (kind, word): spoken.count(word)
                for word, kind in _MANDARIN.items()
                if word in spoken
            }
        )
    return Counter(_ENGLISH[word] for word in words(text, language) if word in _ENGLISH)


def named_of(
    reference: str, text: str, language: str
) -> dict[Attribute, tuple[int, int]]:
    """For each attribute: how many of the reference's the text names, and of how many.

    A colour that the reference has twice counts twice. Naming more costs nothing here;
    it costs precision in `token_f1`.
    """
    wanted = attributes(reference, language)
    both = wanted & attributes(text, language)
    return {kind: (_of_kind(both, kind), _of_kind(wanted, kind)) for kind in ATTRIBUTES}


def token_f1(reference: str, text: str, language: str) -> float:
    """Harmonic mean of precision and recall of the words, in any order.

    As in question answering (Rajpurkar et al. 2016, arXiv 1606.05250): each word counts
    as often as it stands in both texts. 1 for two texts without any word.
    """
    wanted = Counter(words(reference, language))
    found = Counter(words(text, language))
    total = wanted.total() + found.total()
    return 2 * (wanted & found).total() / total if total else 1.0


def _of_kind(named: Named, kind: Attribute) -> int:
    return sum(count for (own, _), count in named.items() if own == kind)
