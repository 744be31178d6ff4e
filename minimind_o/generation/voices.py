"""Voice prompts: a second or two of a speaker's codes that the answer is to sound like.

One JSON file a voice, `voices/<name>.json`:
`{"name": "ada", "codes": [[…] × 8], "speaker_embedding": […] or null}`. The released
`.pt` files, each a dictionary of many voices, are read as well.
Shapes: Q codebook, T frame, S speaker-embedding width.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minimind_o.data.speech import SEEN_VOICES
from minimind_o.errors import UserError, first_line
from minimind_o.foreign_json import parse_json
from minimind_o.written_aside import file_written_aside

RELEASED_SEEN = "voices.pt"
"""The released file of voices that were trained on; the others are in another."""
NUM_CODEBOOKS = 8
MAX_BYTES = 10_000_000
"""Of a voice file; the released ones, of seven voices, have 60 kB."""
MAX_FRAMES = 1_500
"""Of a voice: two minutes."""
MAX_EMBEDDING = 4_096
"""Numbers of a speaker embedding; CAM++'s has 192."""


@dataclass(frozen=True, kw_only=True)
class Voice:
    """What the model is given of a speaker."""

    name: str
    """The name that `--voice` takes."""
    codes_QT: NDArray[np.int64]
    """Reference codes, 8 codebooks by T frames of 80 ms."""
    speaker_embedding_S: NDArray[np.float32] | None = None
    """The speaker encoder's vector, where there is one."""

    @property
    def seconds(self) -> float:
        """How long the reference is."""
        return self.codes_QT.shape[1] / 12.5


def list_voices(folder: Path) -> list[str]:
    """The names of the voices in `folder`, sorted.

    Raises:
        UserError: a damaged `.pt` file.
    """
    single = [file.stem for file in folder.glob("*.json")]
    many = [n for file in folder.glob("*.pt") for n in read_released_voices(file)]
    return sorted({*single, *many})


def seen_voices(folder: Path) -> list[str]:
    """The voices in `folder` that the model answered in when it was trained.

    Of the embedded voices these are `SEEN_VOICES`, of the released ones those of the
    file `voices.pt`; a voice that a user has added is none of them.

    Raises:
        UserError: a damaged `.pt` file.
    """
    embedded = [name for name in SEEN_VOICES if (folder / f"{name}.json").is_file()]
    file = folder / RELEASED_SEEN
    return embedded + (sorted(read_released_voices(file)) if file.is_file() else [])


def default_voices(folder: Path) -> list[str]:
    """Who answers, in turn, where no voice is named: the seen voices, or else all.

    Raises:
        UserError: there is no voice.
    """
    known = seen_voices(folder) or list_voices(folder)
    if not known:
        raise UserError(
            f"{folder} holds no voice: make some with 'minimind-o nano voices', or add "
            "one with 'minimind-o voices add'"
        )
    return known


def default_voice(folder: Path) -> str:
    """The first of `default_voices`."""
    return default_voices(folder)[0]


def some_voices(folder: Path, preferred: Sequence[str]) -> list[str]:
    """Names of `preferred` that `folder` has; where it has none, as many others.

    Raises:
        UserError: there is no voice.
    """
    known = list_voices(folder) or default_voices(folder)  # which says what to do
    there = [name for name in preferred if name in known]
    return there or known[: len(preferred)]


def load_voice(
    folder: Path, name: str | None = None, *, num_codes: int | None = None
) -> Voice:
    """The voice `name` from `folder`.

    Args:
        folder: the assets' `voices` folder.
        name: a voice's name, not a path; None: the default one.
        num_codes: entries per codebook; where given, codes must be below it.

    Raises:
        UserError: no such voice (lists the known ones), or a damaged voice file.
    """
    if name is None:
        name = default_voice(folder)
    _check_known(folder, name)
    file = folder / f"{name}.json"
    if not file.is_file():
        return _from_released(folder, name, num_codes)
    _check_size(file)
    try:
        content = parse_json(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"voice file {file} is not whole JSON: {error}") from error
    if not isinstance(content, dict) or "codes" not in content:
        raise UserError(f"voice file {file} must be an object with a list 'codes'")
    codes_QT = _checked_codes(file, content["codes"], num_codes)
    embedding = content.get("speaker_embedding")
    embedding_S = None if embedding is None else _checked_embedding(file, embedding)
    return Voice(name=name, codes_QT=codes_QT, speaker_embedding_S=embedding_S)


def read_released_voices(file: Path) -> dict[str, Voice]:
    """The voices of a released file: name -> `ref_codes` (8, T), `spk_emb` (192,).

    Only tensors are read from it, no code.

    Raises:
        UserError: not such a file.
    """
    import torch  # takes seconds, and other voices do without

    _check_size(file)
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
        return {
            str(name): Voice(
                name=str(name),
                codes_QT=_checked_codes(file, entry["ref_codes"].numpy(), None),
                speaker_embedding_S=_checked_embedding(
                    file, entry["spk_emb"].float().numpy().reshape(-1)
                ),
            )
            for name, entry in content.items()
        }
    except UserError:
        raise
    except Exception as error:  # unpickling raises anything
        raise UserError(
            f"voice file {file} must be a dictionary of voices with the tensors "
            f"ref_codes and spk_emb ({first_line(error)})"
        ) from None


def remove_voice(folder: Path, name: str) -> None:
    """Delete the voice `name`.

    Raises:
        UserError: no such voice, or one inside a file of many.
    """
    _check_known(folder, name)
    file = folder / f"{name}.json"
    if not file.is_file():
        raise UserError(
            f"voice '{name}' is one of many in a .pt file of {folder}: it cannot be "
            "removed alone"
        )
    file.unlink()


def _check_known(folder: Path, name: str) -> None:
    known = list_voices(folder)
    if name not in known:
        raise UserError(
            f"voice '{name}' is unknown; known voices: {', '.join(known) or 'none'}"
        )


def _from_released(folder: Path, name: str, num_codes: int | None) -> Voice:
    for file in sorted(folder.glob("*.pt")):
        voices = read_released_voices(file)
        if name in voices:
            _checked_codes(file, voices[name].codes_QT, num_codes)
            return voices[name]
    raise AssertionError("the voice was listed")


def save_voice(folder: Path, voice: Voice) -> Path:
    """Write `voice` into `folder`; the earlier file of that name is replaced whole."""
    embedding_S = voice.speaker_embedding_S
    content = {
        "name": voice.name,
        "codes": voice.codes_QT.tolist(),
        "speaker_embedding": None if embedding_S is None else embedding_S.tolist(),
    }
    file = folder / f"{voice.name}.json"
    with file_written_aside(file) as aside:
        aside.write_text(json.dumps(content) + "\n", encoding="utf-8")
    return file


def _check_size(file: Path) -> None:
    """Refuse, unread, what is too large, or a zip archive that unpacks to more."""
    size = file.stat().st_size
    try:
        if size <= MAX_BYTES and file.suffix == ".pt" and zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                size = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise UserError(f"voice file {file} is damaged ({first_line(error)})") from None
    if size > MAX_BYTES:
        raise UserError(
            f"voice file {file} has {size / 1e6:.0f} MB; the most is "
            f"{MAX_BYTES / 1e6:.0f} MB"
        )


def _checked_embedding(file: Path, embedding: object) -> NDArray[np.float32]:
    try:
        embedding_S = np.asarray(embedding, np.float32)
    except (ValueError, TypeError, OverflowError):
        embedding_S = np.zeros(0, np.float32)
    is_vector = embedding_S.ndim == 1 and 1 <= len(embedding_S) <= MAX_EMBEDDING
    if not is_vector or not np.isfinite(embedding_S).all():
        raise UserError(
            f"voice file {file}: 'speaker_embedding' must be null or a list of at most "
            f"{MAX_EMBEDDING} finite numbers"
        )
    return embedding_S


def _checked_codes(
    file: Path, codes: object, num_codes: int | None
) -> NDArray[np.int64]:
    try:
        codes_QT = np.asarray(codes)
    except (ValueError, OverflowError):
        codes_QT = np.zeros(0)
    if (
        codes_QT.ndim != 2
        or codes_QT.shape[0] != NUM_CODEBOOKS
        or codes_QT.shape[1] == 0
        or not np.issubdtype(codes_QT.dtype, np.integer)
    ):
        raise UserError(
            f"voice file {file}: 'codes' must be {NUM_CODEBOOKS} lists of integers "
            "of one length, at least one frame long"
        )
    if codes_QT.shape[1] > MAX_FRAMES:
        raise UserError(
            f"voice file {file}: 'codes' has {codes_QT.shape[1]} frames; the most is "
            f"{MAX_FRAMES}"
        )
    top = np.inf if num_codes is None else num_codes
    wrong = (codes_QT < 0) | (codes_QT >= top)
    if wrong.any():
        codebook, frame = np.argwhere(wrong)[0]
        raise UserError(
            f"voice file {file}: code {codes_QT[codebook, frame]} of codebook "
            f"{codebook}, frame {frame} is outside 0…{top - 1}"
        )
    return codes_QT.astype(np.int64)
