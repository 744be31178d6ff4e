"""The nano world: short dialogues in English and Mandarin, generated from a seed.

Two kinds of dialogue:

- **facts**: a question form asked through an opening, one right answer. Of every fact
  of a templated family one question form is held out of training altogether (the others
  teach the fact, other facts teach the form); of small talk, whose forms are its own, a
  fifth of the pairs of form and opening. So a right answer to them is generalisation.
- **read-aloud**: `Say: …` or `读：…`, a text composed at random, answered by itself.
  The test texts never occur in training.
"""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from minimind_o.data import facts_english, facts_mandarin, vocabulary
from minimind_o.data.facts import Fact, plain
from minimind_o.data.read_aloud import compose

Language = Literal["en", "zh"]
Split = Literal["train", "validation", "test"]


@dataclass(frozen=True, kw_only=True)
class Dialogue:
    """One question and its answer.

    answer: plain text. marked_answer: the same with pronunciation mark-up.
    kind: `fact` or `read`. family: the fact's family, or `read`.
    """

    question: str
    answer: str
    marked_answer: str
    language: Language
    kind: Literal["fact", "read"]
    family: str


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _facts(language: Language) -> tuple[list[Fact], tuple[str, ...]]:
    if language == "en":
        return facts_english.english_facts(), facts_english.OPENINGS
    return facts_mandarin.mandarin_facts(), facts_mandarin.OPENINGS


def _dialogue(fact: Fact, question: str, language: Language) -> Dialogue:
    return Dialogue(
        question=_sentence(question),
        answer=plain(fact.answer),
        marked_answer=fact.answer,
        language=language,
        kind="fact",
        family=fact.family,
    )


@functools.cache
def fact_dialogues(language: Language, split: Split) -> tuple[Dialogue, ...]:
    """Every fact in every phrasing of a split.

    Of the held-out phrasings, odd facts make the test split and even ones validation.
    """
    facts, openings = _facts(language)
    dialogues = []
    for index, fact in enumerate(facts):
        for form, question in enumerate(fact.questions):
            for rank, opening in enumerate(openings):
                if fact.family == "talk":
                    held_out = (index + form + rank) % len(openings) == 0
                else:
                    held_out = form == index % len(fact.questions)
                home = ("validation", "test")[index % 2] if held_out else "train"
                if home == split:
                    dialogues.append(
                        _dialogue(fact, opening.format(question), language)
                    )
    return tuple(dialogues)


def read_aloud(
    rng: np.random.Generator, language: Language, num_words: int
) -> Dialogue:
    """One read-aloud request of about `num_words` words."""
    marked = compose(rng, language, num_words)
    if language == "en" and rng.random() < 0.4:
        marked = _sentence(marked) + "."
    elif language == "zh" and rng.random() < 0.4:
        marked = marked + "。"
    return read_aloud_request(marked, language)


def read_aloud_request(marked: str, language: Language) -> Dialogue:
    """The request to read a text aloud, marked up where pronunciation matters."""
    text = plain(marked)
    return Dialogue(
        question=("Say: " if language == "en" else "读：") + text,
        answer=text,
        marked_answer=marked,
        language=language,
        kind="read",
        family="read",
    )


def draw_length(rng: np.random.Generator) -> int:
    """Words in a read-aloud text: 1 to 30, mostly 2 to 12."""
    if rng.random() < 0.06:
        return int(rng.integers(13, 31))
    return int(rng.integers(1, 13))


def read_aloud_stream(
    seed: int, language: Language, exclude: frozenset[str] = frozenset()
) -> Iterator[Dialogue]:
    """Endless read-aloud requests, without the texts in `exclude`."""
    rng = np.random.default_rng([seed, 0 if language == "en" else 1])
    while True:
        dialogue = read_aloud(rng, language, draw_length(rng))
        if dialogue.answer not in exclude:
            yield dialogue


@functools.cache
def held_out_texts(
    language: Language, split: Split, count: int
) -> tuple[Dialogue, ...]:
    """Distinct read-aloud requests of 2 to 12 words of a held-out split."""
    rng = np.random.default_rng([7, ("validation", "test").index(split)])
    texts: dict[str, Dialogue] = {}
    while len(texts) < count:
        dialogue = read_aloud(rng, language, int(rng.integers(2, 13)))
        limit = (
            len(dialogue.answer.split())
            if language == "en"
            else len(dialogue.answer) / 2
        )
        if limit <= 12:
            texts.setdefault(dialogue.answer, dialogue)
    return tuple(texts.values())


@functools.cache
def held_out_answers(language: Language) -> frozenset[str]:
    """The held-out read-aloud texts that no training may draw."""
    splits: tuple[Split, ...] = ("validation", "test")
    return frozenset(
        dialogue.answer
        for split in splits
        for dialogue in held_out_texts(language, split, 300)
    )


def world_words() -> tuple[set[str], set[str]]:
    """Distinct English words (lower case, heteronyms included) and Mandarin words."""
    drawn = vocabulary.all_english_words()
    english = {*drawn, *vocabulary.HETERONYMS, *vocabulary.HOMOPHONES}
    for text in facts_english.OPENINGS + facts_english.ENGLISH_HETERONYMS:
        english |= set(re.findall(r"[A-Za-z]+", plain(text)))
    return {word.lower() for word in english}, set(vocabulary.MANDARIN_WORDS)
