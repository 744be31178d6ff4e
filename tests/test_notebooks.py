"""What a committed notebook must look like; nbval checks that its outputs are true.

The rules are functions from a notebook to its faults, and each is shown a notebook
with that fault planted.
"""

import ast
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
FOLDERS = (REPOSITORY / "notebooks", REPOSITORY / "notebooks" / "solutions")
NOTEBOOKS = sorted(path for folder in FOLDERS for path in folder.glob("*.ipynb"))
MAX_LINES = 30
SHOWING_CALLS = {"print", "display", "show"}
ABSOLUTE_PATH = re.compile(
    r"(?:(?<![\w.:/~-])|(?<=file://))"
    r"(?:/(?:home|root|Users|work|tmp|usr|opt|mnt|var|private|data|content)/"
    r"|[A-Za-z]:\\\w)"
)
EMBEDDED_DATA = re.compile(r"data:[\w/+.-]+;base64,[A-Za-z0-9+/=\s]*")
WARNING = re.compile(r"\b\w*Warning\b")
ENDING = ["Summary", "Further reading"]
REPOSITORY_FILE = re.compile(r"`((?:minimind_o|benchmarks|runs|tests|data)/[\w./-]+)`")

Notebook = dict[str, Any]
Cell = dict[str, Any]
Rule = Callable[[Notebook, str], Iterator[str]]


def source(cell: Cell) -> str:
    """The text of a cell, however it is stored."""
    return "".join(cell["source"])


def code_cells(notebook: Notebook) -> list[tuple[int, Cell]]:
    """The code cells that hold code, with their place in the notebook."""
    return [
        (place, cell)
        for place, cell in enumerate(notebook["cells"])
        if cell["cell_type"] == "code" and source(cell).strip()
    ]


def shown_texts(cell: Cell) -> Iterator[str]:
    """Everything textual that a cell shows, without embedded sounds and pictures."""
    for output in cell["outputs"]:
        yield "".join(output.get("text", ""))
        for kind, content in output.get("data", {}).items():
            if kind.startswith("text/"):
                yield EMBEDDED_DATA.sub("", "".join(content))


def running_statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a cell that certainly run: top level, `for` and `with`."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.For | ast.With):
            yield from running_statements(statement.body)


def certainly_shows(code: str) -> bool:
    """Whether a cell must have an output: it prints, shows, or ends with a value."""
    plain = re.sub(r"^\s*[%!].*$", "pass", code, flags=re.MULTILINE)
    body = ast.parse(plain).body
    for statement in running_statements(body):
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            called = statement.value.func
            name = getattr(called, "id", None) or getattr(called, "attr", None)
            if name in SHOWING_CALLS:
                return True
    if not body or plain.rstrip().endswith(";"):
        return False
    last = body[-1]
    silent = ast.Call | ast.Await | ast.Constant
    return isinstance(last, ast.Expr) and not isinstance(last.value, silent)


def stripped_outputs(notebook: Notebook, name: str) -> Iterator[str]:
    cells = code_cells(notebook)
    if not any(cell["outputs"] for _, cell in cells):
        yield "no cell has an output: was it stripped?"
    for place, cell in cells:
        if not cell["outputs"] and certainly_shows(source(cell)):
            yield f"cell {place} shows something but its output is missing"


def unordered_counts(notebook: Notebook, name: str) -> Iterator[str]:
    for expected, (place, cell) in enumerate(code_cells(notebook), start=1):
        if cell["execution_count"] != expected:
            count = cell["execution_count"]
            yield f"cell {place} has execution count {count} instead of {expected}"
            return


def absolute_paths(notebook: Notebook, name: str) -> Iterator[str]:
    for place, cell in enumerate(notebook["cells"]):
        texts = [source(cell)]
        if cell["cell_type"] == "code":
            texts.extend(shown_texts(cell))
        for text in texts:
            found = ABSOLUTE_PATH.search(text)
            if found:
                path = text[found.start() :][:40]
                yield f"cell {place} holds an absolute path: {path}"


def warnings_and_errors(notebook: Notebook, name: str) -> Iterator[str]:
    for place, cell in code_cells(notebook):
        for output in cell["outputs"]:
            if output["output_type"] == "error":
                yield f"cell {place} ends in an error"
            if output.get("name") == "stderr":
                yield f"cell {place} writes to stderr"
        for text in shown_texts(cell):
            found = WARNING.search(text)
            if found:
                yield f"cell {place} shows a {found[0]}"


def long_cells(notebook: Notebook, name: str) -> Iterator[str]:
    for place, cell in code_cells(notebook):
        lines = len(source(cell).splitlines())
        if lines > MAX_LINES:
            yield f"cell {place} has {lines} lines, more than {MAX_LINES}"


def missing_opening(notebook: Notebook, name: str) -> Iterator[str]:
    opening = ""
    for cell in notebook["cells"]:
        if cell["cell_type"] != "markdown":
            break
        opening += source(cell) + "\n"
    if not opening.startswith("# "):
        yield "it does not open with a title"
    words = () if "solutions" in name else ("goal", "minute", "hardware")
    for word in words:
        if word not in opening.lower():
            yield f"its opening does not tell the {word}s"


def missing_ending(notebook: Notebook, name: str) -> Iterator[str]:
    if "solutions" in name:
        return
    text = "\n".join(
        source(cell) for cell in notebook["cells"] if cell["cell_type"] == "markdown"
    )
    headings = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
    if headings[-2:] != ENDING:
        yield f"it does not end with {' and '.join(ENDING)}"


def files_not_there(notebook: Notebook, name: str) -> Iterator[str]:
    for place, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "markdown":
            for path in REPOSITORY_FILE.findall(source(cell)):
                if not (REPOSITORY / path).exists():
                    yield f"cell {place} names {path}, which is not there"


RULES: tuple[Rule, ...] = (
    stripped_outputs,
    unordered_counts,
    absolute_paths,
    warnings_and_errors,
    long_cells,
    missing_opening,
    missing_ending,
    files_not_there,
)


def faults(notebook: Notebook, name: str) -> list[str]:
    """All faults of a notebook, in words."""
    return [fault for rule in RULES for fault in rule(notebook, name)]


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_is_fit_to_be_read(path):
    assert faults(json.loads(path.read_text(encoding="utf-8")), path.name) == []


def markdown(text: str) -> Cell:
    return {"cell_type": "markdown", "source": text.splitlines(keepends=True)}


def code(text: str, count: int | None, *outputs: dict[str, Any]) -> Cell:
    return {
        "cell_type": "code",
        "source": text.splitlines(keepends=True),
        "execution_count": count,
        "outputs": list(outputs),
    }


def printed(text: str, name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": [text]}


def value(text: str, kind: str = "text/plain") -> dict[str, Any]:
    return {"output_type": "execute_result", "data": {kind: [text]}}


OPENING = markdown(
    "# 00 Hear it\n\n**Goals**: hear. **Minutes**: 5. **Hardware**: any."
)
GOOD = [
    OPENING,
    code("import math", 1),
    code("", None),
    code("print(math.tau > 6)", 2, printed("True\n")),
    code("math.tau > 6", 3, value("True")),
    code("Audio('a.wav')", 4, value('<audio src="data:audio/wav;base64,A /tmp/x">')),
    markdown("See https://example.org/home/page and `data/nano/mimi`, 1/data/2."),
    markdown("## Summary\n\nHeard.\n\n## Further reading"),
]


def notebook_of(*cells: Cell) -> Notebook:
    return {"cells": list(cells)}


def test_a_good_notebook_has_no_faults():
    assert faults(notebook_of(*GOOD), "00_hear.ipynb") == []


@pytest.mark.parametrize(
    ("rule", "cells"),
    [
        (stripped_outputs, [code("x = 1", 1)]),
        (stripped_outputs, [code("1 + 1", 1, value("2")), code("print(1)", 2)]),
        (stripped_outputs, [code("1 + 1", 1, value("2")), code("x = 3\nx", 2)]),
        (
            stripped_outputs,
            [code("1 + 1", 1, value("2")), code("for i in y:\n    print(i)", 2)],
        ),
        (stripped_outputs, [code("1 + 1", 1, value("2")), code("plt.show()", 2)]),
        (unordered_counts, [code("x = 1", None)]),
        (unordered_counts, [code("x = 1", 2), code("y = 1", 1)]),
        (unordered_counts, [code("x = 1", 1), code("y = 1", 3)]),
        (absolute_paths, [code("open('/home/me/a.wav')", 1)]),
        (absolute_paths, [markdown("look into /tmp/out")]),
        (absolute_paths, [code("p", 1, value("PosixPath('/root/x')"))]),
        (absolute_paths, [code("p", 1, value("file:///Users/me/x", "text/html"))]),
        (absolute_paths, [code("p", 1, printed("C:\\Users\\me"))]),
        (warnings_and_errors, [code("f()", 1, printed("done", "stderr"))]),
        (warnings_and_errors, [code("f()", 1, printed("UserWarning: old"))]),
        (warnings_and_errors, [code("f()", 1, {"output_type": "error"})]),
        (long_cells, [code("x = 1\n" * 31, 1)]),
        (missing_opening, [code("x = 1", 1)]),
        (missing_opening, [markdown("# Title\n\nGoals: a. Minutes: 3.")]),
        (missing_opening, [markdown("Goals, minutes, hardware")]),
        (missing_ending, [markdown("## Further reading")]),
        (missing_ending, [markdown("## Summary\n## Further reading\n## More")]),
        (files_not_there, [markdown("look into `minimind_o/nowhere.py`")]),
    ],
)
def test_a_planted_fault_is_found(rule, cells):
    assert list(rule(notebook_of(*cells), "00_hear.ipynb"))


def test_solutions_need_a_title_only():
    assert not list(missing_opening(notebook_of(markdown("# S")), "00_solutions.ipynb"))


def test_thirty_lines_are_allowed():
    assert not list(long_cells(notebook_of(code("x = 1\n" * 30, 1)), "00.ipynb"))
