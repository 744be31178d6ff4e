"""Spoken dialogues as rows of the released schema."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minimind_o.data.writing import NewRow, write_table
from minimind_o.nano.answers import AnswerCoder, SpokenDialogue
from minimind_o.nano.voice_prompts import VoicePrompt


@dataclass(frozen=True, kw_only=True)
class DialogueRow:
    """One dialogue with what is asked by sound and picture.

    question: the user's text; empty where all of it is spoken.
    speech: an encoded recording. picture: an encoded picture.
    """

    item: SpokenDialogue
    question: str
    speech: bytes | None = None
    picture: bytes | None = None


def write_rows(
    path: Path,
    rows: Iterable[DialogueRow],
    coder: AnswerCoder,
    prompts: Mapping[str, list[VoicePrompt]],
    seed: int,
) -> None:
    """Write one Parquet file; each row's prompt is drawn from those of its voice."""
    rng = np.random.default_rng(seed)

    def new_row(row: DialogueRow) -> NewRow:
        item = row.item
        codes, alignment = coder.get(item)
        prompt = prompts[item.voice][rng.integers(len(prompts[item.voice]))]
        return NewRow(
            turns=[
                {"role": "user", "content": row.question},
                {"role": "assistant", "content": item.dialogue.answer},
            ],
            answer_codes=codes,
            answer_alignment=alignment,
            reference_codes=prompt.codes,
            speaker=prompt.speaker,
            recordings=() if row.speech is None else (row.speech,),
            pictures=() if row.picture is None else (row.picture,),
        )

    write_table(path, map(new_row, rows))
