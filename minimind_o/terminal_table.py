"""A small table for a terminal, in which a Mandarin character is two columns wide."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def display_width(text: str) -> int:
    """Columns that a terminal needs for `text`."""
    return sum(_character_width(character) for character in text)


def shorten(text: str, max_width: int) -> str:
    """`text` in at most `max_width` columns, cut with `…` where it is longer."""
    text = " ".join(text.split())
    if display_width(text) <= max_width:
        return text
    kept, width = "", 1
    for character in text:
        width += _character_width(character)
        if width > max_width:
            break
        kept += character
    return kept.rstrip() + "…"


def terminal_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], max_width: int
) -> str:
    """Aligned columns under `head`; figures to the right, words to the left."""
    cells = [[shorten(cell, max_width) for cell in row] for row in rows]
    columns = list(zip(head, *cells, strict=True))
    widths = [max(display_width(cell) for cell in column) for column in columns]
    are_figures = [all(map(_is_figure, column[1:])) for column in columns]

    def line(row: Sequence[str]) -> str:
        padded = []
        for cell, width, is_figure in zip(row, widths, are_figures, strict=True):
            space = " " * (width - display_width(cell))
            padded.append(space + cell if is_figure else cell + space)
        return "  ".join(padded).rstrip()

    rule = "  ".join("-" * width for width in widths)
    return "\n".join([line(head), rule, *map(line, cells)])


def _character_width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _is_figure(cell: str) -> bool:
    return cell == "-" or cell.replace(".", "", 1).isdigit()
