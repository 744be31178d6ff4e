"""The map of the chapters: what needs what, from left to right, as an SVG."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence
from statistics import mean

from minimind_o.course import Chapter

WIDTH, HEIGHT = 196, 58
"""Of a chapter's box."""
ACROSS, DOWN = 270, 76
"""From one box to the next."""
MARGIN = 14
LETTERS = 22
"""Of a title, on a line."""
STYLE = """
.course-map a { text-decoration: none; }
.course-map text { font-family: system-ui, sans-serif; fill: #26323f; }
.course-map .title { font-size: 14px; font-weight: 600; }
.course-map .minutes { font-size: 11px; fill: #6b7785; }
.course-map .box { fill: #f4f8fa; stroke: #2a7f9e; stroke-width: 1.4; }
.course-map a:hover .box { fill: #dcecf2; }
.course-map .needs { fill: none; stroke: #2a7f9e; stroke-width: 1.6; }
.course-map .helps { fill: none; stroke: #e59500; stroke-width: 1.4;
  stroke-dasharray: 5 4; }
"""


def columns(chapters: Sequence[Chapter]) -> list[list[Chapter]]:
    """Chapters that need nothing; those that need these; and so on.

    Within a column they stand as high as what they need.
    """
    depth: dict[int, int] = {}
    for chapter in chapters:
        before = (*chapter.needs, *chapter.helps)
        deepest = max((depth[number] for number in before), default=-1)
        depth[chapter.number] = deepest + 1
    found: list[list[Chapter]] = [[] for _ in range(max(depth.values()) + 1)]
    height: dict[int, float] = {}

    def place(chapter: Chapter) -> tuple[float, int]:
        needs = chapter.needs or chapter.helps
        return mean(height[n] for n in needs) if needs else 0.0, chapter.number

    for number, column in enumerate(found):
        own = [c for c in chapters if depth[c.number] == number]
        column.extend(sorted(own, key=place))
        for row, chapter in enumerate(column):
            height[chapter.number] = (row + 0.5) / len(column)
    return found


def direct_needs(chapter: Chapter, chapters: Sequence[Chapter]) -> list[int]:
    """What it needs, without what these need anyway."""
    by_number = {one.number: one for one in chapters}

    def all_before(number: int) -> set[int]:
        needs = by_number[number].needs
        return set(needs).union(*map(all_before, needs))

    implied = set().union(*map(all_before, chapter.needs))
    return [number for number in chapter.needs if number not in implied]


def course_map(chapters: Sequence[Chapter]) -> str:
    """The SVG; each box leads to its chapter's page."""
    found = columns(chapters)
    most = max(len(column) for column in found)
    width = MARGIN * 2 + ACROSS * (len(found) - 1) + WIDTH
    height = MARGIN * 2 + DOWN * (most - 1) + HEIGHT + 30
    corners = {
        chapter.number: (
            MARGIN + x * ACROSS,
            MARGIN + round((y + 0.5) * DOWN * most / len(column) - HEIGHT / 2),
        )
        for x, column in enumerate(found)
        for y, chapter in enumerate(column)
    }
    lines = []
    for chapter in chapters:
        for kind, numbers in (
            ("helps", chapter.helps),
            ("needs", direct_needs(chapter, chapters)),
        ):
            lines += [
                _curve(kind, corners[number], corners[chapter.number])
                for number in numbers
            ]
    boxes = [_box(chapter, *corners[chapter.number]) for chapter in chapters]
    y = height - 16
    legend = [
        f'<path class="needs" d="M {MARGIN} {y} h 34"/>',
        f'<text class="minutes" x="{MARGIN + 42}" y="{y + 4}">is needed for</text>',
        f'<path class="helps" d="M {MARGIN + 140} {y} h 34"/>',
        f'<text class="minutes" x="{MARGIN + 182}" y="{y + 4}">helps with</text>',
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" class="course-map">',
            "<title>The chapters, and which of them come first</title>",
            f"<style>{STYLE}</style>",
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            *lines,
            *boxes,
            *legend,
            "</svg>\n",
        ]
    )


def _curve(kind: str, start: tuple[int, int], end: tuple[int, int]) -> str:
    x0, y0 = start[0] + WIDTH, start[1] + HEIGHT // 2
    x1, y1 = end[0], end[1] + HEIGHT // 2
    half = (x1 - x0) // 2
    return (
        f'<path class="{kind}" d="M {x0} {y0} C {x0 + half} {y0}, '
        f'{x1 - half} {y1}, {x1} {y1}"/>'
    )


def _box(chapter: Chapter, x: int, y: int) -> str:
    # No box is high enough for three lines: a longer title would have to be shorter.
    lines = textwrap.wrap(f"{chapter.number} · {chapter.title}", LETTERS, max_lines=2)
    first = y + (24 if len(lines) == 1 else 18)
    title = "".join(
        f'<text class="title" x="{x + 12}" y="{first + 16 * row}">'
        f"{html.escape(line)}</text>"
        for row, line in enumerate(lines)
    )
    minutes = f"{chapter.minutes} minutes"
    if chapter.exercise_minutes:
        minutes += f" + {chapter.exercise_minutes}"
    return (
        f'<a href="{chapter.file}.html"><rect class="box" x="{x}" y="{y}" '
        f'width="{WIDTH}" height="{HEIGHT}" rx="8"/>{title}'
        f'<text class="minutes" x="{x + 12}" y="{y + HEIGHT - 8}">{minutes}</text></a>'
    )
