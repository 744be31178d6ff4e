"""The suites' figures, written into the repository's list of figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from minimind_o import figures
from minimind_o.errors import UserError
from minimind_o.evaluation.hearing import Hearing, summarise
from minimind_o.evaluation.report import Item, floors, right_share
from minimind_o.evaluation.statistics import Estimate
from minimind_o.figures import FIGURES_FILE
from minimind_o.model import OmniModel

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


def check_recordable(num: int, least: int) -> None:
    """Refuse to record figures of a handful of prompts.

    Raises:
        UserError: `num` is below `least`.
    """
    if num < least:
        raise UserError(
            f"--num {num} is too few to record a figure: use at least {least}"
        )


@dataclass(frozen=True, kw_only=True)
class Recorder:
    """Writes one model's figures, those of an MoE model under names of their own."""

    model: OmniModel
    command: str
    """The command line that measures them again."""
    path: Path = FIGURES_FILE

    def write(self, name: str, figure: float | None, note: str) -> None:
        """Record a figure; of an MoE model, only where it is one of those shown."""
        counts = self.model.num_parameters()
        note += f"; {counts.total / 1e6:.1f} M parameters"
        if self.model.config.use_moe:
            name += figures.MOE_SUFFIX
            if name not in {declared.name for declared in figures.BARS}:
                return
            note += f", {counts.active / 1e6:.1f} M active"
        figures.record(name, figure, command=self.command, note=note, path=self.path)

    def write_estimate(self, name: str, estimate: Estimate, more: str = "") -> None:
        """Record a mean with its interval, and what there is to say of it besides."""
        interval = f"95 % interval {estimate.low:.4f} to {estimate.high:.4f}"
        self.write(name, estimate.value, f"{interval}, n={estimate.n}{more}")


def record_figures(items: Sequence[Item], recorder: Recorder) -> None:
    """Record what was measured; a figure without any item keeps its earlier record."""
    for kind, name in CER_OF_KIND.items():
        of_kind = [item for item in items if item.kind == kind]
        _record_cer(name, [item.hearing for item in of_kind], recorder)
    for kind, name in RIGHT_OF_KIND.items():
        of_kind = [item for item in items if item.kind == kind]
        if of_kind:
            recorder.write_estimate(name, right_share(of_kind))
    if recorder.model.config.use_moe:
        return  # the yardsticks are no model's
    if {item.kind for item in items}.isdisjoint(("fact", "read_aloud")):
        return  # the yardsticks' figures are those of the text-to-speech set
    for language in ("en", "zh"):
        original = [h for h in floors(items) if h.language == language]
        _record_cer(f"transcriber_cer_{language}", original, recorder)
    pairs = [(i.floor, i.ceiling) for i in items if i.floor and i.ceiling]
    before = summarise([floor for floor, _ in pairs])
    after = summarise([ceiling for _, ceiling in pairs])
    if before is not None and after is not None:
        gap = after.wer.value - before.wer.value
        note = f"WER {after.wer} through the codec, {before.wer} without"
        recorder.write("codec_wer_gap", gap, note)


def _record_cer(name: str, hearings: Sequence[Hearing], recorder: Recorder) -> None:
    if not hearings:
        return
    summary = summarise(hearings)
    if summary is None:
        recorder.write(name, None, "no answer had a word to compare with")
    else:
        recorder.write_estimate(name, summary.cer)
