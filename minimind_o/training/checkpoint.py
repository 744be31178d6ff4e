"""Checkpoints that are whole or absent: written aside, synced, renamed."""

import logging
import os
from pathlib import Path
from typing import Any

import torch

from minimind_o.errors import UserError, first_line

logger = logging.getLogger(__name__)


def previous(path: Path) -> Path:
    """Where the checkpoint before the last one is kept."""
    return path.with_suffix(f".previous{path.suffix}")


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Replace `path` by `state`, never leaving a torn file in its place.

    What was there is kept beside it (`previous`).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    if path.is_file():
        spare = path.with_suffix(".spare")
        spare.unlink(missing_ok=True)
        os.link(path, spare)  # so that at every moment one of the names is whole
        spare.replace(previous(path))
    temporary.replace(path)
    _sync_folder(path.parent)


def load_checkpoint(path: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """The state at `path`, or None where there is none.

    Where the file is torn the one before it is taken, and that is logged.

    Raises:
        UserError: neither can be read, or the state belongs to another run (names the
            difference).
    """
    if not path.is_file():
        return None
    try:
        state = _read(path)
    except UserError as error:
        if not previous(path).is_file():
            raise
        logger.warning("%s Going on from the one before it.", error)
        state = _read(previous(path))
    difference = _difference(state["identity"], identity)
    if difference:
        raise UserError(
            f"the checkpoint {path} belongs to another run ({difference}): choose "
            "another --work folder, or the same settings."
        )
    return state


def _read(path: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise UserError(
            f"the checkpoint {path} cannot be read: {first_line(error)}"
        ) from None
    if not isinstance(state, dict) or "identity" not in state:
        raise UserError(f"the checkpoint {path} was not written by this program.")
    return state


def _sync_folder(folder: Path) -> None:
    """Have the new names on the disk, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
