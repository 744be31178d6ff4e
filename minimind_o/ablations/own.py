"""An experiment from a file of yours, with no change to the package."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from minimind_o.ablations.experiment import Experiment
from minimind_o.errors import UserError, first_line

NAME = re.compile(r"[a-z][a-z0-9_]*")


def load_file(path: Path, taken: Sequence[str] = ()) -> Experiment:
    """The `EXPERIMENT` that a Python file defines, with its file and version.

    Args:
        path: the file; it is run.
        taken: names that it may not have, because others write their tables there.

    Raises:
        UserError: there is no such file, its code stops, or what it defines is no
            experiment that can be run.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {first_line(error)}.") from error
    spec = importlib.util.spec_from_file_location(f"experiment_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Where a dataclass of the file looks for its module.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever somebody's file raises
        raise UserError(
            f"{path} stops{_place(path, error)} with {type(error).__name__}: "
            f"{first_line(error)}."
        ) from error
    experiment = getattr(module, "EXPERIMENT", None)
    if not isinstance(experiment, Experiment):
        raise UserError(
            f"{path} defines no EXPERIMENT: give the name to a "
            "minimind_o.ablations.experiment.Experiment."
        )
    _check(path, experiment, taken)
    version = hashlib.sha256(content).hexdigest()[:12]
    return replace(experiment, file=path, version=version)


def _place(path: Path, error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f" in line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename) == path]
    return f" in line {lines[-1]}" if lines else ""


def _check(path: Path, experiment: Experiment, taken: Sequence[str]) -> None:
    if not NAME.fullmatch(experiment.name):
        raise UserError(
            f"{path}: the name {experiment.name!r} becomes a file's: use small "
            "letters, digits and _."
        )
    if experiment.name in taken:
        raise UserError(
            f"{path}: {experiment.name!r} is the name of an experiment of the package; "
            "choose another."
        )
    names = [setting.name for setting in experiment.settings]
    if len(set(names)) < 2 or len(set(names)) < len(names):
        raise UserError(
            f"{path}: two settings or more are needed, each with a name of its own; "
            f"there are {', '.join(names) or 'none'}."
        )
    if experiment.prediction is not None:
        for name in (experiment.prediction.setting, experiment.prediction.baseline):
            experiment.setting(name)
