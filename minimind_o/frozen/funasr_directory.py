"""Model directories of funasr: loaded by its own `AutoModel`, checked, and written.

funasr passes over parameters that a weights file lacks or has in another shape; while
it loads it prints, logs, and sets torch's number of threads to 4.
"""

import contextlib
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import yaml

from minimind_o.errors import UserError, first_line
from minimind_o.foreign_json import parse_json
from minimind_o.written_aside import file_written_aside

MODELS = ("SenseVoiceSmall", "CAMPPlus")
"""funasr knows a hundred classes, and some of them fetch or run what they are told."""
MAX_LAYERS, MAX_SIZE = 256, 1 << 20
_NESTING = 8
# What a size is called where it counts layers.
_LAYER_COUNTS = ("blocks", "layers")


def auto_model(directory: Path, device: str, kind: str) -> Any:
    """funasr's `AutoModel` of a directory, silently.

    Raises:
        UserError: funasr cannot load it as a `kind`.
    """
    check_directory(directory, kind)
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
                trust_remote_code=False,  # or config.yaml may ask for it
            )
    except Exception as error:
        raise UserError(
            f"{directory} cannot be loaded as {kind}: {first_line(error)}"
        ) from None
    finally:
        logging.disable(level)
        torch.set_num_threads(threads)


def check_directory(directory: Path, kind: str) -> None:
    """Refuse what funasr would follow: code, other classes, files elsewhere, bombs.

    Raises:
        UserError: `config.yaml` or `configuration.json` asks for any of these.
    """
    file = directory / "config.yaml"
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise UserError(
            f"{directory} cannot be loaded as {kind}: {file.name} is no YAML "
            f"({first_line(error)})"
        ) from None
    if not isinstance(config, dict) or config.get("model") not in MODELS:
        raise UserError(
            f"{file} must describe one of {', '.join(MODELS)} under 'model'."
        )
    for name in ("trust_remote_code", "remote_code"):
        if name in config:
            raise UserError(f"{file} has {name}, which would run code: it is refused.")
    _check_values(config, file)
    metas = directory / "configuration.json"
    try:
        found = parse_json(metas.read_text(encoding="utf-8"))
        files = list(_texts(found.get("file_path_metas", {})))
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(
            f"{directory} cannot be loaded as {kind}: {metas.name} is no JSON object "
            f"({first_line(error)})"
        ) from None
    for name in files:
        if Path(name).name != name:
            raise UserError(
                f"{metas} names {name[:80]!r}; a model's files lie beside it."
            )


def _check_values(value: Any, file: Path, name: str = "", depth: int = 0) -> None:
    """No size beyond all use, and nothing that is filled in from elsewhere."""
    if depth > _NESTING:
        raise UserError(f"{file} is nested too deeply at '{name}'.")
    if isinstance(value, dict):
        for key, one in value.items():
            _check_values(one, file, str(key), depth + 1)
    elif isinstance(value, list):
        for one in value:
            _check_values(one, file, name, depth + 1)
    elif isinstance(value, str) and "${" in value:
        raise UserError(
            f"{file} gives {name} as {value[:40]!r}: write out what stands for it."
        )
    elif isinstance(value, int | float):
        most = MAX_LAYERS if name.endswith(_LAYER_COUNTS) else MAX_SIZE
        if not abs(value) <= most:
            raise UserError(
                f"{file} gives {name} as {str(value)[:40]}; the most is {most}."
            )


def _texts(value: Any) -> Iterator[str]:
    """All texts in a nested structure."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)


def check_weights(model: torch.nn.Module, path: Path) -> None:
    """Refuse a weights file that does not hold exactly the model's parameters.

    Raises:
        UserError: naming the first parameter that differs.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        state = state.get("state_dict", state)
        found = {name.removeprefix("module."): v.shape for name, v in state.items()}
    except Exception as error:  # its unpickler runs into damage in many ways
        raise UserError(
            f"{path} is truncated or holds more than tensors under names "
            f"({first_line(error)[:200]})."
        ) from None
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
    with file_written_aside(path) as aside:
        torch.save(state, aside)
