"""One spelling for one sound, in two languages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimind_o.evaluation.normalise import characters, normalise, words
from minimind_o.evaluation.numerals import (
    LARGEST,
    english_number,
    english_ordinal,
    mandarin_number,
)

_MIXED = st.text(
    st.sampled_from("aI's 21409,.-:　ＡＢ１，。！一十百两〇年加stand\u0301é")
)
_WORDS_AND_NUMBERS = st.lists(
    st.sampled_from(
        ["one", "hundred", "and", "21", "1,000", "二十一", "一十", "100", "day", "年"]
    )
).map(" ".join)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Twenty-one!", "21"),
        ("twenty one", "21."),
        ("one hundred and five days", "105 days"),
        ("1,234 cats", "one thousand, two hundred and thirty-four cats"),
        ("the 21st of May", "the twenty-first of may"),
        ("3.5 days", "three point five days"),
        ("It’s 7.", "its seven"),
        ("ＨＥＬＬＯ， １２", "hello twelve"),
        ("今天是5月21日。", "今天是五月二十一日"),
        ("二加三等于五。", "2加3等于5"),
        ("有两百个苹果", "有200个苹果"),
        ("2024年", "二〇二四年"),
        ("我 有 ３ 只 猫！", "我有三只猫"),
        ("一共一十二个", "一共12个"),
    ],
)
def test_two_spellings_of_one_sound_are_equal(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("twenty one", "twelve"),
        ("21", "201"),
        ("二十一", "十二"),
        ("cat and dog", "cat dog"),
        ("one hundred and cats", "one hundred cats"),
        ("two", "to"),
        ("3.5", "35"),
    ],
)
def test_two_sounds_stay_two(one: str, other: str) -> None:
    assert normalise(one) != normalise(other)


def test_nearest_letter_decides_the_language_of_a_number() -> None:
    assert normalise("我有21个 apples") == "我有二十一个 apples"
    assert normalise("say 21 apples, 苹果") == "say twenty one apples 苹果"


def test_lone_number_takes_the_stated_language() -> None:
    assert normalise("21", language="zh") == normalise("二十一")
    assert normalise("21", language="en") == "twenty one"
    with pytest.raises(ValueError, match="'en' or 'zh'"):
        normalise("21", language="de")


def test_mandarin_characters_are_words_and_cer_has_no_spaces() -> None:
    assert words("我有2 red apples。") == ["我", "有", "二", "red", "apples"]
    assert characters("Red apples, 两个!") == "redapples二个"


def test_spaces_inside_mandarin_do_not_matter_but_borders_have_one() -> None:
    assert normalise("你 好hello 世 界") == "你好 hello 世界"


def test_leading_zero_and_endless_digits_are_read_one_by_one() -> None:
    assert normalise("007") == "zero zero seven"
    assert normalise("9" * 5000).split() == ["nine"] * 5000


@pytest.mark.parametrize(
    ("number", "english", "mandarin"),
    [
        (0, "zero", "零"),
        (10, "ten", "十"),
        (19, "nineteen", "十九"),
        (110, "one hundred ten", "一百一十"),
        (1005, "one thousand five", "一千零五"),
        (1010, "one thousand ten", "一千零一十"),
        (9999, "nine thousand nine hundred ninety nine", "九千九百九十九"),
        (10_000, "ten thousand", "一万"),
        (100_005, "one hundred thousand five", "十万零五"),
        (LARGEST, None, "九千九百九十九亿九千九百九十九万九千九百九十九"),
    ],
)
def test_numbers_are_spelt_as_spoken(
    number: int, english: str | None, mandarin: str
) -> None:
    assert mandarin_number(number) == mandarin
    assert english is None or english_number(number) == english


def test_every_number_to_9999_has_its_own_words_and_a_digit_form() -> None:
    for spell, language in ((english_number, "en"), (mandarin_number, "zh")):
        spelt = [spell(number) for number in range(10_000)]
        assert len(set(spelt)) == 10_000
        for number, text in enumerate(spelt):
            assert normalise(str(number), language) == text == normalise(text)


def test_ordinals() -> None:
    spelt = [english_ordinal(number) for number in (1, 12, 20, 33, 100)]
    assert spelt == ["first", "twelfth", "twentieth", "thirty third", "one hundredth"]


def test_number_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="outside"):
        english_number(-1)
    with pytest.raises(ValueError, match="outside"):
        mandarin_number(LARGEST + 1)


@given(st.one_of(st.text(), _MIXED, _WORDS_AND_NUMBERS), st.sampled_from(["en", "zh"]))
def test_normalising_twice_changes_nothing_more(text: str, language: str) -> None:
    once = normalise(text, language)
    assert normalise(once, language) == once


@given(st.one_of(st.text(), _MIXED))
def test_words_and_characters_hold_the_same_letters(text: str) -> None:
    assert "".join(words(text)) == characters(text)
    assert not any(char.isspace() for char in characters(text))
