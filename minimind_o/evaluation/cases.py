"""Evaluation prompts from a Parquet file in the released schema."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from minimind_o.chat import split_thought
from minimind_o.data.schema import BadRows, Row, RowFormat, read_rows
from minimind_o.errors import UserError
from minimind_o.evaluation.normalise import is_mandarin

Kind = Literal["fact", "read_aloud", "spoken", "picture"]
KINDS: tuple[Kind, ...] = ("fact", "read_aloud", "spoken", "picture")
READ_ALOUD_OPENINGS = ("Say: ", "读：")

KnownVoice = tuple[str, NDArray[np.integer]]
"""A voice's name and one of its recordings as codes (Q, R)."""

SAME_VOICE = 0.17
"""Share of equal codes above which two voice prompts are one text in one voice. On test
rows two renderings in the same voice agree in nearly all codes, in another voice in at
most 9 %. (Real recordings, and voices with flutter, agree less: 24 to 39 %.)"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """One prompt of the data, with the answer the data gives to it."""

    kind: Kind
    """A written question, a text to be read aloud, a spoken question, or one about a
    picture, written or spoken."""
    language: str
    """`en` or `zh`, by the answer."""
    voice: str
    """Name of the reference voice; empty where the codes are none of the known."""
    prompt: str
    """The user's turn."""
    answer: str
    """The assistant's turn in the data, without its thought."""
    reference_codes_QR: NDArray[np.int32] | None
    """The voice prompt."""
    speaker_embedding: NDArray[np.float32] | None
    """The speaker vector, where the data has one."""
    answer_codes_QF: NDArray[np.int32] | None
    """The answer's recording as codes."""
    recordings: tuple[bytes, ...] = ()
    """What the user said, as audio files."""
    pictures: tuple[bytes, ...] = ()
    """What the user showed, as picture files."""


def kinds_of(cases: Sequence[Case]) -> tuple[Kind, ...]:
    """The kinds that there are, in the order of `KINDS`."""
    present = {case.kind for case in cases}
    return tuple(kind for kind in KINDS if kind in present)


def read_cases(
    path: str | Path,
    row_format: RowFormat,
    voices: Sequence[KnownVoice] = (),
) -> list[Case]:
    """Every row of one question and one answer, in the order of the file.

    Args:
        path: a Parquet file in the released schema.
        row_format: what its codes must look like.
        voices: known recordings, to name the rows' voices.

    Raises:
        UserError: a bad file or row, named.
    """
    rows = read_rows(path, row_format, BadRows("fatal"), check_audio=False)
    return [
        _case(row, voices)
        for row in rows
        if [turn["role"] for turn in row.turns] == ["user", "assistant"]
    ]


def select(
    cases: list[Case], kind: Kind, num: int, *, seed: int = 0, source: str = "the data"
) -> list[Case]:
    """Draw `num` different cases of one kind, in the order of the file.

    Raises:
        UserError: there are fewer than `num`.
    """
    fitting = [case for case in cases if case.kind == kind]
    if len(fitting) < num:
        raise UserError(
            f"{source} has {len(fitting)} prompts of the kind '{kind}', fewer than the "
            f"{num} asked for: ask for at most that many"
        )
    drawn = np.random.default_rng(seed).permutation(len(fitting))[:num]
    return [fitting[index] for index in sorted(drawn)]


def _case(row: Row, voices: Sequence[KnownVoice]) -> Case:
    prompt = row.turns[0]["content"]
    _, answer = split_thought(row.turns[1]["content"])
    reference = row.reference_codes
    return Case(
        kind=_kind(row, prompt),
        language="zh" if is_mandarin(answer) else "en",
        voice="" if reference is None else _voice_name(reference, voices),
        prompt=prompt,
        answer=answer,
        reference_codes_QR=reference,
        speaker_embedding=row.speaker_embedding,
        answer_codes_QF=row.answer_codes,
        recordings=tuple(row.question_audios),
        pictures=tuple(row.images),
    )


def _kind(row: Row, prompt: str) -> Kind:
    if row.images:
        return "picture"
    if row.question_audios:
        return "spoken"
    return "read_aloud" if prompt.startswith(READ_ALOUD_OPENINGS) else "fact"


def _voice_name(reference_QR: NDArray[np.int32], voices: Sequence[KnownVoice]) -> str:
    best, name = SAME_VOICE, ""
    for known_name, known_QR in voices:
        length = min(reference_QR.shape[1], known_QR.shape[1])
        agreement = float((reference_QR[:, :length] == known_QR[:, :length]).mean())
        if agreement > best:
            best, name = agreement, known_name
    return name
