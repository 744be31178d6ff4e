"""Character and word error rates of one pair of texts, counted by jiwer."""

from __future__ import annotations

from dataclasses import dataclass

import jiwer

from minimind_o.evaluation.normalise import characters, words


@dataclass(frozen=True, kw_only=True)
class ErrorCount:
    """Substitutions, deletions and insertions against a reference of some length."""

    errors: int
    """Edits that turn the reference into the hypothesis."""
    length: int
    """Characters or words in the reference."""

    @property
    def rate(self) -> float:
        """Errors per reference unit, above 1 where too much was said.

        An empty reference counts as one unit long: hearing anything at all is then an
        error, hearing nothing is none.
        """
        return self.errors / max(self.length, 1)


def character_errors(reference: str, hypothesis: str, language: str) -> ErrorCount:
    """Errors per character of the normalised texts, spaces left out."""
    return _count(
        list(characters(reference, language)), list(characters(hypothesis, language))
    )


def word_errors(reference: str, hypothesis: str, language: str) -> ErrorCount:
    """Errors per word of the normalised texts, a Mandarin character being a word."""
    return _count(words(reference, language), words(hypothesis, language))


def _count(reference: list[str], hypothesis: list[str]) -> ErrorCount:
    # jiwer normalises nothing by itself beyond splitting at spaces, so that characters
    # are just one-letter words to it.
    output = jiwer.process_words(
        reference=" ".join(reference), hypothesis=" ".join(hypothesis)
    )
    errors = output.substitutions + output.deletions + output.insertions
    return ErrorCount(errors=errors, length=len(reference))
