"""The course as a whole: its chapters, what each needs, and the map of them.

`notebooks/chapters.toml` is the only place that lists the chapters. `python -m
minimind_o.course` writes from it the README's table, the first page's, and the map.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minimind_o.errors import UserError
from minimind_o.figures import REPOSITORY

NOTEBOOKS = REPOSITORY / "notebooks"
CHAPTERS_FILE = NOTEBOOKS / "chapters.toml"
README_FILE = REPOSITORY / "README.md"
INDEX_FILE = NOTEBOOKS / "index.md"
MAP_FILE = NOTEBOOKS / "map.svg"
START = "<!-- chapters: start (written by `python -m minimind_o.course`) -->"
END = "<!-- chapters: end -->"


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """One notebook.

    file: its name without `.ipynb`. learn: in one line. exercise_minutes: on top of
    minutes. needs: numbers of the chapters that must come first; helps: of those that
    make it easier.
    """

    file: str
    title: str
    learn: str
    minutes: int
    exercise_minutes: int
    hardware: str
    needs: tuple[int, ...]
    helps: tuple[int, ...]

    @property
    def number(self) -> int:
        """What it is called by."""
        return int(self.file[:2])

    @property
    def time(self) -> str:
        """How long it takes."""
        if not self.exercise_minutes:
            return str(self.minutes)
        return f"{self.minutes}, exercises {self.exercise_minutes}"


def read_chapters(path: Path = CHAPTERS_FILE) -> list[Chapter]:
    """The chapters in their order.

    Raises:
        UserError: the file is no list of chapters, or one needs what does not come
            before it.
    """
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))["chapter"]
        chapters = [_chapter(entry) for entry in entries]
        numbers = [chapter.number for chapter in chapters]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is no list of chapters: {error}.") from error
    if numbers != sorted(set(numbers)):
        raise UserError(f"{path}: the chapters are not in the order of their numbers.")
    for place, chapter in enumerate(chapters):
        for number in (*chapter.needs, *chapter.helps):
            if number not in numbers[:place]:
                raise UserError(
                    f"{path}: chapter {chapter.number} needs chapter {number}, which "
                    "does not come before it."
                )
    return chapters


def _chapter(entry: dict[str, Any]) -> Chapter:
    numbers = {name: tuple(entry[name]) for name in ("needs", "helps")}
    return Chapter(**{**entry, **numbers})


def readme_table(chapters: Sequence[Chapter]) -> str:
    """For the README: links from the repository's root."""
    lines = ["| chapter | what you learn | minutes | hardware |", "|---|---|---|---|"]
    lines += [
        f"| [`{one.file}`](notebooks/{one.file}.ipynb) | {one.learn} | {one.time} "
        f"| {one.hardware} |"
        for one in chapters
    ]
    return "\n".join(lines)


def index_table(chapters: Sequence[Chapter]) -> str:
    """For the first page: with what comes first, and links from its folder."""
    by_number = {chapter.number: chapter for chapter in chapters}

    def link(number: int, text: str) -> str:
        return f"[{text}]({by_number[number].file}.ipynb)"

    def before(chapter: Chapter) -> str:
        needed = ", ".join(link(number, str(number)) for number in chapter.needs)
        helpful = ", ".join(link(number, str(number)) for number in chapter.helps)
        parts = [needed, f"{helpful} helps" if helpful else ""]
        return "; ".join(part for part in parts if part) or "nothing"

    head = ("chapter", "what you learn", "needs", "minutes", "hardware")
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    lines += [
        f"| {link(one.number, f'{one.number} · {one.title}')} | {one.learn} "
        f"| {before(one)} | {one.time} | {one.hardware} |"
        for one in chapters
    ]
    return "\n".join(lines)


def with_table(text: str, table: str) -> str:
    """A page's text with this table between its two marks.

    Raises:
        UserError: the marks are not there.
    """
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise UserError(f"a page without the lines '{START}' and '{END}'.")
    return f"{before}{START}\n\n{table}\n\n{END}{after}"


def pages() -> dict[Path, str]:
    """Every file that comes from the list of chapters, as it should be.

    Raises:
        UserError: as `read_chapters` and `with_table`.
    """
    from minimind_o.course_map import course_map

    chapters = read_chapters()
    tables = {README_FILE: readme_table(chapters), INDEX_FILE: index_table(chapters)}
    written = {
        path: with_table(path.read_text(encoding="utf-8"), table)
        for path, table in tables.items()
    }
    return {**written, MAP_FILE: course_map(chapters)}


def main() -> int:
    """Write them; 0, or 2 after one sentence on stderr."""
    try:
        written = pages()
    except UserError as error:
        print(f"minimind_o.course: {error}", file=sys.stderr)
        return 2
    for path, text in written.items():
        path.write_text(text, encoding="utf-8")
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
