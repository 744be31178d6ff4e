"""The consistency suite's items, as Parquet rows and as Markdown pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from minimind_o.evaluation.alignment import confusions, count_changes, marked
from minimind_o.evaluation.hearing import ErrorSummary, Hearing, summarise
from minimind_o.evaluation.statistics import Estimate, bootstrap_mean
from minimind_o.evaluation.tables import (
    NONE,
    Provenance,
    markdown_table,
    with_interval,
)

LENGTH_BUCKETS = ((0, 15), (16, 30), (31, 60))
"""First and last number of words, as in the paper's table 8; longer answers have a
bucket of their own."""

KIND_TITLES = {
    "fact": "facts, unseen phrasings",
    "read_aloud": "read aloud, unseen texts",
    "spoken": "spoken questions, unseen phrasings and voices",
    "picture": "pictures, unseen combinations",
}
_EXPLANATION = (
    "CER and WER after `minimind_o.evaluation.normalise`; brackets hold a 95 % "
    "bootstrap interval over answers. Beside each figure stands what the same "
    "transcriber makes of the data's own recordings of the same answers: before the "
    "codec (*floor*) and through the codec (*ceiling*, what perfect codes would reach)."
)
_RATES_HEAD = (
    "answers", "n", "CER", "floor", "ceiling", "WER", "floor", "ceiling"
)  # fmt: skip
_NUM_CONFUSIONS = 20


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
    floor: Hearing | None = None
    """The reference answer against its recording before the codec, where known."""
    ceiling: Hearing | None = None
    """The reference answer against its recording through the codec."""

    @property
    def num_words(self) -> int:
        """Words in the model's text; a Mandarin character is one."""
        return self.hearing.words.length


def item_rows(items: Sequence[Item]) -> list[dict[str, Any]]:
    """One flat row per item."""
    return [
        {
            "kind": item.kind,
            "language": item.hearing.language,
            "voice": item.voice,
            "prompt": item.prompt,
            "reference_answer": item.reference_answer,
            "text": item.hearing.text,
            "heard": item.hearing.heard,
            "alignment": marked(item.hearing.chunks),
            "cer": item.hearing.characters.rate,
            "wer": item.hearing.words.rate,
            "num_words": item.num_words,
            "num_characters": item.hearing.characters.length,
            "character_errors": item.hearing.characters.errors,
            "word_errors": item.hearing.words.errors,
            "floor_cer": _rate(item.floor),
            "ceiling_cer": _rate(item.ceiling),
            "is_right": item.is_right,
            "is_finished": item.is_finished,
            **_word_changes(item.hearing),
        }
        for item in items
    ]


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


def floors(items: Iterable[Item]) -> list[Hearing]:
    """The items' floors that are known."""
    return [item.floor for item in items if item.floor is not None]


def ceilings(items: Iterable[Item]) -> list[Hearing]:
    """The items' ceilings that are known."""
    return [item.ceiling for item in items if item.ceiling is not None]


def markdown(items: Sequence[Item], provenance: Provenance) -> str:
    """The summary: rates by kind, language and length, and which words went wrong."""
    lines = ["# Consistency: the model's text against what is heard of its speech", ""]
    lines += [provenance.sentence, "", _EXPLANATION, ""]
    lines += ["## All errors over all characters or words", ""]
    lines += _rates_table(items, lambda s: s.cer, lambda s: s.wer)
    lines += ["## Means over answers, each weighing the same (as the paper's)", ""]
    lines += _rates_table(items, lambda s: s.mean_cer, lambda s: s.mean_wer)
    lines += ["## Right answers", ""]
    rows = []
    for kind, title in KIND_TITLES.items():
        of_kind = [item for item in items if item.kind == kind]
        if of_kind:
            unfinished = sum(not item.is_finished for item in of_kind)
            empty = sum(item.num_words == 0 for item in of_kind)
            share = with_interval(right_share(of_kind))
            rows.append((title, str(len(of_kind)), share, str(unfinished), str(empty)))
    head = ("answers", "n", "right", "unfinished", "without text")
    lines += markdown_table(head, rows)
    lines += ["## What was heard instead of what", ""]
    lines += markdown_table(
        ("written", "heard", "times"), _confusion_rows(i.hearing for i in items)
    )
    return "\n".join(lines)


def questions_markdown(items: Sequence[Item], provenance: Provenance) -> str:
    """Question by question, the worst first, with each word that went wrong."""
    lines = ["# Consistency, question by question", "", provenance.sentence, ""]
    lines += [
        "`[-red-]` was written and not heard, `{+hat+}` was heard and not written. "
        "Floor and ceiling are the CER of the reference answer's own recording before "
        "and through the codec.",
        "",
    ]
    head = ("prompt", "voice", "written and heard", "CER", "WER", "floor", "ceiling")
    worst = sorted(items, key=lambda item: -item.hearing.characters.rate)
    for kind, title in KIND_TITLES.items():
        of_kind = [item for item in worst if item.kind == kind]
        if of_kind:
            lines += [f"## {title[0].upper()}{title[1:]}", ""]
            lines += markdown_table(head, map(_question_row, of_kind))
    return "\n".join(lines)


def parts(items: Sequence[Item]) -> Iterator[tuple[str, list[Item]]]:
    """The parts that have items: each kind, its languages, its lengths."""
    for kind, title in KIND_TITLES.items():
        of_kind = [item for item in items if item.kind == kind]
        languages = {
            language: [i for i in of_kind if i.hearing.language == language]
            for language in ("en", "zh")
        }
        for name, part in {"": of_kind, **languages, **by_length(of_kind)}.items():
            if part:
                yield (f"{title}, {name}" if name else title), part


def _rates_table(
    items: Sequence[Item],
    characters: Callable[[ErrorSummary], Estimate],
    words: Callable[[ErrorSummary], Estimate],
) -> list[str]:
    rows = []
    for title, part in parts(items):
        row = [title, str(len(part))]
        three = ([item.hearing for item in part], floors(part), ceilings(part))
        summaries = [summarise(hearings) if hearings else None for hearings in three]
        for figure in (characters, words):
            row += [with_interval(figure(s)) if s else NONE for s in summaries]
        rows.append(row)
    return markdown_table(_RATES_HEAD, rows)


def _confusion_rows(hearings: Iterable[Hearing]) -> Iterator[tuple[str, str, str]]:
    counts: Counter[tuple[str, str]] = Counter()
    for hearing in hearings:
        counts += confusions(hearing.chunks)
    for (written, heard), times in counts.most_common(_NUM_CONFUSIONS):
        yield written or "(nothing)", heard or "(nothing)", str(times)


def _question_row(item: Item) -> tuple[str, ...]:
    rates = (
        item.hearing.characters.rate,
        item.hearing.words.rate,
        _rate(item.floor),
        _rate(item.ceiling),
    )
    figures = (NONE if rate is None else f"{rate:.3f}" for rate in rates)
    prompt = item.prompt.strip() or "(spoken)"
    return (prompt, item.voice, marked(item.hearing.chunks), *figures)


def _word_changes(hearing: Hearing) -> dict[str, int]:
    counts = count_changes(hearing.chunks)
    return {
        "words_substituted": counts["substitute"],
        "words_deleted": counts["delete"],
        "words_inserted": counts["insert"],
    }


def _rate(hearing: Hearing | None) -> float | None:
    return None if hearing is None else hearing.characters.rate
