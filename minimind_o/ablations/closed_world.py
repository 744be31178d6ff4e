"""A closed world: few sentences, said in training, asked for in other words at the end.

It is cut out of the shipped text-to-speech set: facts alone, by default in one voice,
English, without the hundreds of sums and without long answers. The questions at the end
are of the held-out splits: phrasings that no training row has, of facts that one has.
So a Talker has heard every answer, and an error in it is the Talker's and not the
world's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from minimind_o.ablations.workbench import Workbench
from minimind_o.data.row import Row
from minimind_o.data.schema import BadRows, read_rows
from minimind_o.data.world import fact_dialogues
from minimind_o.data.writing import NewRow, write_table
from minimind_o.errors import UserError
from minimind_o.evaluation.cases import Case, KnownVoice
from minimind_o.evaluation.cases import read_cases as read_known
from minimind_o.evaluation.originals import reference_voices
from minimind_o.nano.a2a import ask

TRAIN, VALIDATION, QUESTIONS = (
    "train.parquet",
    "validation.parquet",
    "questions.parquet",
)
ANYONE = ""
"""A voice of the tail, which has no name."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which facts of the shipped set belong to the world.

    voices: who answers. families: None for all but the sums. max_words: of an answer.
    """

    voices: tuple[str, ...] = ("ada",)
    families: tuple[str, ...] | None = None
    max_words: int = 8

    def has(self, case: Case) -> bool:
        """Whether a row is of the world, whoever answers."""
        family = families().get(case.answer)
        if case.kind != "fact" or case.language != "en" or family is None:
            return False
        wanted = (
            family != "arithmetic" if self.families is None else family in self.families
        )
        return wanted and num_words(case.answer) <= self.max_words


def num_words(answer: str) -> int:
    """Words of an answer; a Mandarin character is one."""
    return len(answer.split()) if answer.isascii() else len(answer)


@cache
def families() -> dict[str, str]:
    """Every English answer's family."""
    return {
        dialogue.answer: dialogue.family
        for split in ("train", "validation", "test")
        for dialogue in fact_dialogues("en", split)
    }


def write_world(
    bench: Workbench,
    folder: Path,
    choice: Choice = Choice(),
    change: Callable[[Sequence[NewRow], str], Sequence[NewRow]] | None = None,
) -> None:
    """Write the world's three files.

    Args:
        bench: whose shipped set it is cut out of.
        folder: where to.
        choice: what belongs to it.
        change: is given the rows of each file and its name, and gives others.

    Raises:
        UserError: the shipped set has no row of the world.
    """
    known = reference_voices(bench.mimi)
    source = bench.assets.sft_t2a

    def rows(name: str) -> list[tuple[Case, NewRow]]:
        return _rows(source / name, bench, choice, known)

    everyone = rows(TRAIN)
    train = [(case, row) for case, row in everyone if case.voice in choice.voices]
    if not train:
        raise UserError(
            f"{source / TRAIN} has no row of the closed world: English facts in the "
            f"voices {', '.join(choice.voices)} are needed."
        )
    answers = {case.answer for case, _ in train}
    asked = [
        (case, row)
        for case, row in rows(VALIDATION) + rows("test.parquet")
        if case.answer in answers
    ]
    held_out = [(case, row) for case, row in asked if case.voice in choice.voices]
    prompts = [row for _, row in train]
    files = {
        TRAIN: [row for _, row in train],
        # A world too small for that (a test's) is validated on what it has learned.
        VALIDATION: [row for _, row in held_out] or [row for _, row in train],
        QUESTIONS: [
            replace(
                row,
                reference_codes=prompts[index % len(prompts)].reference_codes,
                speaker=prompts[index % len(prompts)].speaker,
            )
            for index, (_, row) in enumerate(asked or train)
        ],
    }
    for name, chosen in files.items():
        write_table(folder / name, change(chosen, name) if change else chosen)


def _rows(
    path: Path, bench: Workbench, choice: Choice, known: Sequence[KnownVoice]
) -> list[tuple[Case, NewRow]]:
    """The world's rows of a file, with what is known of each."""
    cases = read_known(path, bench.row_format, known)
    rows = read_rows(path, bench.row_format, BadRows("fatal"), check_audio=False)
    plain = [r for r in rows if [t["role"] for t in r.turns] == ["user", "assistant"]]
    return [
        (case, _new_row(row))
        for case, row in zip(cases, plain, strict=True)
        if choice.has(case)
    ]


def _new_row(row: Row) -> NewRow:
    alignment = row.answer_alignment
    return NewRow(
        turns=row.turns,
        answer_codes=row.answer_codes,
        answer_alignment=None if alignment is None else alignment.tolist(),
        reference_codes=row.reference_codes,
        speaker=row.speaker_embedding,
        recordings=row.question_audios,
        pictures=row.images,
    )


def asked_aloud(rows: Sequence[NewRow], name: str) -> list[NewRow]:
    """The rows of a file with their questions spoken, by voices of its split.

    A recording is made once for every question of a file, so that encoding it costs
    little; another file's questions are asked by others.
    """
    split = {TRAIN: "train", VALIDATION: "validation", QUESTIONS: "test"}[name]
    rng = np.random.default_rng(len(rows))
    recordings: dict[str, bytes] = {}
    spoken = []
    for row in rows:
        question = row.turns[0]["content"]
        if question not in recordings:
            recordings[question] = ask(question, "en", split, rng)
        turns = [{"role": "user", "content": ""}, *row.turns[1:]]
        spoken.append(replace(row, turns=turns, recordings=(recordings[question],)))
    return spoken


def choose(cases: Sequence[Case], count: int) -> list[Case]:
    """Some of the questions, the same for every run."""
    drawn = np.random.default_rng(0).permutation(len(cases))[:count]
    return [cases[index] for index in sorted(drawn)]
