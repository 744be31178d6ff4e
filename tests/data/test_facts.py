"""Pronunciation mark-up: what is written, what is spoken, and how they correspond."""

import re

import pytest

from minimind_o.data.facts import plain, spoken
from minimind_o.data.facts_english import ENGLISH_HETERONYMS
from minimind_o.data.facts_mandarin import MANDARIN_HETERONYMS
from minimind_o.data.speech import VOICES, render

MARKED = re.compile(r"([A-Za-z']+|[㐀-鿿])\{([^}]*)\}")
# The same spelling in two readings, and the first phoneme in which they differ.
PAIRS = [
    ("we live{lIv} here", "we live{l'aIv} here", "I", "aI"),
    ("close{kl'oUz} it", "close{kl'oUs} it", "z", "s"),
    ("I read{r'i:d} it", "I read{r'Ed} it", "i:", "E"),
    ("a lead{l'i:d} pipe", "a lead{l'Ed} pipe", "i:", "E"),
    ("the wind{w'Ind} now", "the wind{w'aInd} now", "I", "aI"),
    ("one tear{t'i@3} now", "one tear{t'e@} now", "i@3", "e@"),
    ("I use{j'u:z} it", "I use{j'u:s} it", "z", "s"),
    ("慢慢地{de5}走", "慢慢地{di4}走", "@", "i"),
    ("他长{zhang3}大", "他长{chang2}大", "ts.", "ts.h"),
    ("很快乐{le4}", "很快乐{yue4}", "l", "j"),
    ("我还{hai2}书", "我还{huan2}书", "ai", "ua"),
]


def phonemes(text: str) -> list[str]:
    """What espeak-ng says, without stress marks and tone boundaries."""
    language = "en-us" if text.isascii() else "cmn"
    names = [name for name, _ in render(text, language, VOICES["ada"]).phonemes]
    bare = [name.strip("',") for name in names if not name.startswith("_")]
    return [name for name in bare if name]


@pytest.mark.parametrize("marked", ENGLISH_HETERONYMS + MANDARIN_HETERONYMS)
def test_the_mark_up_is_stripped_from_the_text_and_forced_in_the_speech(
    marked: str,
) -> None:
    text, origins = spoken(marked)
    written = plain(marked)
    assert not set("{}[]") & set(written)
    assert "{" not in text
    assert len(origins) == len(text)
    for word, sounds in MARKED.findall(marked):
        forced = f"[[{sounds}]]" if word.isascii() else f" {sounds} "
        at = text.index(forced)
        assert written[origins[at] :].startswith(word)


def test_every_character_comes_from_its_own_place_in_the_text() -> None:
    text, origins = spoken("Yes, live{l'aIv} music!")
    assert text == "Yes, [[l'aIv]] music!"
    written = "Yes, live music!"
    assert [written[i] for i in origins[:5]] == list("Yes, ")
    assert set(origins[5:14]) == {5}
    assert "".join(written[i] for i in origins[14:]) == " music!"


@pytest.mark.parametrize(("one", "other", "only_one", "only_other"), PAIRS)
def test_two_readings_of_a_word_sound_different(
    one: str, other: str, only_one: str, only_other: str
) -> None:
    first, second = phonemes(spoken(one)[0]), phonemes(spoken(other)[0])
    assert plain(one) == plain(other)
    changed = [(a, b) for a, b in zip(first, second, strict=False) if a != b]
    assert changed, "espeak-ng read both alike"
    assert changed[0] == (only_one, only_other)
