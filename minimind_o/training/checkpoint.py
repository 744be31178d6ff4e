"""Checkpoints that are whole or absent: written aside, synced, renamed."""

import os
from pathlib import Path
from typing import Any

import torch

from minimind_o.errors import UserError, first_line


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
        raise UserError(
            f"the checkpoint {path} cannot be read: {first_line(error)}"
        ) from None
    if not isinstance(state, dict) or "identity" not in state:
        raise UserError(f"the checkpoint {path} was not written by this program.")
    difference = _difference(state["identity"], identity)
    if difference:
        raise UserError(
            f"the checkpoint {path} belongs to another run ({difference}): choose "
            "another --work folder, or the same settings."
        )
    return state


def _difference(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    """The first difference in words; fields of fields are compared one by one."""
    for name, value in wanted.items():
        other = found.get(name)
        if isinstance(value, dict) and isinstance(other, dict):
            inner = _difference(other, value)
            if inner:
                return f"{name}.{inner}"
        elif other != value:
            return f"{name} is {other!r} there and {value!r} here"
    return ""
