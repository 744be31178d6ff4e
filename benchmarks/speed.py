"""How fast a model of the released size trains and answers, in one table.

    python benchmarks/speed.py --record

Random weights, two CPU threads; run it on an idle machine (about half an hour). With
`--small` every model is tiny: that only shows that the script runs. `--record` writes
`data/results/speed.md` and the named figures.
"""

import argparse
import gc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import speed_decoding
import speed_loop
import speed_training
import torch

from minimind_o import figures
from minimind_o.config import OmniConfig
from minimind_o.model.omni import OmniModel
from minimind_o.training.processes import has_fast_bf16

COMMAND = "python benchmarks/speed.py --record"
TABLE_FILE = figures.REPOSITORY / "data" / "results" / "speed.md"
SMALL = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_talker_hidden_layers": 2,
    "talker_hidden_size": 64,
    "talker_embedding_rank": 16,
    "talker_head_rank": 16,
}
PRECISIONS = ("fp32", "bf16", "int8")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One measurement; `figure` is its name among the figures, if it is one."""

    what: str
    model: str
    value: float | None
    """None: not measured; the note says why."""
    unit: str
    figure: str = ""
    note: str = ""

    def markdown(self) -> str:
        """A row of the table."""
        value = "not measured" if self.value is None else f"{self.value:.4g}"
        cells = (self.what, self.model, value, self.unit, self.note)
        return f"| {' | '.join(cells)} |"


def configs(small: bool) -> dict[str, OmniConfig]:
    """The released models, dense and with experts."""
    changes = SMALL if small else {}
    return {
        "dense": OmniConfig(**changes),
        "MoE": OmniConfig(**changes, use_moe=True),
    }


def training_lines(name: str, config: OmniConfig, num_rows: int) -> Iterator[Line]:
    """Labelled positions a second in both precisions, and the ratios."""
    is_main = name == "dense"
    fp32 = speed_training.measure(config, "fp32", num_rows)
    for what, value in (("training, fp32", fp32.ours), ("plain, fp32", fp32.plain)):
        yield Line(what=what, model=name, value=value, unit="labelled positions/s")
    yield Line(
        what="training, fp32, times as fast as plain", model=name, value=fp32.ratio,
        unit="", figure="train_speedup_fp32" if is_main else "",
    )  # fmt: skip
    figure = "train_speedup_bf16" if is_main else ""
    what = "training, bf16, times as fast as plain in fp32"
    if not has_fast_bf16(torch.device("cpu")):
        yield Line(
            what=what, model=name, value=None, unit="", figure=figure,
            note="this CPU has no bfloat16",
        )  # fmt: skip
        return
    bf16 = speed_training.measure(config, "bf16", num_rows)
    for kind, value in (("training, bf16", bf16.ours), ("plain, bf16", bf16.plain)):
        yield Line(what=kind, model=name, value=value, unit="labelled positions/s")
    yield Line(
        what=what, model=name, value=bf16.ours / fp32.plain, unit="", figure=figure,
        note=f"of the plain one in bf16: {bf16.ratio:.3g}",
    )  # fmt: skip


def decoding_lines(name: str, config: OmniConfig, bandwidth: float) -> Iterator[Line]:
    """Milliseconds a step in every precision, and the ratios."""
    is_main = name == "dense"
    plain = speed_decoding.measure(config, "fp32", plain=True)
    yield Line(
        what="plain decoding, fp32",
        model=name,
        value=plain.milliseconds,
        unit="ms/step",
    )
    ours = {p: speed_decoding.measure(config, p) for p in PRECISIONS}
    for precision, decoding in ours.items():
        yield Line(
            what=f"decoding, {precision}", model=name, value=decoding.milliseconds,
            unit="ms/step", note=f"{decoding.fraction(bandwidth):.2f} of the bandwidth",
        )  # fmt: skip
    ratios = {p: plain.milliseconds / d.milliseconds for p, d in ours.items()}
    best = max(ratios, key=lambda precision: ratios[precision])
    yield Line(
        what=f"decoding, {best}, times as fast as plain", model=name,
        value=ratios[best], unit="", figure="decode_speedup" if is_main else "",
        note=", ".join(f"{p} {ratio:.3g}" for p, ratio in ratios.items()),
    )  # fmt: skip
    yield Line(
        what="decoding, fp32, of the bandwidth", model=name,
        value=ours["fp32"].fraction(bandwidth), unit="",
        figure="decode_bandwidth_fraction" if is_main else "",
        note=f"{ours['fp32'].read / 1e6:.0f} MB a step, a copy moves "
        f"{bandwidth / 1e9:.1f} GB/s",
    )  # fmt: skip


def loop_lines(config: OmniConfig) -> Iterator[Line]:
    """The whole loop, dense, in every precision; the fastest gives the figures."""
    loops = {p: speed_loop.measure(config, p) for p in PRECISIONS}
    fastest = min(loops, key=lambda precision: loops[precision].real_time_factor)
    for precision, loop in loops.items():
        named = precision == fastest
        note = f"median of {speed_loop.QUESTIONS} questions, {loop.frames} frames"
        yield Line(
            what=f"first audio, {precision}", model="dense", value=loop.first_audio_ms,
            unit="ms", figure="ttfa_released_size_ms" if named else "", note=note,
        )  # fmt: skip
        yield Line(
            what=f"real-time factor, {precision}", model="dense",
            value=loop.real_time_factor, unit="",
            figure="rtf_released_size" if named else "", note=note,
        )  # fmt: skip


def measured(small: bool) -> Iterator[Line]:
    """Every line, one after another."""
    bandwidth = speed_decoding.copy_bandwidth()
    for name, config in configs(small).items():
        counts = OmniModel(config).num_parameters()
        model = f"{name}, {counts.total / 1e6:.0f} M"
        print(f"{model}: {counts.active / 1e6:.0f} M work on one position", flush=True)
        gc.collect()
        yield from decoding_lines(name, config, bandwidth)
        if name == "dense":
            yield from loop_lines(config)
        yield from training_lines(name, config, 8 if small else 96)


def main() -> None:
    """Measure everything and write one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="only try the script")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--record", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    lines = []
    for line in measured(arguments.small):
        print(line.markdown(), flush=True)
        lines.append(line)
    if not arguments.record or arguments.small:
        return
    for line in lines:
        if line.figure:
            note = f"{line.what}. {line.note}".strip(". ")
            figures.record(line.figure, line.value, command=COMMAND, note=note)
    write_table(lines, TABLE_FILE)


def write_table(lines: list[Line], path: Path) -> None:
    """The table with the machine and the day."""
    record = next(r for r in figures.load() if r["name"] == "decode_speedup")
    head = (
        "# Speed at the released size\n\n"
        f"`{COMMAND}` on {record['date']}, commit {record['commit']}: "
        f"{record['machine']}.\n"
        "Dense: 113 M parameters; MoE: 315 M. Random weights. "
        "On a GPU: not measured.\n\n"
        "| what | model | | unit | note |\n|---|---|---|---|---|\n"
    )
    path.write_text(head + "\n".join(line.markdown() for line in lines) + "\n")


if __name__ == "__main__":
    main()
