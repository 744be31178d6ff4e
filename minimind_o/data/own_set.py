"""A training set of your own: recordings of answers become Parquet rows.

Shapes: N sample, Q codebook, F frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from minimind_o.chat import check_plain_text
from minimind_o.data.media import read_audio, read_picture
from minimind_o.data.writing import NewRow, write_table
from minimind_o.errors import UserError
from minimind_o.frozen.campplus import CampPlus
from minimind_o.frozen.mimi import Mimi
from minimind_o.frozen.waves import resampled

Source = bytes | str | Path
PROMPT_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class RecordedAnswer:
    """One question and its answer, as text and as a recording.

    question: what is written to the model. answer: what the recording says.
    recording: of the answer. voice_prompt: another recording of the same speaker.
    question_recording, picture: what else is asked with, where there is any.
    """

    question: str
    answer: str
    recording: Source
    voice_prompt: Source
    question_recording: Source | None = None
    picture: Source | None = None


def write_own_set(
    path: Path, answers: Sequence[RecordedAnswer], mimi: Mimi, campplus: CampPlus
) -> None:
    """Code the recordings and write one Parquet file, whole or not at all.

    Raises:
        UserError: an answer without text, or a recording or picture that cannot be
            read; names the answer by its number.
    """
    rows = []
    for number, answer in enumerate(answers):
        try:
            rows.append(_new_row(answer, mimi, campplus))
        except UserError as error:
            raise UserError(f"answer {number}: {error}") from error
    if not rows:
        raise UserError(f"{path} would be empty: give at least one answer.")
    write_table(path, rows)


def _new_row(answer: RecordedAnswer, mimi: Mimi, campplus: CampPlus) -> NewRow:
    check_plain_text(answer.question)
    check_plain_text(answer.answer, "The answer")
    if not answer.answer.strip():
        raise UserError("the text is empty; write down what the recording says.")
    prompt_N = _wave(answer.voice_prompt, mimi.sample_rate)
    size = int(PROMPT_SECONDS * mimi.sample_rate)
    return NewRow(
        turns=[
            {"role": "user", "content": answer.question},
            {"role": "assistant", "content": answer.answer},
        ],
        answer_codes=_codes(_wave(answer.recording, mimi.sample_rate), mimi),
        reference_codes=_codes(prompt_N[:size], mimi),
        speaker=campplus.embed([prompt_N], mimi.sample_rate)[0].numpy(),
        recordings=_file(answer.question_recording, read_audio),
        pictures=_file(answer.picture, read_picture),
    )


def _wave(source: Source, sample_rate: int) -> NDArray[np.float32]:
    samples, rate = read_audio(source)
    return resampled(samples, rate, sample_rate)


def _codes(wave_N: NDArray[np.float32], mimi: Mimi) -> NDArray[np.int16]:
    """(Q, F), the last frame filled up with silence."""
    missing = -len(wave_N) % mimi.frame_size
    whole = torch.from_numpy(np.pad(wave_N, (0, missing)))
    return mimi.encode(whole[None])[0].numpy().astype(np.int16)


def _file(source: Source | None, check: object) -> tuple[bytes, ...]:
    if source is None:
        return ()
    assert callable(check)
    check(source)
    return (source if isinstance(source, bytes) else Path(source).read_bytes(),)
