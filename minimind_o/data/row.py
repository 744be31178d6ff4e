"""One row of a Parquet file: from Arrow values to arrays, or one clear sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minimind_o.chat import Turn, check_turns, split_thought
from minimind_o.data.media import read_audio
from minimind_o.errors import UserError
from minimind_o.foreign_json import parse_json


@dataclass(frozen=True, kw_only=True)
class RowFormat:
    """What codes and vectors of a row must look like."""

    num_codebooks: int = 8
    """Codes per frame."""
    num_codes: int = 2048
    """Codes lie in 0..num_codes-1."""
    speaker_embedding_size: int = 192
    """Length of the speaker vector."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """One valid row, in the shapes the layout wants."""

    file: str
    index: int
    turns: list[Turn]
    question_audios: list[bytes]
    answer_codes: NDArray[np.int32] | None
    """(Q, F), the last turn's."""
    images: list[bytes]
    reference_codes: NDArray[np.int32] | None
    """(Q, R)"""
    speaker_embedding: NDArray[np.float32] | None
    answer_alignment: NDArray[np.int32] | None
    """(F,)"""

    @property
    def location(self) -> str:
        """``file row index``, the head of every message about this row."""
        return _location(self.file, self.index)


def read_row(
    name: str,
    index: int,
    scalars: dict[str, Any],
    row_format: RowFormat,
    check_audio: bool = True,
) -> Row:
    """Read one row from its Arrow scalars (text as binary).

    Raises:
        UserError: naming file, row and column, and what would be right.
    """
    try:
        turns = _read_turns(scalars["conversations"].as_py())
        answers = [
            _read_codes(values, "answer_audios", row_format)
            for values in _items(scalars.get("answer_audios"))
        ]
        answer = answers[-1] if answers else None
        audios = _read_blobs(scalars.get("question_audios"), "question_audios")
        if check_audio:
            for blob in audios:
                decode_audio(blob)
        return Row(
            file=name,
            index=index,
            turns=turns,
            question_audios=audios,
            answer_codes=answer,
            images=_read_blobs(scalars.get("image_bytes"), "image_bytes"),
            reference_codes=_read_codes(
                scalars.get("ref_audios"), "ref_audios", row_format
            ),
            speaker_embedding=_read_speaker(scalars.get("spk_emb"), row_format),
            answer_alignment=_read_alignment(
                scalars.get("answer_alignment"), turns, answer
            ),
        )
    except UserError as error:
        raise UserError(f"{_location(name, index)}: {error}") from error


def decode_audio(blob: bytes) -> tuple[NDArray[np.float32], int]:
    """The samples (mono) and the sample rate of an encoded audio file.

    Raises:
        UserError: if it is no whole audio file, or one that `read_audio` refuses.
    """
    try:
        return read_audio(blob)
    except UserError as error:
        sentence = str(error).replace("the recording", "a recording that", 1)
        raise UserError(f"question_audios holds {sentence}") from error


def _read_turns(raw: bytes | None) -> list[Turn]:
    if raw is None:
        raise UserError("conversations is null; it must be a JSON list of turns.")
    try:
        turns = parse_json(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise UserError(
            f"conversations is not UTF-8 (byte {error.start}); it must be UTF-8 JSON."
        ) from error
    except ValueError as error:
        raise UserError(f"conversations is not JSON ({error}).") from error
    if not isinstance(turns, list):
        raise UserError("conversations must be a JSON list of role/content turns.")
    try:
        check_turns(turns)
    except UserError as error:
        raise UserError(f"conversations is malformed. {error}") from error
    if not any(turn["role"] == "assistant" for turn in turns):
        raise UserError("conversations has no assistant turn; it must end with one.")
    if turns[-1]["role"] != "assistant":
        raise UserError("conversations must end with an assistant turn.")
    return turns


def _read_codes(
    scalar: Any, column: str, row_format: RowFormat
) -> NDArray[np.int32] | None:
    flat = _numbers(scalar, column)
    if flat is None:
        return None
    if len(flat) % row_format.num_codebooks:
        raise UserError(
            f"{column} holds {len(flat)} codes; the number must be a multiple of "
            f"{row_format.num_codebooks}."
        )
    wrong = flat[(flat < 0) | (flat >= row_format.num_codes)]
    if len(wrong):
        raise UserError(
            f"{column} holds the code {wrong[0]}; codes must lie in "
            f"0..{row_format.num_codes - 1}."
        )
    return flat.reshape(-1, row_format.num_codebooks).T.astype(np.int32)


def _read_speaker(scalar: Any, row_format: RowFormat) -> NDArray[np.float32] | None:
    vector = _numbers(scalar, "spk_emb")
    if vector is None:
        return None
    if len(vector) != row_format.speaker_embedding_size:
        raise UserError(
            f"spk_emb has {len(vector)} numbers; it must have "
            f"{row_format.speaker_embedding_size} or none."
        )
    if not np.isfinite(vector).all():
        raise UserError("spk_emb holds a number that is not finite.")
    return vector.astype(np.float32)


def _read_alignment(
    scalar: Any, turns: list[Turn], answer: NDArray[np.int32] | None
) -> NDArray[np.int32] | None:
    alignment = _numbers(scalar, "answer_alignment")
    if alignment is None:
        return None
    num_frames = 0 if answer is None else answer.shape[1]
    if len(alignment) != num_frames:
        raise UserError(
            f"answer_alignment has {len(alignment)} entries; it must have one for each "
            f"of the answer's {num_frames} frames."
        )
    length = len(split_thought(turns[-1]["content"])[1])
    wrong = alignment[(alignment < -1) | (alignment >= length)]
    if len(wrong):
        raise UserError(
            f"answer_alignment holds {wrong[0]}; it must lie in -1..{length - 1}, the "
            "characters of the answer."
        )
    return alignment.astype(np.int32)


def _read_blobs(scalar: Any, column: str) -> list[bytes]:
    value = None if scalar is None else scalar.as_py()
    if value is None:
        return []
    blobs = [value] if isinstance(value, bytes) else value
    if any(not blob for blob in blobs):
        raise UserError(f"{column} holds an empty file.")
    return blobs


def _numbers(scalar: Any, column: str) -> NDArray[Any] | None:
    values = _items(scalar)
    if not len(values):
        return None
    if values.null_count:
        raise UserError(f"{column} holds a null where a number must be.")
    return values.to_numpy(zero_copy_only=False)


def _items(scalar: Any) -> Any:
    return () if scalar is None or not scalar.is_valid else scalar.values


def _location(name: str, index: int) -> str:
    return f"{name} row {index}"
