"""Checkpoints that are whole or absent: written aside, synced, renamed."""

import os
from pathlib import Path
from typing import Any

import torch

from minimind_o.errors import UserError


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Replace `path` by `state`, never leaving a torn file in its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def load_checkpoint(path: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """The state at `path`, or None where there is none.

    Raises:
        UserError: it cannot be read, or belongs to another run (names the difference).
    """
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        first = str(error).splitlines()[0]
        raise UserError(f"the checkpoint {path} cannot be read: {first}") from None
    for name, value in identity.items():
        found = state["identity"].get(name)
        if found != value:
            raise UserError(
                f"the checkpoint {path} was written with {name}={found!r}, this run has "
                f"{name}={value!r}: choose another --work folder or the same {name}."
            )
    return state
