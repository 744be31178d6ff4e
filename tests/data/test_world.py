"""The nano world: what it holds, in which shares, and what is kept out of training."""

import itertools
import re
from collections import Counter

import pytest

from minimind_o.data import vocabulary
from minimind_o.data.facts import plain
from minimind_o.data.world import (
    Dialogue,
    Language,
    Split,
    fact_dialogues,
    held_out_texts,
    read_aloud_stream,
    world_words,
)
from minimind_o.nano.llm import WorldText

LANGUAGES: tuple[Language, ...] = ("en", "zh")
HELD_OUT: tuple[Split, ...] = ("validation", "test")
MARKED = re.compile(r"(?:[A-Za-z']+|[㐀-鿿])\{[^}]*\}")


def num_words(text: str) -> int:
    """English words, or Mandarin characters halved (most words have one or two)."""
    return len(text.split()) if text.isascii() else (len(text) + 1) // 2


@pytest.fixture(scope="module")
def drawn() -> list[Dialogue]:
    """What training sees, a tenth of an epoch."""
    world = WorldText(0)
    return [world.draw(0.6) for _ in range(2000)]


def test_three_quarters_are_english(drawn: list[Dialogue]) -> None:
    counts = Counter(dialogue.language for dialogue in drawn)
    assert 0.72 < counts["en"] / len(drawn) < 0.78
    for dialogue in drawn:
        assert (dialogue.language == "en") == dialogue.answer.isascii(), dialogue


def test_every_kind_of_dialogue_is_drawn_in_both_languages(
    drawn: list[Dialogue],
) -> None:
    families = "arithmetic day month opposite colour animal talk read".split()
    assert {(d.language, d.family) for d in drawn} == set(
        itertools.product(LANGUAGES, families)
    )


def test_the_world_is_small_enough_to_learn_and_large_enough_to_play() -> None:
    english, mandarin = world_words()
    assert 300 <= len(english) <= 600
    assert 100 <= len(mandarin) <= 200


def test_answers_are_composed_of_the_worlds_words(drawn: list[Dialogue]) -> None:
    english, _ = world_words()
    for dialogue in drawn:
        if dialogue.language == "en":
            words = re.findall(r"[a-z]+", dialogue.answer.lower())
            assert not set(words) - english, dialogue


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_to_read_aloud_have_one_to_thirty_words(language: Language) -> None:
    dialogues = list(itertools.islice(read_aloud_stream(3, language), 2000))
    lengths = [num_words(dialogue.answer) for dialogue in dialogues]
    # The last phrase may begin at the thirtieth word.
    assert min(lengths) == 1
    assert 20 < max(lengths) <= 42
    assert sum(2 <= length <= 12 for length in lengths) > 0.7 * len(lengths)
    for dialogue in dialogues:
        assert dialogue.question.endswith(dialogue.answer)
        assert dialogue.question != dialogue.answer


def test_some_answers_are_long_and_most_are_short() -> None:
    lengths = [num_words(dialogue.answer) for dialogue in fact_dialogues("en", "train")]
    assert any(16 <= length <= 30 for length in lengths)
    assert max(lengths) <= 30
    assert sum(length < 12 for length in lengths) > 0.9 * len(lengths)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("split", HELD_OUT)
def test_held_out_facts_are_known_only_from_other_phrasings(
    language: Language, split: Split
) -> None:
    training = fact_dialogues(language, "train")
    asked = {dialogue.question.lower() for dialogue in training}
    ways = Counter(dialogue.answer for dialogue in training)
    held_out = fact_dialogues(language, split)
    assert len(held_out) > 200
    for dialogue in held_out:
        assert dialogue.question.lower() not in asked, dialogue
        assert ways[dialogue.answer] >= 3, dialogue


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("split", HELD_OUT)
def test_a_question_form_is_held_out_under_every_opening(
    language: Language, split: Split
) -> None:
    asked: dict[str, list[str]] = {}
    for dialogue in fact_dialogues(language, "train"):
        asked.setdefault(dialogue.answer, []).append(dialogue.question.lower())
    bare: dict[str, str] = {}
    for dialogue in fact_dialogues(language, split):
        if dialogue.family != "talk":  # small talk holds out pairs of form and opening
            shortest = bare.get(dialogue.answer, dialogue.question)
            bare[dialogue.answer] = min(shortest, dialogue.question, key=len)
    for answer, form in bare.items():
        for question in asked[answer]:
            assert not question.endswith(form.lower()), (question, form)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_question_has_two_answers(language: Language) -> None:
    splits: tuple[Split, ...] = ("train", *HELD_OUT)
    dialogues = [d for split in splits for d in fact_dialogues(language, split)]
    assert len({dialogue.question for dialogue in dialogues}) == len(dialogues)


@pytest.mark.parametrize("language", LANGUAGES)
def test_held_out_texts_never_occur_in_training(
    language: Language, drawn: list[Dialogue]
) -> None:
    texts = {
        dialogue.answer
        for split in HELD_OUT
        for dialogue in held_out_texts(language, split, 300)
    }
    assert len(texts) >= 590
    assert not texts & {dialogue.answer for dialogue in drawn}
    # Without the list of what is left out, the stream would run into some of them.
    stream = itertools.islice(read_aloud_stream(3, language, frozenset(texts)), 6000)
    assert not texts & {dialogue.answer for dialogue in stream}
    plain_stream = itertools.islice(read_aloud_stream(3, language), 6000)
    assert texts & {dialogue.answer for dialogue in plain_stream}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("split", HELD_OUT)
def test_held_out_texts_have_two_to_twelve_words(
    language: Language, split: Split
) -> None:
    lengths = [num_words(d.answer) for d in held_out_texts(language, split, 300)]
    assert min(lengths) >= 1
    assert max(lengths) <= 12
    assert len(lengths) == 300


def test_the_world_is_the_same_for_a_seed() -> None:
    worlds = WorldText(4), WorldText(4), WorldText(5)
    one, same, other = ([w.draw() for _ in range(50)] for w in worlds)
    assert one == same
    assert one != other


def test_heteronyms_never_go_unmarked(drawn: list[Dialogue]) -> None:
    facts = [d for split in HELD_OUT for d in fact_dialogues("en", split)]
    marked = 0
    for dialogue in drawn + facts:
        assert plain(dialogue.marked_answer) == dialogue.answer
        assert not set("{}[]") & set(dialogue.answer + dialogue.question)
        rest = MARKED.sub(" ", dialogue.marked_answer)
        words = {word.lower() for word in re.findall(r"[A-Za-z]+", rest)}
        assert not words & vocabulary.HETERONYMS, dialogue
        marked += rest != dialogue.marked_answer
    assert marked > 100
