"""The text normaliser that stands before every error rate.

A recogniser and a language model spell the same sound differently, so both sides are
brought to one spelling before they are compared. The canonical form of a number is
**words** in the language around it (``21`` is ``twenty one`` or ``二十一``), because
words are what a voice says and what an error in it damages.

What it does, in order: Unicode NFKC (full-width forms become ASCII), lower case,
apostrophes removed, digits to words, every other character that is neither a letter
nor a number to a space, "and" inside an English number removed, spaces between
Mandarin characters removed, one space elsewhere.

What it therefore *hides*, and an error rate over it cannot see:

- case, punctuation and symbols (``3 + 4`` equals ``3 4``, ``-5`` equals ``5``, ``$5``
  equals ``5``), so also a wrong sentence melody;
- apostrophes: ``it's`` equals ``its``, and ``we're`` equals ``were``; hyphens:
  ``twenty-one`` equals ``twenty one``;
- "and" in ``one hundred and five``, 两 against 二 (both are 2), 一十二 against 十二,
  〇 against 零;
- how a number was read: ``1984`` is always "one thousand nine hundred eighty four",
  in Mandarin digit by digit only before 年; a leading zero is read digit by digit;
- in ``characters``, where the words end.

What it leaves alone: homophones (``two``/``to``, 他/她), simplified against
traditional characters, British against American spelling, accents.
"""

from __future__ import annotations

import re
import unicodedata

from minimind_o.evaluation.numerals import (
    ENGLISH_NUMBER_WORDS,
    LARGEST,
    english_digits,
    english_number,
    english_ordinal,
    mandarin_digits,
    mandarin_number,
)

_HAN = r"\u3005\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_HAN_CHARACTER = re.compile(f"[{_HAN}]")
_HAN_SPACE = re.compile(f"(?<=[{_HAN}]) +(?=[{_HAN}])")
_HAN_BORDER = re.compile(f"(?<=[{_HAN}])(?=[^{_HAN} ])|(?<=[^{_HAN} ])(?=[{_HAN}])")
_ONE_CHARACTER_PER_DIGIT = str.maketrans("两〇", "二零")
_APOSTROPHES = re.compile("['\u2018\u2019\u02bc`\u00b4]")
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d])")
_NUMBER = re.compile(r"(\d+)(?:\.(\d+)|(st|nd|rd|th)\b)?")
_WORDS = "|".join(sorted(ENGLISH_NUMBER_WORDS))
_NUMBER_AND = re.compile(
    rf"\b(hundred|thousand|million|billion) and (?=(?:{_WORDS})\b)"
)


def normalise(text: str, language: str = "en") -> str:
    """Bring a text to the canonical spelling described at the top of this file.

    ``language`` (``"en"`` or ``"zh"``) only decides how a number is written that has
    no letter beside it in the text; otherwise the nearest letter decides.
    Idempotent: normalising twice changes nothing more.
    """
    if language not in ("en", "zh"):
        raise ValueError(f"language {language!r} is unknown; use 'en' or 'zh'")
    text = _fold(text)
    text = _APOSTROPHES.sub("", text)
    text = _THOUSANDS.sub(lambda match: match[0].replace(",", ""), text)
    text = _NUMBER.sub(lambda match: _spell(match, language), text)
    text = "".join(char if _is_spoken(char) else " " for char in text)
    # Dropping a character can bring a letter and its accent together.
    text = " ".join(_fold(text).split())
    text = _NUMBER_AND.sub(r"\1 ", text)
    text = _HAN_SPACE.sub("", text)
    text = re.sub("(?<![零一二三四五六七八九十百千万亿])一十", "十", text)
    return _HAN_BORDER.sub(" ", text)


def words(text: str, language: str = "en") -> list[str]:
    """Words for a WER; a Mandarin character counts as one word."""
    spaced = _HAN_CHARACTER.sub(
        lambda match: f" {match[0]} ", normalise(text, language)
    )
    return spaced.split()


def characters(text: str, language: str = "en") -> str:
    """Characters for a CER: the normalised text without spaces."""
    return normalise(text, language).replace(" ", "")


def is_mandarin(text: str) -> bool:
    """Whether a text holds at least one Chinese character."""
    return _HAN_CHARACTER.search(text) is not None


def _fold(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).lower()
    return unicodedata.normalize("NFKC", text).translate(_ONE_CHARACTER_PER_DIGIT)


def _is_spoken(char: str) -> bool:
    return unicodedata.category(char)[0] in "LMN"


def _spell(match: re.Match[str], language: str) -> str:
    whole, decimals, ordinal = match.groups()
    before, after = match.string[: match.start()], match.string[match.end() :]
    mandarin = not ordinal and _is_beside_mandarin(before, after, language)
    cardinal = mandarin_number if mandarin else english_number
    digits = mandarin_digits if mandarin else english_digits
    is_year = mandarin and len(whole) == 4 and after.lstrip().startswith("年")
    too_long = len(whole) > len(str(LARGEST))
    if is_year or too_long or (len(whole) > 1 and int(whole[0]) == 0):
        spoken = digits(whole)
    else:
        spoken = english_ordinal(int(whole)) if ordinal else cardinal(int(whole))
    if decimals:
        spoken += ("点" if mandarin else " point ") + digits(decimals)
    return f" {spoken} "


def _is_beside_mandarin(before: str, after: str, language: str) -> bool:
    """Whether the letter nearest to a number, on either side, is Chinese."""
    left = next(((i, c) for i, c in enumerate(reversed(before)) if c.isalpha()), None)
    right = next(((i, c) for i, c in enumerate(after) if c.isalpha()), None)
    nearest = min((x for x in (left, right) if x), key=lambda x: x[0], default=None)
    if nearest is None:
        return language == "zh"
    return _HAN_CHARACTER.match(nearest[1]) is not None
