"""Which words were heard instead of which: two texts laid word beside word.

The words are those of the error rate: normalised, a Mandarin character being one. In a
marked text `[-red-]` was written and not heard, `{+hat+}` was heard and not written,
and `[-red-]{+hat+}` is one in place of the other (the notation of `wdiff`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import jiwer

from minimind_o.evaluation.normalise import words

Change = Literal["equal", "substitute", "delete", "insert"]


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Neighbouring words that went the same way."""

    change: Change
    """What happened to the words of the reference."""
    reference: tuple[str, ...]
    """Words that should be there; none for an insertion."""
    heard: tuple[str, ...]
    """Words that are there; none for a deletion, as many for a substitution."""


def align(reference: str, heard: str, language: str) -> list[Chunk]:
    """The alignment of fewest word errors, in the order of the texts."""
    return align_words(words(reference, language), words(heard, language))


def align_words(reference: Sequence[str], heard: Sequence[str]) -> list[Chunk]:
    """The same for two lists of words without spaces, as they are."""
    output = jiwer.process_words(
        reference=" ".join(reference), hypothesis=" ".join(heard)
    )
    return [
        Chunk(
            change=part.type,
            reference=tuple(reference[part.ref_start_idx : part.ref_end_idx]),
            heard=tuple(heard[part.hyp_start_idx : part.hyp_end_idx]),
        )
        for part in output.alignments[0]
    ]


def marked(chunks: Iterable[Chunk]) -> str:
    """One line to read, as at the top of this file; equal words stand as they are."""
    pieces = []
    for chunk in chunks:
        said, heard = " ".join(chunk.reference), " ".join(chunk.heard)
        if chunk.change == "equal":
            pieces.append(said)
        else:
            lost = f"[-{said}-]" if said else ""
            pieces.append(lost + (f"{{+{heard}+}}" if heard else ""))
    return " ".join(pieces)


def count_changes(chunks: Iterable[Chunk]) -> dict[Change, int]:
    """How many words were equal, substituted, deleted and inserted."""
    counts: dict[Change, int] = dict.fromkeys(
        ("equal", "substitute", "delete", "insert"), 0
    )
    for chunk in chunks:
        counts[chunk.change] += max(len(chunk.reference), len(chunk.heard))
    return counts


def confusions(chunks: Iterable[Chunk]) -> Counter[tuple[str, str]]:
    """Pairs of a word and what was heard for it, counted; "" where there is none."""
    pairs: Counter[tuple[str, str]] = Counter()
    for chunk in chunks:
        if chunk.change == "substitute":
            pairs.update(zip(chunk.reference, chunk.heard, strict=True))
        elif chunk.change == "delete":
            pairs.update((word, "") for word in chunk.reference)
        elif chunk.change == "insert":
            pairs.update(("", word) for word in chunk.heard)
    return pairs
