"""Every exercise of every chapter has a checker, a test of it, and a solution.

Read from the notebooks: an exercise is a heading `Exercise N · Title`; below it stand
how hard it is and how long it takes, and a cell that asks the checker.
"""

import json
import re
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from minimind_o.course import NOTEBOOKS, read_chapters

REPOSITORY = Path(__file__).resolve().parents[2]
HEADING = re.compile(r"^#{2,3} (Exercise (\d+) · .+)$", re.MULTILINE)
EXPECTED = re.compile(
    r"^difficulty [●○]{3} · importance [●○]{3} · (\d+) minutes$", re.MULTILINE
)
CHECK = re.compile(r"\bexercises\.(check_\w+)\(")
MODULE = re.compile(r"^from minimind_o\.exercises import (\w+) as exercises$", re.M)
NUMBERS = "no one two three four five six seven eight".split()
FILES = [chapter.file for chapter in read_chapters()]
Cell = dict[str, Any]


@dataclass
class Exercise:
    """title: with its number. text: of the cells up to the next heading. checks: the
    checkers that are asked, with what they printed."""

    title: str
    number: int
    text: str
    checks: list[tuple[str, str]]


def read(path: Path) -> list[Cell]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def source(cell: Cell) -> str:
    return "".join(cell["source"])


def printed(cell: Cell) -> str:
    return "".join("".join(one.get("text", "")) for one in cell.get("outputs", []))


def exercises_of(cells: list[Cell]) -> list[Exercise]:
    """In order. What comes after a later heading belongs to no exercise."""
    found: list[Exercise] = []
    is_open = False
    for cell in cells:
        if cell["cell_type"] == "code":
            if found and is_open:
                shown = printed(cell)
                found[-1].checks += [(n, shown) for n in CHECK.findall(source(cell))]
            continue
        for part in re.split(r"^(?=#{1,3} )", source(cell), flags=re.M):
            heading = HEADING.match(part)
            if heading:
                number = int(heading[2])
                found.append(Exercise(heading[1], number, part, []))
            is_open = bool(heading) or (is_open and not part.startswith("#"))
            if is_open and not heading and found:
                found[-1].text += part
    return found


def module_of(cells: list[Cell]) -> str:
    """The name of the module of checkers that a notebook imports."""
    (name,) = MODULE.findall("\n".join(map(source, cells)))
    return name


def chapter_cells(file: str) -> list[Cell]:
    return read(NOTEBOOKS / f"{file}.ipynb")


def solution_cells(file: str) -> list[Cell]:
    return read(NOTEBOOKS / "solutions" / f"{file}_solutions.ipynb")


@pytest.mark.parametrize("file", FILES)
def test_every_exercise_has_one_tested_checker(file):
    cells = chapter_cells(file)
    found = exercises_of(cells)
    assert [one.number for one in found] == list(range(1, len(found) + 1))
    assert found
    module = import_module(f"minimind_o.exercises.{module_of(cells)}")
    tests = Path(__file__).with_name(f"test_{module_of(cells)}.py").read_text()
    for exercise in found:
        names = {name for name, _ in exercise.checks}
        assert len(names) == 1, f"{exercise.title}: {names or 'no checker'}"
        (name,) = names
        assert callable(getattr(module, name))
        bare = name.removeprefix("check_")
        assert re.search(rf"\b(check_)?{bare}\b", tests), f"{name} is not tested"
    used = {name for exercise in found for name, _ in exercise.checks}
    assert used == {name for name in vars(module) if name.startswith("check_")}


@pytest.mark.parametrize("file", FILES)
def test_every_exercise_has_a_solution_that_its_checker_called_right(file):
    asked = {e.title: {name for name, _ in e.checks} for e in
             exercises_of(chapter_cells(file))}  # fmt: skip
    solved = exercises_of(solution_cells(file))
    assert [one.title for one in solved] == list(asked)
    assert module_of(solution_cells(file)) == module_of(chapter_cells(file))
    for solution in solved:
        assert {name for name, _ in solution.checks} == asked[solution.title]
        for name, shown in solution.checks:
            assert re.search(r"^ok: \w+ is right\.$", shown, re.M), f"{name}: {shown}"
            assert "not yet" not in shown
            assert "to do" not in shown


@pytest.mark.parametrize("file", FILES)
def test_every_exercise_says_how_hard_and_how_long_it_is(file):
    opening = source(chapter_cells(file)[0])
    minutes = []
    found = exercises_of(chapter_cells(file))
    for exercise in found:
        said = EXPECTED.search(exercise.text)
        assert said, f"{exercise.title}: no line of difficulty, importance, minutes"
        minutes.append(int(said[1]))
    promised = re.search(r"(\d+) more\s+for the (\w+) exercises", opening)
    assert promised
    assert NUMBERS.index(promised[2]) == len(found)
    assert int(promised[1]) == sum(minutes)


# The reader itself


def markdown(text: str) -> Cell:
    return {"cell_type": "markdown", "source": [text]}


def code(text: str, shown: str = "") -> Cell:
    outputs = [{"output_type": "stream", "text": [shown]}]
    return {"cell_type": "code", "source": [text], "outputs": outputs}


def test_a_checker_belongs_to_the_exercise_above_it():
    cells = [
        markdown("## 1. A\n\n### Exercise 1 · First\n\nDo it."),
        code("exercises.check_first(f)", "ok: f is right.\n"),
        markdown("more\n\n### Exercise 2 · Second\n\nDo this."),
        markdown("### Another heading"),
        code("exercises.check_second(g)"),
    ]
    first, second = exercises_of(cells)
    assert (first.title, first.number) == ("Exercise 1 · First", 1)
    assert first.checks == [("check_first", "ok: f is right.\n")]
    assert second.checks == [], "the cell is under another heading"
    assert "Do this" in second.text
