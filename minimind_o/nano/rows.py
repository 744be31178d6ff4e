"""Spoken dialogues as rows of the released schema."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from minimind_o.data.schema import SCHEMA
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
    """Write one Parquet file, complete or not at all.

    Each row's voice prompt is drawn from those of its voice.
    """
    rng = np.random.default_rng(seed)
    columns: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
    for row in rows:
        item = row.item
        codes, alignment = coder.get(item)
        prompt = prompts[item.voice][rng.integers(len(prompts[item.voice]))]
        turns = [
            {"role": "user", "content": row.question},
            {"role": "assistant", "content": item.dialogue.answer},
        ]
        columns["conversations"].append(json.dumps(turns, ensure_ascii=False))
        columns["question_audios"].append([] if row.speech is None else [row.speech])
        columns["answer_audios"].append([codes.T.reshape(-1)])
        columns["image_bytes"].append([] if row.picture is None else [row.picture])
        columns["ref_audios"].append(prompt.codes.T.reshape(-1))
        columns["spk_emb"].append(prompt.speaker)
        columns["answer_alignment"].append(alignment)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    table = pa.table(columns, schema=SCHEMA)
    pq.write_table(table, temporary, compression="zstd", row_group_size=1024)
    temporary.replace(path)
