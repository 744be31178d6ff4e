"""The consistency suite's figures, written into the repository's list of figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from minimind_o import figures
from minimind_o.evaluation.hearing import Hearing, summarise
from minimind_o.evaluation.report import Item, Yardsticks, right_share
from minimind_o.evaluation.statistics import Estimate

CER_OF_KIND = {
    "fact": "consistency_cer_t2a_seen",
    "read_aloud": "consistency_cer_read_aloud",
    "spoken": "consistency_cer_a2a_seen",
}
RIGHT_OF_KIND = {
    "fact": "answers_right_t2a",
    "spoken": "answers_right_a2a",
    "picture": "descriptions_right_i2t",
}


def record_figures(
    items: Sequence[Item], yardsticks: Yardsticks, command: str, path: Path
) -> None:
    """Record what was measured; a figure without any item keeps its earlier record.

    Args:
        items: the model's answers.
        yardsticks: the data's own speech.
        command: the command line that measures it again.
        path: the figures file.
    """
    for kind, name in CER_OF_KIND.items():
        of_kind = [item for item in items if item.kind == kind]
        _record_cer(name, [item.hearing for item in of_kind], command, path)
    for kind, name in RIGHT_OF_KIND.items():
        of_kind = [item for item in items if item.kind == kind]
        if of_kind:
            _record(name, right_share(of_kind), command, path)
    if {item.kind for item in items}.isdisjoint(("fact", "read_aloud")):
        return  # the yardsticks' figures are those of the text-to-speech set
    for language in ("en", "zh"):
        original = [h for h in yardsticks.original if h.language == language]
        _record_cer(f"transcriber_cer_{language}", original, command, path)
    before = summarise(yardsticks.original)
    after = summarise(yardsticks.resynthesised)
    if before is not None and after is not None:
        figures.record(
            "codec_wer_gap",
            after.wer.value - before.wer.value,
            command=command,
            note=f"WER {after.wer} through the codec, {before.wer} without",
            path=path,
        )


def _record_cer(
    name: str, hearings: Sequence[Hearing], command: str, path: Path
) -> None:
    if not hearings:
        return
    summary = summarise(hearings)
    if summary is None:
        note = "no answer had a word to compare with"
        figures.record(name, None, command=command, note=note, path=path)
    else:
        _record(name, summary.cer, command, path)


def _record(name: str, estimate: Estimate, command: str, path: Path) -> None:
    note = f"95 % interval {estimate.low:.4f} to {estimate.high:.4f}, n={estimate.n}"
    figures.record(name, estimate.value, command=command, note=note, path=path)
