"""The vision suite's descriptions, as Parquet rows and as Markdown pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from minimind_o.evaluation.alignment import align, marked
from minimind_o.evaluation.attributes import ATTRIBUTES, Attribute
from minimind_o.evaluation.descriptions import Description, Match
from minimind_o.evaluation.report import item_rows
from minimind_o.evaluation.statistics import bootstrap_mean, bootstrap_ratio
from minimind_o.evaluation.tables import (
    NONE,
    Provenance,
    markdown_table,
    with_interval,
)


def rows(descriptions: Sequence[Description]) -> list[dict[str, Any]]:
    """One flat row per picture, as in the paper's table 10 and more."""
    table = []
    consistency = item_rows([one.item for one in descriptions])
    for one, row in zip(descriptions, consistency, strict=True):
        row |= {
            "output_len": one.item.num_words,
            "reference_len": one.written.words.length,
            "is_length_matched": one.is_length_matched,
        }
        for name in ("written", "heard", "other", "floor", "ceiling"):
            part: Match | None = getattr(one, name)
            row |= {
                f"{name}_reference_cer": part and part.characters.rate,
                f"{name}_reference_wer": part and part.words.rate,
                f"{name}_f1": part and part.f1,
            }
        for attribute, (named, wanted) in one.written.named.items():
            row |= {f"{attribute}_named": named, f"{attribute}_wanted": wanted}
        table.append(row)
    return table


def markdown(descriptions: Sequence[Description], provenance: Provenance) -> str:
    """The summary: what is compared with the reference, row by row."""
    lines = ["# Vision: descriptions against references", "", provenance.sentence, ""]
    lines += [
        "Means over pictures; brackets hold a 95 % bootstrap interval over pictures. "
        "What each row compares with the picture's own reference is defined at the top "
        "of `minimind_o/evaluation/descriptions.py`. *Length-matched*: the reference "
        "has 3/4 to 4/3 of the description's words. *Another picture*: the reference "
        "of a different scene with as many words, which is what fluent guessing earns.",
        "",
    ]
    columns = _columns(descriptions)
    head = ("compared with the reference", "n", "CER", "WER", "token F1", "right")
    lines += markdown_table(head, (_means_row(*column) for column in columns.items()))
    lines += ["## Attributes of the reference that are named", ""]
    shown = {name: part for name, part in columns.items() if "matched" not in name}
    lines += markdown_table(
        ("attribute", "n", *shown),
        (_attribute_row(kind, list(shown.values())) for kind in ATTRIBUTES),
    )
    return "\n".join(lines)


def pictures_markdown(
    descriptions: Sequence[Description], provenance: Provenance
) -> str:
    """Picture by picture, the worst first, as in the paper's table 10."""
    lines = ["# Vision, picture by picture", "", provenance.sentence, ""]
    lines += [
        "`[-red-]` is in the reference and was not written, `{+hat+}` was written and "
        "is not in the reference. Lengths are words.",
        "",
    ]
    head = (
        "reference and written", "heard", "length", "reference", "CER", "WER", "F1"
    )  # fmt: skip
    worst = sorted(descriptions, key=lambda one: -one.written.words.rate)
    lines += markdown_table(head, map(_picture_row, worst))
    return "\n".join(lines)


def _columns(descriptions: Sequence[Description]) -> dict[str, list[Match]]:
    """The texts that are compared with the references, by name."""
    matched = [one for one in descriptions if one.is_length_matched]

    def known(parts: Iterable[Match | None]) -> list[Match]:
        return [part for part in parts if part is not None]

    return {
        "written": [one.written for one in descriptions],
        "written, length-matched": [one.written for one in matched],
        "heard": [one.heard for one in descriptions],
        "heard, length-matched": [one.heard for one in matched],
        "another picture": known(one.other for one in descriptions),
        "floor: reference, spoken": known(one.floor for one in descriptions),
        "ceiling: through the codec": known(one.ceiling for one in descriptions),
    }


def _means_row(title: str, matches: Sequence[Match]) -> tuple[str, ...]:
    if not matches:
        return (title, "0", *[NONE] * 4)
    means = (
        bootstrap_mean([part.characters.rate for part in matches]),
        bootstrap_mean([part.words.rate for part in matches]),
        bootstrap_mean([part.f1 for part in matches]),
        bootstrap_mean([float(part.is_right) for part in matches]),
    )
    return (title, str(len(matches)), *map(with_interval, means))


def _attribute_row(
    kind: Attribute, columns: Sequence[Sequence[Match]]
) -> tuple[str, ...]:
    cells = []
    for matches in columns:
        counts = [part.named[kind] for part in matches if part.named[kind][1]]
        named = [float(one) for one, _ in counts]
        wanted = [float(of) for _, of in counts]
        cells.append(with_interval(bootstrap_ratio(named, wanted)) if counts else NONE)
    total = sum(part.named[kind][1] for part in columns[0])
    return (kind, str(total), *cells)


def _picture_row(one: Description) -> tuple[str, ...]:
    item = one.item
    chunks = align(item.reference_answer, item.hearing.text, item.hearing.language)
    return (
        marked(chunks),
        item.hearing.heard,
        str(item.num_words),
        str(one.written.words.length),
        f"{one.written.characters.rate:.3f}",
        f"{one.written.words.rate:.3f}",
        f"{one.written.f1:.2f}",
    )
