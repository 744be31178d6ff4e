"""Result tables on disk: Parquet for programs, Markdown for readers.

Each carries what it takes to measure it again. A file is written under another name and
renamed, so that an interrupted run leaves the earlier one whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from minimind_o import figures
from minimind_o.evaluation.statistics import Estimate
from minimind_o.written_aside import file_written_aside

NONE = "–"
"""Stands where there is no figure."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a table came from."""

    model: str
    """The model's folder, as it was named."""
    transcriber: str
    """Who listened, as it was named."""
    seed: int
    """Of prompts, answers and intervals."""
    command: str = "called from Python"
    """The command line that measures the table again."""
    commit: str = field(default_factory=figures.current_commit)
    """Of the checkout."""

    @property
    def sentence(self) -> str:
        """The line above a Markdown table."""
        return (
            f"Model `{self.model}`, transcriber `{self.transcriber}`, seed "
            f"{self.seed}, commit {self.commit}: `{self.command}`"
        )


def write_parquet(
    rows: Sequence[Mapping[str, Any]], path: Path, provenance: Provenance
) -> None:
    """Write rows, with the provenance as the file's metadata."""
    table = pa.Table.from_pylist([dict(row) for row in rows])
    notes = {name: str(value) for name, value in asdict(provenance).items()}
    with file_written_aside(path) as aside:
        pq.write_table(table.replace_schema_metadata(notes), aside)


def write_markdown(text: str, path: Path) -> None:
    """Write a page."""
    with file_written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table, and an empty one after it."""
    lines = [_line(head), "|" + "---|" * len(head)]
    return [*lines, *(_line(list(map(_cell, row))) for row in rows), ""]


def with_interval(estimate: Estimate | None) -> str:
    """A figure and its interval, such as `0.070 [0.053, 0.090]`."""
    if estimate is None:
        return NONE
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
