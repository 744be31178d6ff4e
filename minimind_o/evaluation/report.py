"""The consistency table as Parquet, and its summary as Markdown."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from minimind_o.evaluation.hearing import ErrorSummary, Hearing, summarise
from minimind_o.evaluation.statistics import Estimate, bootstrap_mean

LENGTH_BUCKETS = ((0, 15), (16, 30), (31, 60))
"""First and last number of words; longer answers have a bucket of their own."""

KIND_TITLES = {
    "fact": "facts, unseen phrasings",
    "read_aloud": "read aloud, unseen texts",
    "spoken": "spoken questions, unseen phrasings and voices",
    "picture": "pictures, unseen combinations",
}


@dataclass(frozen=True, kw_only=True)
class Item:
    """One prompt, the model's answer and what was heard of it."""

    kind: str
    """One of `KIND_TITLES`."""
    voice: str
    """Name of the reference voice; empty where the codes are none of the known."""
    prompt: str
    """What the user said."""
    reference_answer: str
    """The answer in the data."""
    is_right: bool
    """The model's text is the reference answer, both normalised."""
    is_finished: bool
    """Text and sound ended by themselves, within the allowed length."""
    hearing: Hearing
    """The model's own text against the transcription of its speech."""

    @property
    def num_words(self) -> int:
        """Words in the model's text; a Mandarin character is one."""
        return self.hearing.words.length


@dataclass(frozen=True, kw_only=True)
class Yardsticks:
    """What the transcriber makes of the data's own speech: same texts, same voices."""

    original: list[Hearing]
    """Recordings before the codec, where they are known: the floor of every figure."""
    resynthesised: list[Hearing]
    """The same recordings through the codec: what perfect codes would reach. All rows'
    recordings where no original is known."""


def write_items(items: Sequence[Item], path: Path) -> None:
    """One row per item; an earlier file of that name is replaced whole."""
    rows = [
        {
            "kind": item.kind,
            "language": item.hearing.language,
            "voice": item.voice,
            "prompt": item.prompt,
            "reference_answer": item.reference_answer,
            "text": item.hearing.text,
            "heard": item.hearing.heard,
            "cer": item.hearing.characters.rate,
            "wer": item.hearing.words.rate,
            "num_words": item.num_words,
            "num_characters": item.hearing.characters.length,
            "character_errors": item.hearing.characters.errors,
            "word_errors": item.hearing.words.errors,
            "is_right": item.is_right,
            "is_finished": item.is_finished,
        }
        for item in items
    ]
    partial = path.with_name(path.name + ".partial")
    pq.write_table(pa.Table.from_pylist(rows), partial)
    os.replace(partial, path)


def right_share(items: Sequence[Item], seed: int = 0) -> Estimate:
    """Share of items whose text is the right answer."""
    return bootstrap_mean([float(item.is_right) for item in items], seed=seed)


def by_length(items: Sequence[Item]) -> dict[str, list[Item]]:
    """Items in buckets by words in the model's own text."""
    buckets: dict[str, list[Item]] = {}
    for low, high in LENGTH_BUCKETS:
        inside = [item for item in items if low <= item.num_words <= high]
        buckets[f"≤ {high} words" if low == 0 else f"{low}–{high} words"] = inside
    longest = LENGTH_BUCKETS[-1][1]
    rest = [item for item in items if item.num_words > longest]
    return {**buckets, f"> {longest} words": rest}


def markdown(
    items: Sequence[Item], yardsticks: Yardsticks, num_examples: int = 12
) -> str:
    """Summary table, floor and ceiling, and the worst items of each kind."""
    lines = ["# Consistency: the model's text against what is heard of its speech", ""]
    lines += [
        "CER and WER after `minimind_o.evaluation.normalise`; brackets hold a 95 % "
        "bootstrap interval over items. Corpus figures weigh items by length.",
        "",
        "| items | n | CER, corpus | CER, mean | WER, corpus | WER, mean |",
        "|---|---|---|---|---|---|",
    ]
    for kind, title in KIND_TITLES.items():
        of_kind = [item for item in items if item.kind == kind]
        lines += _rows(title, of_kind)
    lines += [
        *_yardstick_rows("floor: original speech", yardsticks.original),
        *_yardstick_rows("ceiling: speech through the codec", yardsticks.resynthesised),
    ]
    lines += [""]
    for kind, title in KIND_TITLES.items():
        of_kind = [item for item in items if item.kind == kind]
        if of_kind:
            unfinished = sum(not item.is_finished for item in of_kind)
            empty = sum(item.num_words == 0 for item in of_kind)
            lines += [
                f"- {title}: right answers {_estimate(right_share(of_kind))}; "
                f"{unfinished} unfinished, {empty} without text"
            ]
    lines += ["", "## Worst items", ""]
    lines += ["| prompt | text | heard | CER |", "|---|---|---|---|"]
    worst = sorted(items, key=lambda item: -item.hearing.characters.rate)
    for item in worst[:num_examples]:
        cells = (item.prompt, item.hearing.text, item.hearing.heard)
        rate = f"{item.hearing.characters.rate:.3f}"
        lines.append("| " + " | ".join([*map(_cell, cells), rate]) + " |")
    return "\n".join(lines) + "\n"


def _rows(title: str, items: Sequence[Item]) -> list[str]:
    if not items:
        return []
    parts = {"": items}
    for language in ("en", "zh"):
        parts[f", {language}"] = [i for i in items if i.hearing.language == language]
    parts |= {f", {name}": bucket for name, bucket in by_length(items).items()}
    return [
        _row(title + name, [item.hearing for item in part])
        for name, part in parts.items()
        if part
    ]


def _yardstick_rows(title: str, hearings: Sequence[Hearing]) -> list[str]:
    if not hearings:
        return [f"| {title} | 0 | not known | – | – | – |"]
    rows = [_row(title, hearings)]
    for language in ("en", "zh"):
        part = [hearing for hearing in hearings if hearing.language == language]
        if part:
            rows.append(_row(f"{title}, {language}", part))
    return rows


def _row(title: str, hearings: Sequence[Hearing]) -> str:
    summary: ErrorSummary | None = summarise(hearings)
    if summary is None:
        figures = ["–"] * 4
    else:
        estimates = (summary.cer, summary.mean_cer, summary.wer, summary.mean_wer)
        figures = [_estimate(estimate) for estimate in estimates]
    return "| " + " | ".join([title, str(len(hearings)), *figures]) + " |"


def _estimate(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
