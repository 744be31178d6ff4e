"""The card of an asset: how it was made, where, in how many minutes, how well."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path

from minimind_o.figures import current_commit, describe_machine
from minimind_o.written_aside import file_written_aside


def write_card(
    folder: Path,
    *,
    title: str,
    command: str,
    seed: int,
    minutes: float,
    metrics: Mapping[str, float | int | str],
    note: str = "",
) -> Path:
    """Write `folder/card.md`; an earlier card is replaced whole.

    Args:
        folder: the asset's folder.
        title: what the asset is.
        command: the command line that makes it again.
        seed: the seed of everything random.
        minutes: time at work, resumed parts included.
        metrics: what was measured at the end.
        note: anything a reader must know, such as the use of a GPU.
    """
    facts: dict[str, float | int | str] = {
        "command": f"`{command}`",
        "commit": current_commit(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": describe_machine(),
        "seed": seed,
        "minutes": round(minutes, 1),
        **metrics,
    }
    rows = [f"| {name} | {_shown(value)} |" for name, value in facts.items()]
    parts = [f"# {title}", "\n".join(["| | |", "|---|---|", *rows])]
    if note:
        parts.append(note)
    path = folder / "card.md"
    with file_written_aside(path) as aside:
        aside.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return path


def _shown(value: float | int | str) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
