"""Model directories of funasr: loaded by its own `AutoModel`, checked, and written.

funasr passes over parameters that a weights file lacks or has in another shape; while
it loads it prints, logs, and sets torch's number of threads to 4.
"""

import contextlib
import io
import json
import logging
from pathlib import Path
from typing import Any

import torch

from minimind_o.errors import UserError, first_line


def auto_model(directory: Path, device: str, kind: str) -> Any:
    """funasr's `AutoModel` of a directory, silently.

    Raises:
        UserError: funasr cannot load it as a `kind`.
    """
    level, threads = logging.root.manager.disable, torch.get_num_threads()
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            from funasr import AutoModel  # takes seconds, and prints

            return AutoModel(
                model=str(directory),
                device=device,
                disable_update=True,
                disable_pbar=True,
                disable_log=True,
            )
    except Exception as error:
        raise UserError(
            f"{directory} cannot be loaded as {kind}: {first_line(error)}"
        ) from None
    finally:
        logging.disable(level)
        torch.set_num_threads(threads)


def check_weights(model: torch.nn.Module, path: Path) -> None:
    """Refuse a weights file that does not hold exactly the model's parameters.

    Raises:
        UserError: naming the first parameter that differs.
    """
    state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    state = state.get("state_dict", state)
    found = {name.removeprefix("module."): v.shape for name, v in state.items()}
    wanted = {name: value.shape for name, value in model.state_dict().items()}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            shapes = (
                "no such parameter" if shape is None else f"shape {tuple(shape)}"
                for shape in (found.get(name), wanted.get(name))
            )
            raise UserError(
                f"{path} does not fit the model of config.yaml: for {name} it has "
                "{}, the model has {}.".format(*shapes)
            )


def write_configuration(directory: Path, task: str, metas: dict[str, Any]) -> None:
    """Write `configuration.json`: what the model does and which file holds what.

    Args:
        directory: the model's.
        task: as funasr names it.
        metas: file names under `init_param` and the like.
    """
    configuration = {
        "framework": "pytorch",
        "task": task,
        "model": {"type": "funasr"},
        "file_path_metas": {**metas, "config": "config.yaml"},
    }
    (directory / "configuration.json").write_text(
        json.dumps(configuration, indent=2) + "\n"
    )


def save_half(model: torch.nn.Module, path: Path) -> None:
    """Write a model's weights in float16, whole or not at all."""
    state = {
        name: value.half() if value.is_floating_point() else value
        for name, value in model.state_dict().items()
    }
    partial = path.with_name(f"{path.name}.partial")
    torch.save(state, partial)
    partial.replace(path)
