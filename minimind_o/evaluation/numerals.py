"""Whole numbers as English words and as Mandarin characters."""

from __future__ import annotations

# fmt: off
_EN_UNITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen",
    "seventeen", "eighteen", "nineteen",
)
_EN_TENS = (
    "zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy",
    "eighty", "ninety",
)
# fmt: on
_EN_SCALES = ("", "thousand", "million", "billion")
_EN_IRREGULAR_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_ZH_DIGITS = "零一二三四五六七八九"
_ZH_UNITS = ("", "十", "百", "千")
_ZH_SCALES = ("", "万", "亿")

LARGEST = 999_999_999_999
ENGLISH_NUMBER_WORDS = frozenset([*_EN_UNITS, *_EN_TENS, "hundred", *_EN_SCALES[1:]])


def english_number(number: int) -> str:
    """Cardinal in words, without hyphens and without "and".

    ``105`` gives ``"one hundred five"``. Raises ``ValueError`` outside 0…LARGEST.
    """
    _check_range(number)
    if number == 0:
        return "zero"
    groups: list[str] = []
    for scale in _EN_SCALES:
        number, group = divmod(number, 1000)
        if group:
            groups.append(f"{_english_below_thousand(group)} {scale}".strip())
    return " ".join(reversed(groups))


def english_ordinal(number: int) -> str:
    """Ordinal in words: ``21`` gives ``"twenty first"``."""
    *head, last = english_number(number).split()
    if last in _EN_IRREGULAR_ORDINALS:
        ordinal = _EN_IRREGULAR_ORDINALS[last]
    elif last.endswith("y"):
        ordinal = last[:-1] + "ieth"
    else:
        ordinal = last + "th"
    return " ".join([*head, ordinal])


def english_digits(digits: str) -> str:
    """Digit by digit: ``"007"`` gives ``"zero zero seven"``."""
    return " ".join(_EN_UNITS[int(digit)] for digit in digits)


def mandarin_number(number: int) -> str:
    """Cardinal in characters: ``21`` gives ``"二十一"``, ``105`` ``"一百零五"``.

    Always 二, never 两. Raises ``ValueError`` outside 0…LARGEST.
    """
    _check_range(number)
    if number == 0:
        return "零"
    text = ""
    for scale in reversed(range(len(_ZH_SCALES))):
        group = number // 10_000**scale % 10_000
        if group:
            # A gap below a spoken higher group is bridged by one 零: 一万零五.
            gap = "零" if text and group < 1000 else ""
            text += gap + _mandarin_below_ten_thousand(group) + _ZH_SCALES[scale]
    return text.removeprefix("一") if text.startswith("一十") else text


def mandarin_digits(digits: str) -> str:
    """Digit by digit: ``"2024"`` gives ``"二零二四"``."""
    return "".join(_ZH_DIGITS[int(digit)] for digit in digits)


def _english_below_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    parts = [_EN_UNITS[hundreds], "hundred"] if hundreds else []
    if rest >= 20:
        tens, units = divmod(rest, 10)
        parts.append(_EN_TENS[tens])
        if units:
            parts.append(_EN_UNITS[units])
    elif rest:
        parts.append(_EN_UNITS[rest])
    return " ".join(parts)


def _mandarin_below_ten_thousand(number: int) -> str:
    text = ""
    gap = False
    for power in reversed(range(4)):
        digit = number // 10**power % 10
        if digit:
            text += ("零" if gap and text else "") + _ZH_DIGITS[digit]
            text += _ZH_UNITS[power]
        gap = digit == 0
    return text


def _check_range(number: int) -> None:
    if not 0 <= number <= LARGEST:
        raise ValueError(f"number {number} is outside 0…{LARGEST}")
