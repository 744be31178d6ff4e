"""Every row of a set as training would see it: each fault by file and row, and kind.

A row passes the same lines as in training, up to where encoders would compute: read,
its recordings and pictures decoded, its text tokenised, its layout's length counted.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from minimind_o import tokenizer
from minimind_o.data.encoders import SPEECH_RATE, MediaEncoders, Source, States
from minimind_o.data.examples import ExampleOptions, RowPreparer
from minimind_o.data.media import read_audio, read_picture
from minimind_o.data.row import RowFormat
from minimind_o.data.scan import Cores, Portion, num_rows, portions
from minimind_o.data.schema import SCHEMA, BadRows, rows_of_batch
from minimind_o.errors import UserError
from minimind_o.layout import LayoutSpec

WINDOW, HOP, STACKED = 400, 160, 6
"""Of the speech encoder's features: samples at 16 kHz, and windows to a state."""
ENDLESS = 1 << 30
OTHER_KIND = "conversation"
LENGTH_KIND = "length"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What rows are held to.

    tokenizer: the directory. num_image_tokens: states of one picture.
    max_length: most positions of a layout; None for no limit.
    """

    row_format: RowFormat
    tokenizer: Path
    num_image_tokens: int = 64
    max_length: int | None = None


@dataclass
class Findings:
    """What was found in some rows, or in a whole file.

    problems: kind and sentence of each bad row. longest: positions of the longest row.
    """

    num_rows: int = 0
    longest: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class FileReport:
    """A file's bad rows, by kind, and the longest row's positions."""

    file: str
    num_rows: int = 0
    longest: int = 0
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def num_bad(self) -> int:
        """Rows that are not fit."""
        return self.kinds.total()

    def sentence(self) -> str:
        """The result in one line."""
        kinds = ", ".join(f"{kind} {n}" for kind, n in self.kinds.most_common())
        found = f" ({kinds})" if kinds else ""
        return (
            f"{self.file}: {self.num_bad} bad rows of {self.num_rows}{found}, "
            f"the longest good one has {self.longest} positions"
        )


def check_files(
    files: Sequence[str],
    rules: Rules,
    *,
    limit: int | None = None,
    num_processes: int | None = None,
    show: int = 20,
    say: Callable[[str], None] = print,
) -> list[FileReport]:
    """Check files over all cores; a damaged file counts as one bad row.

    Args:
        files: single ones, as `schema.expand` gives them.
        rules: what the rows are held to.
        limit: look at so many rows of each file only.
        num_processes: None for one a core.
        show: most sentences of each kind of fault in each file.
        say: told each of these as it is found, and each file's result.
    """
    reports = []
    with Cores(_start, (rules,), num_processes) as cores:
        for file in files:
            report = FileReport(file)
            reports.append(report)
            try:
                total = num_rows(file, limit)
                with tqdm(total=total, unit=" rows", disable=None) as bar:
                    for found in cores.map(_check, portions(file, limit=limit)):
                        _add(report, found, show, say)
                        bar.update(found.num_rows)
            except UserError as error:
                say(str(error))
                report.kinds["file"] += 1
            say(report.sentence())
    return reports


def picture_tokens(siglip2: Path) -> int:
    """States that a vision encoder gives of one picture, from its configuration.

    Raises:
        UserError: there is none, or it is damaged.
    """
    path = siglip2 / "config.json"
    try:
        values = json.loads(path.read_text("utf-8"))
        values = values.get("vision_config", values)
        return int(values["image_size"] // values["patch_size"]) ** 2
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not a SigLIP2 configuration ({error}).") from None


def num_speech_states(num_samples: int, sample_rate: int) -> int:
    """States of a recording: windows of 25 ms every 10 ms, six of them to a state."""
    samples = round(num_samples * SPEECH_RATE / sample_rate)
    windows = 1 + max(0, samples - WINDOW) // HOP
    return -(-windows // STACKED)


class MediaLengths(MediaEncoders):
    """In place of the encoders: reads media as they do, and gives states of width 0."""

    def __init__(self, num_image_tokens: int) -> None:
        super().__init__()
        self._num_image_tokens = num_image_tokens

    def speech(self, recordings: Sequence[Source]) -> list[States]:
        """As many states as the encoder would give.

        Raises:
            UserError: a recording that cannot be read.
        """
        read = [read_audio(source, "question_audios") for source in recordings]
        lengths = [num_speech_states(len(samples), rate) for samples, rate in read]
        return [np.zeros((length, 0), np.float16) for length in lengths]

    def pictures(self, pictures: Sequence[Source]) -> list[States]:
        """Likewise.

        Raises:
            UserError: a picture that cannot be read.
        """
        for picture in pictures:
            read_picture(picture, "image_bytes")
        return [np.zeros((self._num_image_tokens, 0), np.float16) for _ in pictures]


class _Collected(BadRows):
    """Remembers, without a word."""

    def report(self, error: UserError) -> None:
        self.messages.append(str(error))


class _Checker:
    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.preparer = RowPreparer(
            tokenizer=tokenizer.load(rules.tokenizer),
            spec=LayoutSpec(),
            options=ExampleOptions(max_length=rules.max_length or ENDLESS),
            encoders=MediaLengths(rules.num_image_tokens),
        )

    def check(self, portion: Portion) -> Findings:
        bad, found = _Collected("skip"), Findings(num_rows=portion.batch.num_rows)
        rows = rows_of_batch(
            portion.batch,
            portion.file,
            portion.indices,
            self.rules.row_format,
            bad,
            check_audio=False,
        )
        limit = self.rules.max_length or ENDLESS
        for row, prepared in self.preparer.prepare(rows, bad):
            length = prepared.grid_length(self.preparer.spec)
            if length > limit:
                sentence = (
                    f"{row.location}: the layout takes {length} positions; it must "
                    f"fit into {limit}, or training cuts it."
                )
                found.problems.append((LENGTH_KIND, sentence))
            else:
                found.longest = max(found.longest, length)
        found.problems += [(_kind(sentence), sentence) for sentence in bad.messages]
        found.problems.sort(key=lambda problem: _row_number(problem[1]))
        return found


_checker: _Checker | None = None


def _start(rules: Rules) -> None:
    global _checker
    torch.set_num_threads(1)
    _checker = _Checker(rules)


def _check(portion: Portion) -> Findings:
    assert _checker is not None
    return _checker.check(portion)


def _kind(sentence: str) -> str:
    """The column that a sentence begins with, after file and row."""
    problem = sentence.split(": ", 1)[-1]
    return next((c for c in SCHEMA.names if problem.startswith(c)), OTHER_KIND)


def _row_number(sentence: str) -> int:
    return int(sentence.split(": ", 1)[0].rsplit(" ", 1)[-1])


def _add(
    report: FileReport, found: Findings, show: int, say: Callable[[str], None]
) -> None:
    report.num_rows += found.num_rows
    report.longest = max(report.longest, found.longest)
    for kind, sentence in found.problems:
        report.kinds[kind] += 1
        if report.kinds[kind] <= show:
            say(sentence)
        elif report.kinds[kind] == show + 1:
            say(f"{report.file}: more rows with a bad {kind} are counted, not shown")
