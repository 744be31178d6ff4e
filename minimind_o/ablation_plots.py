"""The figures of the ablations, each drawn from one result table and nothing else.

`python -m minimind_o.ablation_plots` draws every table that there is. A line is the
mean over the seeds, the band around it reaches from the lowest seed to the highest.
Settings differ in colour and in marker, so that the figures can be read in grey.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from minimind_o.ablations.table import RESULTS, read_table
from minimind_o.errors import UserError
from minimind_o.figures import REPOSITORY
from minimind_o.plots import BLUE, GREY, ORANGE, RED, VIOLET, Picture
from minimind_o.written_aside import file_written_aside

Row = dict[str, Any]
MARKERS = "osD^vPX*<>hd"
# Blue to yellow by way of grey (cividis), told apart by every eye and by brightness.
SEQUENCE = "cividis"
COLOURS = (BLUE, ORANGE, RED, VIOLET, GREY)
STYLES = ("-", "--", ":", "-.")
WIDTH = 9.5


def longest_runs(rows: Sequence[Row]) -> list[Row]:
    """The rows of the runs with the most steps: those alone are to be compared.

    Raises:
        UserError: there are none.
    """
    if not rows:
        raise UserError(
            "the table has no rows: run 'python -m minimind_o.ablations NAME' first."
        )
    most = max(row["steps"] for row in rows)
    return [row for row in rows if row["steps"] == most]


def by_setting(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The seeds of each setting, settings in the order of the experiment."""
    found: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda one: (one["place"], one["seed"])):
        found.setdefault(row["setting"], []).append(row)
    return found


def caption(rows: Sequence[Row]) -> str:
    """The table that a figure was drawn from, and how its rows were made."""
    first = rows[0]
    seeds = ", ".join(str(seed) for seed in sorted({row["seed"] for row in rows}))
    commits = ", ".join(sorted({row["commit"] for row in rows}))
    command = shlex.join(shlex.split(first["command"])[:4])  # with all its settings
    return (
        f"data/results/{first['experiment']}.parquet: {command}; "
        f"{first['steps']} steps, seeds {seeds}, commit {commits}"
    )


def values(rows: Sequence[Row], name: str) -> NDArray[np.float64]:
    """A measure of each row; NaN where a row has none."""
    found = [row.get(name) for row in rows]
    return np.array([np.nan if value is None else value for value in found], float)


def ranks(rows: Sequence[Row]) -> Picture:
    """Loss by steps, loss by adapters, accuracy by codebook (paper, figure 8)."""
    rows = longest_runs(rows)
    settings = by_setting(rows)
    figure, (left, middle, right) = _panels(3)
    unified = [name for name in settings if name.startswith("rank_")]
    unified.sort(key=lambda name: settings[name][0]["embedding_rank"])
    ends = [name for name in ("none", "full") if name in settings]
    lines = [*ends[:1], *unified, *ends[1:]]
    colours = _sequence(len(lines))
    for place, name in enumerate(lines):
        own, look = settings[name], _look(place, colours[place])
        _curve(left, own, "curve_audio_loss", own[0]["what"], look)
        accuracy = np.array([row["codebook_accuracy"] for row in own]) * 100
        books = np.arange(accuracy.shape[1])
        _band(right, books, accuracy, own[0]["what"], look)
    left.set(xlabel="step", ylabel="audio loss on held-out questions (nats)")
    right.set(xlabel="codebook", ylabel="codes guessed right (%)")
    for place, (label, prefix) in enumerate(
        (("both ranks", "rank_"), ("head rank alone", "head_"),
         ("embedding rank alone", "embedding_"))
    ):  # fmt: skip
        swept = [own for name, own in settings.items() if name.startswith(prefix)]
        _against_adapters(middle, swept, label, _look(place))
    for name in ends:
        own_rows = settings[name]
        millions = values(own_rows, "adapter_parameters").mean() / 1e6
        losses = values(own_rows, "audio_loss")
        middle.plot(millions, losses.mean(), "*", ms=9, color="black")
        is_first = name == "none"  # the lines fall: above the first, below the last
        middle.annotate(
            own_rows[0]["what"], (millions, losses.mean()),
            xytext=(4, 5) if is_first else (4, -13), textcoords="offset points",
            fontsize=7, ha="left" if is_first else "right",
        )  # fmt: skip
    middle.set_xscale("symlog", linthresh=0.01)
    middle.margins(y=0.12)
    middle.set(
        xlabel="parameters that no codebooks share (M)",
        ylabel="audio loss at the end (nats)",
    )
    for axes in (middle, right):  # the lines of the left are those of the right
        axes.legend(frameon=False, fontsize=7)
    return _captioned(figure, rows)


def bridge(rows: Sequence[Row]) -> Picture:
    """Every layer: consistency, the two losses, heteronyms."""
    rows = longest_runs(rows)
    settings = sorted(by_setting(rows).values(), key=lambda own: own[0]["bridge_layer"])
    layers = np.array([own[0]["bridge_layer"] for own in settings])
    figure, panels = _panels(4)
    single = (
        ("cer", "consistency CER (%)", 100),
        ("audio_loss", "audio loss, held out (nats)", 1),
        ("text_loss", "text loss, held out (nats)", 1),
    )
    for axes, (name, label, scale) in zip(panels, single, strict=False):
        _sweep(axes, layers, settings, name, label, _look(0), scale)
        axes.set(ylabel=label)
    heteronyms = (
        ("heteronym_preferred_held_out", "preferred, new phrases"),
        ("heteronym_heard_held_out", "heard, new phrases"),
        ("heteronym_heard_seen", "heard, learned phrases"),
        ("heteronym_probe", "the probe on recordings"),
    )
    for place, (name, label) in enumerate(heteronyms):
        _sweep(panels[3], layers, settings, name, label, _look(place), 100)
    panels[3].axhline(50, color=GREY, lw=0.8, ls=":")
    panels[3].set(ylabel="heteronyms said right (%)", ylim=(0, 103))
    panels[3].legend(frameon=False, fontsize=7)
    for axes in panels:
        axes.set_xticks(layers, ["emb." if n < 0 else str(n) for n in layers])
        axes.set(xlabel="bridge after layer")
    return _captioned(figure, rows)


def width(rows: Sequence[Row]) -> Picture:
    """Consistency by width and start, short, mid and long answers apart."""
    rows = longest_runs(rows)
    labels = {"warm": "warm start", "random": "random start", "experts": "experts"}
    groups: dict[str, dict[int, list[Row]]] = {}
    for name, own in by_setting(rows).items():
        _, size, kind = name.split("_")
        groups.setdefault(kind, {})[int(size)] = own
    figure, panels = _panels(4)
    names = ("audio_loss", "cer_short", "cer_mid", "cer_long")
    for axes, name in zip(panels, names, strict=True):
        for place, (kind, found) in enumerate(groups.items()):
            widths = sorted(found)
            label = labels[kind]
            scale = 1 if name == "audio_loss" else 100
            _sweep(
                axes, np.array(widths), [found[w] for w in widths], name, label,
                _look(place), scale,
            )  # fmt: skip
        axes.set_xticks(sorted({size for found in groups.values() for size in found}))
        axes.set(xlabel="Talker's width")
    panels[0].set(ylabel="audio loss at the end (nats)")
    for axes, name in zip(panels[1:], ("short", "mid", "long"), strict=True):
        axes.set(ylabel=f"CER of {name} answers (%)")
        axes.set_ylim(bottom=0)
    panels[0].legend(frameon=False, fontsize=7)
    return _captioned(figure, rows)


def voices(rows: Sequence[Row]) -> Picture:
    """Similarity to the voice asked for, seen and unseen, and voice by voice."""
    rows = longest_runs(rows)
    settings = by_setting(rows)
    figure, (left, right) = _panels(2)
    places = np.arange(len(settings))
    for place, split in enumerate(("seen", "unseen")):
        look = _look(place)
        for x, own in enumerate(settings.values()):
            found = values(own, f"similarity_{split}")
            _range(left, x + 0.16 * (place - 0.5), found, look, split if not x else "")
    left.set_xticks(places, [own[0]["what"] for own in settings.values()])
    left.set(
        xlabel="what the Talker is given", ylabel="similarity to the voice (cosine)"
    )
    names = list(dict.fromkeys(rows[0]["voice"]))
    for place, own in enumerate(settings.values()):
        means = np.array([_voice_means(row, names) for row in own])
        shift = 0.15 * (place - (len(settings) - 1) / 2)
        for x, found in enumerate(means.T):
            label = "" if x else own[0]["what"]
            _range(right, x + shift, found, _look(place), label)
    right.set_xticks(np.arange(len(names)), names, rotation=45)
    right.set(xlabel="voice", ylabel="similarity to the voice (cosine)")
    for axes in (left, right):  # above: the points may lie anywhere
        axes.legend(
            frameon=False, fontsize=7, ncols=4, loc="lower center",
            bbox_to_anchor=(0.5, 1),
        )  # fmt: skip
    return _captioned(figure, rows)


def _voice_means(row: Row, names: Sequence[str]) -> list[float]:
    pairs = list(zip(row["voice"], row["voice_similarity"], strict=True))
    return [float(np.mean([s for voice, s in pairs if voice == n])) for n in names]


def training(rows: Sequence[Row], name: str = "audio_loss") -> Picture:
    """A held-out loss by steps, one line a setting (paper, figures 6 and 7)."""
    rows = longest_runs(rows)
    settings = by_setting(rows)
    figure, (axes,) = _panels(1)
    colours = _sequence(len(settings))
    for place, own in enumerate(settings.values()):
        look = _look(place, colours[place] if len(settings) > len(COLOURS) else None)
        _curve(axes, own, f"curve_{name}", own[0]["what"], look)
    axes.set(xlabel="step", ylabel=f"{name.replace('_', ' ')}, held out (nats)")
    axes.legend(frameon=False, fontsize=7, ncols=1 + len(settings) // 7)
    return _captioned(figure, rows)


def settings(rows: Sequence[Row], measures: Mapping[str, tuple[str, float]]) -> Picture:
    """Any measures, one panel each: every setting's seeds, their mean and range.

    `measures`: a measure's name -> its axis label and what it is multiplied by.
    """
    rows = longest_runs(rows)
    groups = by_setting(rows)
    figure, panels = _panels(len(measures), height=1.2 + 0.32 * len(groups))
    for axes, (name, (label, scale)) in zip(panels, measures.items(), strict=True):
        for place, own in enumerate(groups.values()):
            found = values(own, name) * scale
            look = _look(place)
            axes.plot(found, np.full(len(found), place), lw=1, color=look["color"])
            axes.plot(found, np.full(len(found), place), "|", color=look["color"])
            axes.plot(np.nanmean(found), place, look["marker"], color=look["color"])
        axes.set_yticks(range(len(groups)), [own[0]["what"] for own in groups.values()])
        axes.set(xlabel=label, ylim=(len(groups) - 0.5, -0.5))
        axes.locator_params(axis="x", nbins=5)
        if axes is not panels[0]:
            axes.set_yticklabels([])
    return _captioned(figure, rows)


def experts(rows: Sequence[Row]) -> Picture:
    """The share of the positions that each expert serves, layer by layer."""
    rows = [row for row in longest_runs(rows) if row.get("expert_use_text")]
    if not rows:
        raise UserError("no row of the table has experts: run the setting 'moe'.")
    figure, panels = _panels(2)
    for axes, kind in zip(panels, ("text", "sound"), strict=True):
        shares = np.mean([row[f"expert_use_{kind}"] for row in rows], axis=0)
        num_experts = num_experts_of(rows[0])
        shares = shares.reshape(-1, num_experts) * 100
        left = np.zeros(len(shares))
        for expert, colour in enumerate(_sequence(num_experts)):
            axes.barh(
                np.arange(len(shares)), shares[:, expert], left=left, color=colour,
                edgecolor="white", label=f"expert {expert}",
            )  # fmt: skip
            left += shares[:, expert]
        axes.set(
            xlabel=f"positions of {kind} (%)",
            ylabel="layer (Thinker, then Talker)",
            xlim=(0, 100),
            ylim=(len(shares) - 0.5, -0.5),
        )
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    handles, labels = panels[1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right", frameon=False, fontsize=7)
    return _captioned(figure, rows)


def num_experts_of(row: Row) -> int:
    """How many experts a row's model has."""
    import json

    return int(json.loads(row["config"])["num_experts"])


CER = ("consistency CER (%)", 100.0)
AUDIO = ("audio loss (nats)", 1.0)
FIGURES: Mapping[str, Mapping[str, Callable[[Sequence[Row]], Picture]]] = {
    "talker_rank": {"": ranks},
    "bridge_layer": {"": bridge, "_curves": training},
    "talker_width": {"": width, "_curves": training},
    "voice_condition": {"": voices},
    "dense_moe": {
        "": lambda rows: settings(
            rows,
            {"audio_loss": AUDIO, "text_loss": ("text loss (nats)", 1.0), "cer": CER},
        ),
        "_experts": experts,
    },
    "moe_talker": {
        "": lambda rows: settings(
            rows,
            {
                "similarity_seen": ("similarity, seen voices (cosine)", 1.0),
                "similarity_unseen": ("similarity, unseen (cosine)", 1.0),
                "cer": CER,
            },
        ),
    },
    "delay": {
        "": lambda rows: settings(
            rows,
            {
                "audio_loss": AUDIO,
                "cer": CER,
                "frame_steps": ("steps to the first whole frame", 1.0),
            },
        ),
    },
    "input_noise": {
        "": lambda rows: settings(
            rows,
            {
                "audio_loss": AUDIO,
                "audio_loss_noisy": ("audio loss, 10 % of codes wrong (nats)", 1.0),
                "cer": CER,
            },
        ),
    },
    "stages": {
        "": lambda rows: settings(
            rows,
            {
                f"text_loss_{kind}": (f"text loss, {kind} (nats)", 1.0)
                for kind in ("speech", "pictures", "written")
            },
        ),
        "_curves": lambda rows: training(rows, "text_loss"),
    },
}
"""Experiment -> ending of the file -> how it is drawn."""


def draw_all(results: Path, out: Path) -> list[Path]:
    """Draw every table that there is; the files written."""
    written = []
    for name, figures in FIGURES.items():
        rows = read_table(results / f"{name}.parquet")
        if not rows:
            continue
        for ending, draw in figures.items():
            path = out / f"ablation_{name}{ending}.png"
            with file_written_aside(path) as aside:
                aside.write_bytes(draw(rows)._repr_png_())
            written.append(path)
    return written


# Parts


def _panels(count: int, height: float = 3.2) -> tuple[Picture, list[Axes]]:
    figure = Picture(figsize=(WIDTH, height), layout="constrained")
    panels = list(figure.subplots(1, count, squeeze=False)[0])
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.label.set_size(8)
        axes.yaxis.label.set_size(8)
        axes.tick_params(labelsize=7)
    return figure, panels


def _captioned(figure: Picture, rows: Sequence[Row]) -> Picture:
    figure.supxlabel(caption(rows), fontsize=6, color=GREY, x=0.01, ha="left")
    return figure


def _look(place: int, colour: Any = None) -> dict[str, Any]:
    """Colour, marker and line of the setting at a place."""
    return {
        "color": COLOURS[place % len(COLOURS)] if colour is None else colour,
        "marker": MARKERS[place % len(MARKERS)],
        "ls": STYLES[place % len(STYLES)],
    }


def _sequence(count: int) -> list[Any]:
    from matplotlib import colormaps

    return [colormaps[SEQUENCE](x) for x in np.linspace(0, 0.92, count)]


def _band(
    axes: Axes,
    x: NDArray[Any],
    values_SN: NDArray[np.floating],
    label: str,
    look: Mapping[str, Any],
) -> None:
    """The mean over seeds S, and from the lowest to the highest."""
    axes.fill_between(
        x, values_SN.min(axis=0), values_SN.max(axis=0),
        color=look["color"], alpha=0.2, lw=0,
    )  # fmt: skip
    axes.plot(x, values_SN.mean(axis=0), label=label, lw=1.2, ms=3.5, **look)


def _curve(
    axes: Axes, rows: Sequence[Row], name: str, label: str, look: Mapping[str, Any]
) -> None:
    curves = np.array([row[name] for row in rows])
    _band(axes, np.array(rows[0]["curve_step"]), curves, label, look)


def _sweep(
    axes: Axes,
    x: NDArray[Any],
    groups: Sequence[Sequence[Row]],
    name: str,
    label: str,
    look: Mapping[str, Any],
    scale: float = 1,
) -> None:
    """A measure of groups of seeds, which may differ in number."""
    found = [values(rows, name) * scale for rows in groups]
    known = [index for index, each in enumerate(found) if not np.isnan(each).all()]
    x, found = x[known], [found[index] for index in known]
    lowest = [np.nanmin(each) for each in found]
    highest = [np.nanmax(each) for each in found]
    axes.fill_between(x, lowest, highest, color=look["color"], alpha=0.2, lw=0)
    means = [np.nanmean(each) for each in found]
    axes.plot(x, means, label=label, lw=1.2, ms=3.5, **look)


def _against_adapters(
    axes: Axes, groups: Sequence[Sequence[Row]], label: str, look: Mapping[str, Any]
) -> None:
    ordered = sorted(groups, key=lambda rows: rows[0]["adapter_parameters"])
    if ordered:
        x = np.array([rows[0]["adapter_parameters"] / 1e6 for rows in ordered])
        _sweep(axes, x, ordered, "audio_loss", label, look)


def _range(
    axes: Axes, x: float, found: NDArray[Any], look: Mapping[str, Any], label: str
) -> None:
    axes.plot([x, x], [np.nanmin(found), np.nanmax(found)], lw=3, alpha=0.4,
              color=look["color"])  # fmt: skip
    axes.plot(
        x, np.nanmean(found), look["marker"], ms=5, color=look["color"],
        label=label or None,
    )  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Draw; 0, or 2 after one sentence on stderr."""
    parser = argparse.ArgumentParser(
        prog="python -m minimind_o.ablation_plots",
        description="Draw the ablations' figures from their tables.",
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "data" / "figures")
    arguments = parser.parse_args(argv)
    try:
        written = draw_all(arguments.results, arguments.out)
    except UserError as error:
        print(f"minimind_o.ablation_plots: {error}", file=sys.stderr)
        return 2
    print("\n".join(map(str, written)) or f"{arguments.results} has no tables yet.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
