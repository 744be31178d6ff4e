"""Speech next to the text it should say: what was heard, and how far off it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from minimind_o.evaluation.alignment import Chunk, align
from minimind_o.evaluation.error_rates import (
    ErrorCount,
    character_errors,
    word_errors,
)
from minimind_o.evaluation.statistics import (
    Estimate,
    bootstrap_mean,
    bootstrap_ratio,
)
from minimind_o.evaluation.transcribe import Transcriber, Wave, transcribe_all


@dataclass(frozen=True, kw_only=True)
class Hearing:
    """One utterance: the text it should say and the text that was heard."""

    text: str
    """What should have been said, not normalised."""
    heard: str
    """The transcription, not normalised."""
    language: str
    """`en` or `zh`."""
    characters: ErrorCount
    """Character errors between the two, normalised."""
    words: ErrorCount
    """Word errors between the two, normalised."""

    @property
    def chunks(self) -> list[Chunk]:
        """Which words were heard, which were not, and which in place of which."""
        return align(self.text, self.heard, self.language)


@dataclass(frozen=True, kw_only=True)
class ErrorSummary:
    """Error rates over many utterances, each with its bootstrap interval."""

    cer: Estimate
    """All character errors over all characters: long utterances weigh more."""
    wer: Estimate
    """All word errors over all words."""
    mean_cer: Estimate
    """Mean of the utterances' own rates: every utterance weighs the same."""
    mean_wer: Estimate
    """Mean of the utterances' own word error rates."""


def hear(
    texts: Sequence[str],
    waves: Sequence[Wave],
    languages: Sequence[str],
    transcriber: Transcriber,
    sample_rate: int,
) -> list[Hearing]:
    """Transcribe `waves` and compare each with its text.

    Raises:
        UserError: the transcriber does not give one text per wave.
        ValueError: the three lists differ in length.
    """
    heard = transcribe_all(transcriber, waves, sample_rate)
    return [
        Hearing(
            text=text,
            heard=said,
            language=language,
            characters=character_errors(text, said, language),
            words=word_errors(text, said, language),
        )
        for text, said, language in zip(texts, heard, languages, strict=True)
    ]


def summarise(hearings: Sequence[Hearing], seed: int = 0) -> ErrorSummary | None:
    """Error rates with intervals; None where there is no word to compare with."""
    if sum(hearing.words.length for hearing in hearings) == 0:
        return None
    characters = [hearing.characters for hearing in hearings]
    words = [hearing.words for hearing in hearings]
    return ErrorSummary(
        cer=_corpus(characters, seed),
        wer=_corpus(words, seed),
        mean_cer=bootstrap_mean([count.rate for count in characters], seed=seed),
        mean_wer=bootstrap_mean([count.rate for count in words], seed=seed),
    )


def _corpus(counts: Sequence[ErrorCount], seed: int) -> Estimate:
    return bootstrap_ratio(
        [count.errors for count in counts],
        [count.length for count in counts],
        seed=seed,
    )
