"""Hearing speech: any function from waves to texts is a transcriber."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from minimind_o.assets import Assets
from minimind_o.errors import UserError, first_line

Wave = NDArray[np.float32]

ASSETS_TRANSCRIBER = "nano"
"""Name of the SenseVoice of the assets in use."""
MIN_SECONDS = 0.04
"""Shorter waves hold no word and no full analysis window."""


class Transcriber(Protocol):
    """What the harness needs of a recogniser; a plain function will do."""

    def __call__(self, waves: list[Wave], sample_rate: int) -> list[str]:
        """One text per wave; waves are mono float32 in [-1, 1], of any length."""
        ...


def sensevoice_transcriber(directory: str | Path) -> Transcriber:
    """The frozen speech encoder with its CTC head.

    Raises:
        UserError: the directory is not a whole SenseVoice directory.
    """
    # funasr takes seconds to import, and other transcribers do without it.
    from minimind_o.frozen.sensevoice import load_sensevoice

    sensevoice = load_sensevoice(directory)

    def transcribe(waves: list[Wave], sample_rate: int) -> list[str]:
        return sensevoice.transcribe(waves, sample_rate)

    return transcribe


def named_transcriber(name: str, assets: Assets) -> Transcriber:
    """The transcriber that a command line names.

    Args:
        name: `nano` for the assets' SenseVoice, a SenseVoice folder in funasr's format
            (the released SenseVoice-Small is one), or `package.module:function`, where
            the module may also lie in the working directory.
        assets: where `nano` is.

    Raises:
        UserError: it is none of the three, or cannot be loaded.
    """
    if name == ASSETS_TRANSCRIBER:
        return sensevoice_transcriber(assets.sensevoice)
    if Path(name).is_dir():
        return sensevoice_transcriber(name)
    module_name, colon, function_name = name.partition(":")
    if not colon:
        raise UserError(
            f"transcriber '{name}' is neither '{ASSETS_TRANSCRIBER}', nor a folder "
            "that exists, nor a function as package.module:function"
        )
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        function = getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(
            f"transcriber '{name}' cannot be imported: {first_line(error)}"
        ) from None
    if not callable(function):
        raise UserError(
            f"transcriber '{name}' is no function: it must take waves and a sample "
            "rate, and return a text for each wave"
        )
    return function


def transcribe_all(
    transcriber: Transcriber,
    waves: Sequence[Wave],
    sample_rate: int,
    batch_size: int = 32,
) -> list[str]:
    """Transcribe in batches of similar length; texts in the order of `waves`.

    A wave shorter than `MIN_SECONDS` is silence: the text is empty and the transcriber
    is not asked.

    Raises:
        UserError: the transcriber does not give one text per wave.
    """
    texts = [""] * len(waves)
    heard = [
        i for i, wave in enumerate(waves) if len(wave) >= MIN_SECONDS * sample_rate
    ]
    heard.sort(key=lambda index: len(waves[index]))
    for start in range(0, len(heard), batch_size):
        batch = heard[start : start + batch_size]
        asked = [np.ascontiguousarray(waves[i], dtype=np.float32) for i in batch]
        answers = transcriber(asked, sample_rate)
        if len(answers) != len(batch):
            raise UserError(
                f"the transcriber gave {len(answers)} texts for {len(batch)} waves; "
                "it must give one for each"
            )
        for index, text in zip(batch, answers, strict=True):
            texts[index] = text
    return texts
