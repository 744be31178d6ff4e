"""What a set holds, as table 1 of the paper counts it: hours, languages, lengths."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import soundfile
import torch
from tqdm.auto import tqdm

from minimind_o import tokenizer as tokenizers
from minimind_o.assets import NANO_ROOT
from minimind_o.chat import IMAGE_MARK, check_turns, split_thought
from minimind_o.data.scan import Cores, Portion, num_rows, portions
from minimind_o.errors import UserError
from minimind_o.evaluation.normalise import is_mandarin
from minimind_o.foreign_json import parse_json
from minimind_o.terminal_table import terminal_table
from minimind_o.tokenizer import Tokenizer

FRAME_RATE, NUM_CODEBOOKS = 12.5, 8
COLUMNS = ("conversations", "question_audios", "answer_audios")
LANGUAGES = ("Chinese", "English", "mixed", "other")
PERCENTILES = (50, 90, 99, 100)
PAPER_TABLE = NANO_ROOT.parent / "paper" / "table1_datasets.csv"
SECONDS_STEP = 0.1

_LATIN_WORD = re.compile("[A-Za-z]{2,}")


@dataclass
class SetStatistics:
    """Counts of some rows; those of two sets can be added.

    input_seconds, output_seconds: of all questions and answers.
    languages: rows by language. lengths: how often each length comes, by what it is of:
    seconds of a question and of an answer (in steps of 0.1), tokens of an answer.
    unreadable: rows whose conversation or recording cannot be read; `data check` says
    which.
    """

    num_rows: int = 0
    input_seconds: float = 0.0
    output_seconds: float = 0.0
    unreadable: int = 0
    languages: Counter[str] = field(default_factory=Counter)
    lengths: dict[str, Counter[float]] = field(default_factory=dict)

    def add(self, other: SetStatistics) -> None:
        """Count the rows of another set with these."""
        self.num_rows += other.num_rows
        self.input_seconds += other.input_seconds
        self.output_seconds += other.output_seconds
        self.unreadable += other.unreadable
        self.languages.update(other.languages)
        for name, counts in other.lengths.items():
            self.lengths.setdefault(name, Counter()).update(counts)

    def note(self, name: str, length: float) -> None:
        """Count a length."""
        self.lengths.setdefault(name, Counter())[length] += 1

    def share(self, language: str) -> float:
        """Per cent of the rows that could be read."""
        return 100 * self.languages[language] / max(1, self.languages.total())

    def summary(self) -> dict[str, Any]:
        """As plain values, rounded as table 1 is."""
        return {
            "samples": self.num_rows,
            "input_speech_hours": round(self.input_seconds / 3600, 2),
            "output_speech_hours": round(self.output_seconds / 3600, 2),
            **{
                f"{language.lower()}_pct": round(self.share(language), 1)
                for language in LANGUAGES
            },
            "unreadable": self.unreadable,
            "lengths": {
                name: {f"p{p}": percentile(counts, p) for p in PERCENTILES}
                for name, counts in sorted(self.lengths.items())
            },
        }


def measure_files(
    files: Sequence[str],
    tokenizer: Path,
    *,
    limit: int | None = None,
    num_processes: int | None = None,
) -> dict[str, SetStatistics]:
    """Statistics of each file, over all cores.

    Args:
        files: single ones, as `schema.expand` gives them.
        tokenizer: the directory of the one that counts tokens.
        limit: look at so many rows of each file only.
        num_processes: None for one a core.

    Raises:
        UserError: a file that is missing, damaged or of another schema.
    """
    out = {}
    with Cores(_start, (tokenizer,), num_processes) as cores:
        for file in files:
            total = out[file] = SetStatistics()
            with tqdm(
                total=num_rows(file, limit), unit=" rows", disable=None
            ) as progress:
                rows = portions(file, limit=limit, columns=COLUMNS)
                for counted in cores.map(_measure, rows):
                    total.add(counted)
                    progress.update(counted.num_rows)
    return out


def percentile(counts: Counter[float], percent: float) -> float:
    """The smallest length that so many per cent of the items do not exceed."""
    wanted, seen = percent / 100 * counts.total(), 0
    for length in sorted(counts):
        seen += counts[length]
        if seen >= wanted:
            return length
    raise ValueError("no lengths were counted")


def language_of(text: str) -> str:
    """Chinese, English, both, or neither: by the characters that occur.

    A single Latin word makes a Chinese text mixed; the paper does not say how it tells.
    """
    chinese, english = is_mandarin(text), bool(_LATIN_WORD.search(text))
    if chinese and english:
        return "mixed"
    return "Chinese" if chinese else "English" if english else "other"


def paper_row(file: str) -> dict[str, str] | None:
    """Table 1's row of the data set that a file is named after."""
    with PAPER_TABLE.open(encoding="utf-8", newline="") as stream:
        rows = {row["dataset"]: row for row in csv.DictReader(stream)}
    return rows.get(Path(file).stem)


def table(statistics: dict[str, SetStatistics]) -> str:
    """For a terminal: every file, the paper's row where there is one, and lengths."""
    head = ["file", "samples", "hours in", "hours out"]
    head += [f"{language} %" for language in LANGUAGES]
    rows, lengths = [], []
    for file, counted in statistics.items():
        values = counted.summary()
        shares = [f"{values[f'{name.lower()}_pct']}" for name in LANGUAGES]
        hours = [f"{values[f'{way}_speech_hours']:.2f}" for way in ("input", "output")]
        rows.append([Path(file).name, str(counted.num_rows), *hours, *shares])
        paper = paper_row(file)
        if paper is not None:
            rows.append(["in the paper", *(v or "-" for v in _paper_cells(paper))])
        for name, marks in values["lengths"].items():
            cells = [f"{mark:g}" for mark in marks.values()]
            lengths.append([Path(file).name, name, *cells])
    parts = [terminal_table(head, rows, 40)]
    if lengths:
        marks = [f"{p} %" if p < 100 else "most" for p in PERCENTILES]
        parts.append(terminal_table(["file", "length", *marks], lengths, 40))
    bad = sum(counted.unreadable for counted in statistics.values())
    if bad:
        parts.append(f"{bad} rows cannot be read: 'minimind-o data check' says which.")
    return "\n\n".join(parts)


def _paper_cells(paper: dict[str, str]) -> list[str]:
    names = ["samples", "input_speech_hours", "output_speech_hours"]
    names += [f"{language.lower()}_pct" for language in LANGUAGES[:-1]]
    return [*(paper[name] for name in names), ""]


_tokenizer: Tokenizer | None = None


def _start(tokenizer: Path) -> None:
    global _tokenizer
    torch.set_num_threads(1)
    _tokenizer = tokenizers.load(tokenizer)


def _measure(portion: Portion) -> SetStatistics:
    assert _tokenizer is not None
    out = SetStatistics(num_rows=portion.batch.num_rows)
    batch = portion.batch
    for num_codes in _answer_lengths(batch["answer_audios"]):
        seconds = num_codes / NUM_CODEBOOKS / FRAME_RATE
        out.output_seconds += seconds
        out.note("seconds of an answer", _in_steps(seconds))
    questions: list[list[bytes] | None] = [None] * batch.num_rows
    if "question_audios" in batch.schema.names:
        questions = batch["question_audios"].to_pylist()
    conversations = batch["conversations"].cast(pa.binary()).to_pylist()
    for raw, recordings in zip(conversations, questions, strict=True):
        try:
            text, answer = _texts(raw)
            lengths = [_seconds(recording) for recording in recordings or ()]
        except (UserError, soundfile.SoundFileError, ValueError, TypeError):
            out.unreadable += 1
            continue
        out.languages[language_of(text)] += 1
        out.note("tokens of an answer", len(_tokenizer.encode(answer)))
        out.input_seconds += sum(lengths)
        for seconds in lengths:
            out.note("seconds of a question", _in_steps(seconds))
    return out


def _answer_lengths(answers: pa.Array) -> list[int]:
    """Codes of each spoken turn."""
    if pa.types.is_null(answers.type) or pa.types.is_null(answers.type.value_type):
        return []
    lengths = pc.list_value_length(answers.flatten())
    return [length for length in lengths.to_pylist() if length]


def _texts(raw: bytes) -> tuple[str, str]:
    """What is said and written in a conversation, without thoughts; the last answer."""
    turns = parse_json(raw.decode("utf-8"))
    check_turns(turns)
    said = [
        split_thought(turn["content"])[1]
        if turn["role"] == "assistant"
        else turn["content"].replace(IMAGE_MARK, "")
        for turn in turns
    ]
    return "\n".join(said), said[-1]


def _seconds(recording: bytes) -> float:
    with soundfile.SoundFile(io.BytesIO(recording)) as file:
        return float(file.frames / file.samplerate)


def _in_steps(seconds: float) -> float:
    return round(round(seconds / SECONDS_STEP) * SECONDS_STEP, 1)
