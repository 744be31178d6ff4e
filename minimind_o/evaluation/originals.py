"""Recordings of nano answers before the codec, synthesised anew.

A Parquet row keeps an answer as codes only. The floor of every error rate needs its
sound before the codec; the nano world can say it again, in the same voice and with the
same forced pronunciations. A picture's description needs none, and is spoken as it is
written. Not sample for sample: the phases of the synthesiser's waves go on from one
call to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Literal, get_args

from minimind_o.data import world
from minimind_o.data.facts import spoken
from minimind_o.data.speech import SEEN_VOICES, VOICES, render
from minimind_o.evaluation.cases import Case, KnownVoice
from minimind_o.evaluation.transcribe import Wave
from minimind_o.frozen.mimi import Mimi
from minimind_o.nano.answers import LANGUAGE
from minimind_o.nano.voice_prompts import reference_codes, reference_waves

_NUM_TEXTS = 3000
"""Held-out read-aloud texts to look through; more than a test split holds."""


def original_waves(cases: Sequence[Case]) -> list[Wave | None]:
    """Each answer at 24 kHz; None where voice or text are not the nano world's."""
    return [_original(case) for case in cases]


def reference_voices(mimi: Mimi) -> list[KnownVoice]:
    """The voice prompts that nano rows draw from, several for each seen voice."""
    return [
        (name, reference_codes(mimi, wave))
        for name in SEEN_VOICES
        for wave in reference_waves(VOICES[name])
    ]


def _original(case: Case) -> Wave | None:
    if case.voice not in VOICES:
        return None
    plain = case.answer if case.kind == "picture" else None
    marked = _marked_answers().get(case.answer, plain)
    if marked is None:
        return None
    text, _ = spoken(marked)
    return render(text, LANGUAGE[case.language], VOICES[case.voice]).wave


@cache
def _marked_answers() -> dict[str, str]:
    """Pronunciation mark-up of every held-out answer, by its plain text."""
    splits: tuple[Literal["validation", "test"], ...] = ("validation", "test")
    dialogues = chain.from_iterable(
        chain(
            world.fact_dialogues(language, split),
            world.held_out_texts(language, split, _NUM_TEXTS),
        )
        for language in get_args(world.Language)
        for split in splits
    )
    return {dialogue.answer: dialogue.marked_answer for dialogue in dialogues}
