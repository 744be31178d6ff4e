"""Rows of the released schema into a Parquet file, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from minimind_o.chat import Turn
from minimind_o.data.schema import SCHEMA


@dataclass(frozen=True, kw_only=True, eq=False)
class NewRow:
    """One conversation to be written.

    turns: the conversation. answer_codes: (Q, F) of the last turn's speech.
    answer_alignment: (F,), for each frame the character of the answer it speaks, or -1.
    reference_codes: (Q, R) of the voice prompt. speaker: its speaker vector (S,).
    recordings, pictures: what the user said and showed, as encoded files.
    """

    turns: Sequence[Turn]
    answer_codes: NDArray[np.integer] | None = None
    answer_alignment: Sequence[int] | None = None
    reference_codes: NDArray[np.integer] | None = None
    speaker: NDArray[np.floating] | None = None
    recordings: Sequence[bytes] = ()
    pictures: Sequence[bytes] = ()

    def values(self) -> dict[str, Any]:
        """The row's columns; codes are written frame by frame."""
        codes, reference = self.answer_codes, self.reference_codes
        return {
            "conversations": json.dumps(list(self.turns), ensure_ascii=False),
            "question_audios": list(self.recordings),
            "answer_audios": [] if codes is None else [codes.T.reshape(-1)],
            "image_bytes": list(self.pictures),
            "ref_audios": None if reference is None else reference.T.reshape(-1),
            "spk_emb": self.speaker,
            "answer_alignment": self.answer_alignment,
        }


def write_table(
    path: Path, rows: Iterable[NewRow], metadata: Mapping[str, str] | None = None
) -> None:
    """Write one Parquet file; an earlier one of that name is replaced whole.

    Args:
        path: the file; its folder is made.
        rows: all in memory at once.
        metadata: what the file shall say of itself, by key.
    """
    columns: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
    for row in rows:
        values: Mapping[str, Any] = row.values()
        for name, column in columns.items():
            column.append(values[name])
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    table = pa.table(columns, schema=SCHEMA.with_metadata(metadata))
    pq.write_table(table, temporary, compression="zstd", row_group_size=1024)
    temporary.replace(path)
