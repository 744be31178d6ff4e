"""A fact of the nano world, and the mark-up that forces a pronunciation."""

import re
from dataclasses import dataclass

_MARKUP = re.compile(r"\{([^}]*)\}")
_WORD_WITH_MARKUP = re.compile(r"([A-Za-z']+|[㐀-鿿])\{([^}]*)\}")


@dataclass(frozen=True)
class Fact:
    """One answer and the question forms that ask for it.

    family: arithmetic, day, month, opposite, colour, animal or talk.
    questions: the forms, in the same order for every fact of a templated family.
    answer: text with pronunciation mark-up.
    """

    family: str
    questions: tuple[str, ...]
    answer: str


def plain(marked: str) -> str:
    """The text without its mark-up: `live{l'aIv}` is `live`."""
    return _MARKUP.sub("", marked)


def spoken(marked: str) -> tuple[str, list[int]]:
    """What espeak-ng is given, and for each of its characters the character of `plain`.

    `live{l'aIv}` becomes `[[l'aIv]]`, Mandarin `地{de5}` becomes ` de5 ` (pinyin).
    """
    pieces: list[str] = []
    origins: list[int] = []
    position, cursor = 0, 0

    def add(piece: str, start: int, advance: bool) -> None:
        pieces.append(piece)
        steps = range(len(piece))
        origins.extend(start + i if advance else start for i in steps)

    for match in _WORD_WITH_MARKUP.finditer(marked):
        before = marked[cursor : match.start()]
        add(before, position, True)
        position += len(before)
        word, sounds = match.groups()
        forced = f"[[{sounds}]]" if word.isascii() else f" {sounds} "
        add(forced, position, False)
        position += len(word)
        cursor = match.end()
    add(marked[cursor:], position, True)
    return "".join(pieces), origins
