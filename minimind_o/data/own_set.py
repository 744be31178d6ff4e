"""A training set of your own: texts, recordings and pictures become Parquet rows.

Shapes: N sample, Q codebook, F frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from minimind_o.chat import Turn, check_plain_text, check_turns
from minimind_o.data.media import read_audio, read_picture
from minimind_o.data.writing import NewRow, write_table
from minimind_o.errors import UserError
from minimind_o.frozen.campplus import CampPlus
from minimind_o.frozen.mimi import Mimi
from minimind_o.frozen.waves import resampled
from minimind_o.generation.new_voice import make_voice
from minimind_o.generation.voices import Voice

if TYPE_CHECKING:
    from minimind_o.frozen.sensevoice import SenseVoice

Source = bytes | str | Path
KEPT_VOICES = 256


@dataclass(frozen=True, kw_only=True)
class RecordedAnswer:
    """One question and its answer, as text and, where it is spoken, as a recording.

    question: what is written to the model. answer: what the recording says; empty to
    have it transcribed. recording: of the answer. voice_prompt: another recording of
    the same speaker, or a voice that exists. question_recording, picture: what else is
    asked with. earlier: the turns before.
    """

    question: str = ""
    answer: str = ""
    recording: Source | None = None
    voice_prompt: Source | Voice | None = None
    question_recording: Source | None = None
    picture: Source | None = None
    earlier: Sequence[Turn] = ()


class RowMaker:
    """Makes rows with the frozen models; each is loaded when a row needs it.

    Args:
        mimi: gives the codec, for recordings of answers and voices.
        campplus: gives the speaker encoder, for recordings of voices.
        sensevoice: gives the transcriber, for recorded answers without a text; None
            where there is none.
    """

    def __init__(
        self,
        mimi: Callable[[], Mimi],
        campplus: Callable[[], CampPlus],
        sensevoice: Callable[[], SenseVoice] | None = None,
    ) -> None:
        self._load_mimi, self._load_campplus = mimi, campplus
        self._load_sensevoice = sensevoice
        self._voices: dict[Source, Voice] = {}

    @cached_property
    def mimi(self) -> Mimi:
        """The codec."""
        return self._load_mimi()

    @cached_property
    def campplus(self) -> CampPlus:
        """The speaker encoder."""
        return self._load_campplus()

    @cached_property
    def sensevoice(self) -> SenseVoice:
        """The transcriber."""
        assert self._load_sensevoice is not None
        return self._load_sensevoice()

    def make(self, answer: RecordedAnswer) -> NewRow:
        """The row.

        Raises:
            UserError: an answer without text, a question without anything, or a
                recording or picture that cannot be read.
        """
        check_plain_text(answer.question)
        check_plain_text(answer.answer, "The answer")
        asked = (answer.question.strip(), answer.question_recording, answer.picture)
        if not any(asked):
            raise UserError(
                "nothing is asked: give a question, a recording of it, or a picture."
            )
        if answer.earlier:
            check_turns(answer.earlier)
        wave_N = self._wave(answer.recording)
        voice = self._voice(answer.voice_prompt)
        return NewRow(
            turns=[
                *answer.earlier,
                {"role": "user", "content": answer.question},
                {"role": "assistant", "content": self._text(answer, wave_N)},
            ],
            answer_codes=None if wave_N is None else self._codes(wave_N),
            reference_codes=None if voice is None else voice.codes_QT,
            speaker=None if voice is None else voice.speaker_embedding_S,
            recordings=_file(answer.question_recording, read_audio),
            pictures=_file(answer.picture, read_picture),
        )

    def _text(self, answer: RecordedAnswer, wave_N: NDArray[np.float32] | None) -> str:
        if answer.answer.strip():
            return answer.answer
        if wave_N is None:
            raise UserError("there is no answer: give its text or a recording of it.")
        if self._load_sensevoice is None:
            raise UserError("the text is empty; write down what the recording says.")
        (text,) = self.sensevoice.transcribe([wave_N], self.mimi.sample_rate)
        if not text:
            raise UserError("no words are heard in the recording; write them down.")
        return text

    def _wave(self, recording: Source | None) -> NDArray[np.float32] | None:
        if recording is None:
            return None
        samples, rate = read_audio(recording)
        return resampled(samples, rate, self.mimi.sample_rate)

    def _codes(self, wave_N: NDArray[np.float32]) -> NDArray[np.int16]:
        """(Q, F), the last frame filled up with silence."""
        missing = -len(wave_N) % self.mimi.frame_size
        whole = torch.from_numpy(np.pad(wave_N, (0, missing)))
        return self.mimi.encode(whole[None])[0].cpu().numpy().astype(np.int16)

    def _voice(self, prompt: Source | Voice | None) -> Voice | None:
        """The voice; those of the last few recordings are remembered."""
        if prompt is None or isinstance(prompt, Voice):
            return prompt
        if prompt not in self._voices:
            if len(self._voices) >= KEPT_VOICES:
                del self._voices[next(iter(self._voices))]
            voice = make_voice("prompt", prompt, self.mimi, self.campplus)
            self._voices[prompt] = voice
        return self._voices[prompt]


def write_own_set(
    path: Path, answers: Sequence[RecordedAnswer], mimi: Mimi, campplus: CampPlus
) -> None:
    """Code the recordings and write one Parquet file, whole or not at all.

    Raises:
        UserError: an answer without text, or a recording or picture that cannot be
            read; names the answer by its number.
    """
    maker = RowMaker(lambda: mimi, lambda: campplus)
    rows = []
    for number, answer in enumerate(answers):
        try:
            rows.append(maker.make(answer))
        except UserError as error:
            raise UserError(f"answer {number}: {error}") from error
    if not rows:
        raise UserError(f"{path} would be empty: give at least one answer.")
    write_table(path, rows)


def _file(
    source: Source | None, check: Callable[[Source], object]
) -> tuple[bytes, ...]:
    if source is None:
        return ()
    check(source)
    return (source if isinstance(source, bytes) else Path(source).read_bytes(),)
