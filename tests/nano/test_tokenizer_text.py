"""The nano tokenizer cuts words into short pieces, and no piece holds two words."""

import itertools
import re

import pytest

from minimind_o import tokenizer as tokenizers
from minimind_o.assets import Assets
from minimind_o.chat import CONTROL_TOKENS
from minimind_o.data import vocabulary
from minimind_o.data.world import Language, fact_dialogues, read_aloud_stream
from minimind_o.nano.tokenizer_text import LONGEST_PIECE, tokenizer_texts
from minimind_o.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def nano() -> Tokenizer:
    """The committed tokenizer."""
    return tokenizers.load(Assets.find().tokenizer)


def english_words() -> set[str]:
    """What the texts are drawn from, and the words never drawn alone."""
    drawn = vocabulary.all_english_words()
    return {*drawn, *vocabulary.HETERONYMS, *vocabulary.HOMOPHONES}


def test_no_piece_is_longer_than_three_bytes(nano: Tokenizer) -> None:
    sizes = {
        len(nano.token_bytes(index))
        for index in range(len(CONTROL_TOKENS), nano.vocab_size)
    }
    assert sizes == {1, 2, LONGEST_PIECE}


def test_english_words_take_a_piece_for_two_or_three_letters(nano: Tokenizer) -> None:
    letters = sum(map(len, english_words()))
    pieces = sum(len(nano.encode(f" {word}")) for word in english_words())
    assert 1.9 < letters / pieces < 3


def test_every_mandarin_character_is_one_token(nano: Tokenizer) -> None:
    characters = set("".join(vocabulary.MANDARIN_WORDS))
    for dialogue in fact_dialogues("zh", "test"):
        characters |= set(dialogue.question + dialogue.answer)
    assert len(characters) > 150
    for character in characters:
        assert len(nano.encode(character)) == 1, character


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_token_spans_two_words(nano: Tokenizer, language: Language) -> None:
    word = re.compile(r"[A-Za-z]+" if language == "en" else r"[㐀-鿿]")
    drawn = itertools.islice(read_aloud_stream(1, language), 500)
    for dialogue in (*fact_dialogues(language, "test")[::7], *drawn):
        for text in (dialogue.question, dialogue.answer):
            pieces = [nano.decode([token]) for token in nano.encode(text)]
            for piece in pieces:
                assert len(word.findall(piece)) <= 1, (piece, text)


def test_a_text_comes_back_as_it_was(nano: Tokenizer) -> None:
    for language in ("en", "zh"):
        for dialogue in fact_dialogues(language, "validation")[::11]:
            assert nano.decode(nano.encode(dialogue.question)) == dialogue.question


def test_the_training_text_holds_single_words_only() -> None:
    texts = set(tokenizer_texts(1))
    assert {" cat", "cat", "Cat", "猫"} <= texts
    for text in texts - {"Say:", "Say: ", "读：", "user\n", "assistant\n"}:
        assert len(re.findall(r"[A-Za-z]+|[㐀-鿿]", text)) <= 1, text
