"""A list of what is to become rows: CSV with a header, or a JSON object a line.

Columns, all but an answer optional, and empty where a row has none:

- ``question`` and ``answer``: texts; or ``conversation``: a list of turns in their
  place, that ends with the answer, or with the question where the answer is recorded;
- ``question_recording``, ``answer_recording``, ``picture``: files;
- ``voice``: a recording of the answer's speaker, or the name of a voice of the assets.

Files are named from the manifest's folder, or from another one that is given, and lie
below it: a manifest from elsewhere shall not gather what is on this machine.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minimind_o.chat import Turn, check_turns
from minimind_o.data.own_set import RecordedAnswer
from minimind_o.errors import UserError, first_line
from minimind_o.foreign_json import parse_json
from minimind_o.generation.voices import list_voices, load_voice

TEXTS = ("question", "answer")
FILES = ("question_recording", "answer_recording", "picture")
COLUMNS = (*TEXTS, "conversation", *FILES, "voice")
ONE_TOO_MANY = "(one more than the header has)"
MAX_FIELD = 10_000_000
"""Characters of one value in a CSV file."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where a manifest's files and voices are.

    media: the folder that holds the files. voices: the assets' folder of voices.
    """

    media: Path
    voices: Path | None = None


def count_entries(manifest: Path) -> int:
    """How many rows a manifest asks for.

    Raises:
        UserError: it cannot be read.
    """
    return sum(1 for _ in _entries(manifest))


def read_entries(manifest: Path, first: int, last: int) -> Iterator[Mapping[str, Any]]:
    """Entries `first` to `last` - 1, as they are written.

    Raises:
        UserError: it cannot be read; names the row.
    """
    yield from itertools.islice(_entries(manifest), first, last)


def read_answer(entry: Mapping[str, Any], places: Places) -> RecordedAnswer:
    """What an entry asks for.

    Raises:
        UserError: an unknown column, a value that is no text, a conversation that is
            none, or a file outside the media folder.
    """
    values = _checked(entry)
    files = {name: _file(values.get(name), name, places) for name in FILES}
    question, answer, earlier = _conversation(values)
    return RecordedAnswer(
        question=question,
        answer=answer,
        earlier=earlier,
        recording=files["answer_recording"],
        question_recording=files["question_recording"],
        picture=files["picture"],
        voice_prompt=_voice(values.get("voice"), places),
    )


def _entries(manifest: Path) -> Iterator[Mapping[str, Any]]:
    is_csv = manifest.suffix.lower() == ".csv"
    if not is_csv and manifest.suffix.lower() not in (".jsonl", ".ndjson"):
        raise UserError(f"{manifest} must end in .csv or .jsonl.")
    number = 0
    try:
        with manifest.open(encoding="utf-8-sig", newline="") as stream:
            csv.field_size_limit(MAX_FIELD)
            entries: Iterator[Mapping[str, Any]]
            if is_csv:
                entries = csv.DictReader(stream, restkey=ONE_TOO_MANY, strict=True)
            else:
                entries = map(parse_json, stream)
            for entry in entries:
                yield entry
                number += 1
    except FileNotFoundError:
        raise UserError(
            f"{manifest} does not exist: name a CSV or JSONL file."
        ) from None
    except (OSError, ValueError, csv.Error) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"{manifest} cannot be read from row {number} on ({first_line(error)})."
        ) from error


def _checked(entry: Any) -> dict[str, Any]:
    """The values that are there."""
    if not isinstance(entry, Mapping):
        raise UserError("it is no object with columns and values.")
    known = ", ".join(COLUMNS)
    for name in entry:
        if name not in COLUMNS:
            raise UserError(f"it has the column {name!r}; known are {known}.")
    values = {k: v for k, v in entry.items() if v not in (None, "")}
    for name, value in values.items():
        if name != "conversation" and not isinstance(value, str):
            raise UserError(f"{name} is {value!r}; it must be text.")
    return values


def _conversation(values: Mapping[str, Any]) -> tuple[str, str, list[Turn]]:
    """Question, answer (empty: recorded), and the turns before them."""
    turns = values.get("conversation")
    if turns is None:
        return values.get("question", ""), values.get("answer", ""), []
    if "question" in values or "answer" in values:
        raise UserError("it has a conversation and a question or answer: give one.")
    if isinstance(turns, str):
        try:
            turns = parse_json(turns)
        except ValueError as error:
            raise UserError(f"conversation is not JSON ({error}).") from error
    if not isinstance(turns, list):
        raise UserError("conversation must be a list of role/content turns.")
    check_turns(turns)
    turns = list(turns)
    answer = turns.pop()["content"] if turns[-1]["role"] == "assistant" else ""
    if not turns or turns[-1]["role"] != "user":
        raise UserError("conversation must hold a user turn before the answer.")
    return turns.pop()["content"], answer, turns


def _file(name: str | None, column: str, places: Places) -> Path | None:
    if name is None:
        return None
    path = places.media / name
    if not path.resolve().is_relative_to(places.media.resolve()):
        raise UserError(
            f"{column} is {name}, which lies outside {places.media}: name a folder "
            "above it with --media."
        )
    return path


def _voice(name: str | None, places: Places) -> Any:
    """A recording, or a voice of the assets."""
    path = _file(name, "voice", places)
    if name is None or path is None or path.is_file() or places.voices is None:
        return path
    if name in (known := list_voices(places.voices)):
        return load_voice(places.voices, name)
    raise UserError(
        f"voice is {name}: there is no such file in {places.media}, and the voices of "
        f"the assets are {', '.join(known)}."
    )
