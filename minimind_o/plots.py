"""The figures of the notebooks, drawn from arrays and tables.

Every function returns a new figure and shows nothing by itself.
Shapes: N sample, Q codebook, T frame, V vocabulary.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray
from PIL import Image

BLUE, ORANGE, RED, VIOLET, GREY = "#2a7f9e", "#e59500", "#d1495b", "#8a6bbd", "#888888"
COLOURS = (BLUE, ORANGE, RED, VIOLET)
SAMPLE_RATE = 24_000
QUIETEST_DB = -60.0
NUM_BANDS = 64
NUM_COLOURS = 128

Marks = Sequence[tuple[float, str]]
"""(second, what begins there)."""


class Picture(Figure):
    """A figure that a notebook shows by itself, in few colours: a third of the size."""

    def _repr_png_(self) -> bytes:
        full, small = io.BytesIO(), io.BytesIO()
        self.savefig(full, format="png")
        image = Image.open(full).convert("RGB")
        image = image.quantize(NUM_COLOURS, dither=Image.Dither.NONE)
        image.save(small, format="png", optimize=True)
        return small.getvalue()


def waveform(
    wave: ArrayLike, sample_rate: int = SAMPLE_RATE, marks: Marks = ()
) -> Picture:
    """Samples (N,) over seconds, with the words written where they begin."""
    figure, (axes,) = _panels(1, height=2.2)
    samples = np.asarray(wave)
    seconds = np.arange(len(samples)) / sample_rate
    axes.plot(seconds, samples, color=BLUE, lw=0.4)
    longest = max(len(samples), 1) / sample_rate
    axes.set(xlim=(0, longest), ylabel="sample", xlabel="second")
    _write_marks(axes, marks)
    return figure


def spectrogram(
    waves: Mapping[str, ArrayLike], sample_rate: int = SAMPLE_RATE, marks: Marks = ()
) -> Picture:
    """How strong each frequency is at each moment, one panel a sound.

    Frequencies are on the mel scale, on which equal steps sound equal.
    """
    figure, panels = _panels(len(waves), height=2.1 if len(waves) < 3 else 1.6)
    shortest = min(len(np.asarray(wave)) for wave in waves.values())
    top = float(_mel(sample_rate / 2))
    ticks = [hertz for hertz in (200, 500, 1000, 2000, 4000, 8000) if _mel(hertz) < top]
    for axes, (label, wave) in zip(panels, waves.items(), strict=True):
        decibels = _decibels(np.asarray(wave)[:shortest], sample_rate)
        axes.imshow(
            decibels,
            origin="lower",
            aspect="auto",
            cmap="magma",
            vmin=QUIETEST_DB,
            vmax=0,
            interpolation="nearest",
            extent=(0, shortest / sample_rate, 0, top),
        )
        axes.set_yticks(
            [_mel(hertz) for hertz in ticks], [str(t / 1000) for t in ticks]
        )
        axes.set(ylabel="kHz")
        _name_inside(axes, label)
    _write_marks(panels[0], marks)
    panels[-1].set_xlabel("second")
    return figure


def code_grid(
    codes_QT: ArrayLike, frame_rate: float = 12.5, marks: Marks = ()
) -> Picture:
    """Codes as numbered cells: a row a codebook, a column a frame."""
    codes = np.asarray(codes_QT)
    num_codebooks = len(codes)
    figure, (axes,) = _panels(1, height=0.7 + 0.28 * num_codebooks)
    axes.imshow(codes, aspect="auto", cmap="viridis", alpha=0.75)
    _write_numbers(axes, codes, fontsize=6.5)
    axes.set_yticks(
        range(num_codebooks), [f"codebook {q}" for q in range(num_codebooks)]
    )
    axes.set_xticks(range(0, codes.shape[1], 5))
    axes.set(xlabel=f"frame of {1000 / frame_rate:.0f} ms")
    axes.tick_params(length=0)
    frames = [(second * frame_rate - 0.5, name) for second, name in marks]
    _write_marks(axes, frames)
    return figure


def expert_grid(chosen_LT: ArrayLike, tokens: Sequence[str]) -> Picture:
    """Which expert got each token in each layer: a row a layer, a colour an expert."""
    chosen = np.asarray(chosen_LT)
    figure, (axes,) = _panels(1, height=0.9 + 0.25 * len(chosen))
    num_experts = chosen.max() + 1
    colours = ListedColormap([COLOURS[x % len(COLOURS)] for x in range(num_experts)])
    axes.imshow(
        chosen,
        aspect="auto",
        cmap=colours,
        alpha=0.6,
        vmin=-0.5,
        vmax=num_experts - 0.5,
    )
    _write_numbers(axes, chosen, fontsize=7)
    axes.set_yticks(range(len(chosen)), [f"layer {i}" for i in range(len(chosen))])
    axes.set_xticks(range(len(tokens)), tokens, rotation=90, fontsize=7)
    axes.tick_params(length=0)
    return figure


def staggered_codes(codes_QT: ArrayLike) -> Picture:
    """Codes where the model writes them: a row a codebook, a column a step.

    Codebook q of frame f is written in step f + q + 1; the cells of a frame have one
    colour, and so lie on a diagonal.
    """
    codes = np.asarray(codes_QT)
    num_codebooks, num_frames = codes.shape
    figure, (axes,) = _panels(1, height=0.7 + 0.26 * num_codebooks)
    for (q, frame), code in np.ndenumerate(codes):
        axes.add_patch(
            Rectangle(
                (frame + q + 0.5, q - 0.5),
                1,
                1,
                facecolor=COLOURS[frame % len(COLOURS)],
                edgecolor="white",
                alpha=0.45,
            )
        )
        if num_frames <= 40:
            axes.text(frame + q + 1, q, code, ha="center", va="center", fontsize=5)
    axes.set_yticks(
        range(num_codebooks), [f"codebook {q}" for q in range(num_codebooks)]
    )
    axes.set(
        xlim=(0.5, num_frames + num_codebooks - 0.5),
        ylim=(num_codebooks - 0.5, -0.5),
        xlabel="step",
    )
    axes.tick_params(length=0)
    return figure


def preferences(counts: Mapping[str, int]) -> Picture:
    """How often each was preferred, one bar each."""
    figure, (axes,) = _panels(1, height=0.5 + 0.3 * len(counts))
    names = list(counts)[::-1]
    axes.barh(names, [counts[name] for name in names], color=BLUE, height=0.6)
    axes.set(xlabel="pairs", xlim=(0, max(1, *counts.values())))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def nearest_entries(points_N2: ArrayLike, entries_K2: ArrayLike) -> Picture:
    """Points in the plane, each tied to the entry that stands for it."""
    points, entries = np.asarray(points_N2), np.asarray(entries_K2)
    distances = np.linalg.norm(points[:, None] - entries, axis=-1)
    nearest = distances.argmin(axis=1)
    figure = Picture(figsize=(4.6, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for point, entry in zip(points, entries[nearest], strict=True):
        axes.plot(*np.stack([point, entry]).T, color=GREY, lw=0.4, zorder=1)
    axes.scatter(points[:, 0], points[:, 1], s=9, c=nearest, cmap="tab10", zorder=2)
    for code, entry in enumerate(entries):
        axes.annotate(
            str(code), entry, ha="center", va="center", fontsize=9, fontweight="bold",
            bbox={"boxstyle": "circle", "fc": "white", "ec": "black"},
        )  # fmt: skip
    axes.set_aspect("equal")
    axes.set(xticks=[], yticks=[])
    return figure


def codebook_bars(
    table: Mapping[str, Sequence[float]],
    names: Sequence[str] | None = None,
    *,
    ylabel: str = "",
    xlabel: str = "",
    levels: Mapping[str, float] | None = None,
    top: float | None = None,
) -> Picture:
    """Groups of bars, one group a codebook, one colour a row of the table.

    Args:
        table: label to values, one for each group.
        names: what stands under the groups; None: codebook numbers.
        ylabel: what the values are.
        xlabel: what the names are.
        levels: dashed lines to compare with; one that has a label of the table gets
            its colour.
        top: upper end of the axis.
    """
    figure, (axes,) = _panels(1, height=2.8)
    num_groups = len(next(iter(table.values())))
    width = 0.8 / len(table)
    colours = dict(zip(table, COLOURS, strict=False))
    for index, (label, values) in enumerate(table.items()):
        places = np.arange(num_groups) + (index - (len(table) - 1) / 2) * width
        axes.bar(places, values, width, color=colours[label], label=label)
    for label, level in (levels or {}).items():
        colour = next((c for name, c in colours.items() if name in label), GREY)
        axes.axhline(level, color=colour, ls="--", lw=1, label=label)
    shown = [str(q) for q in range(num_groups)] if names is None else list(names)
    axes.set_xticks(range(num_groups), shown)
    axes.set(xlabel="codebook" if names is None else xlabel, ylabel=ylabel)
    axes.set_ylim(0, top)
    if len(table) + len(levels or {}) > 1:
        axes.legend(frameon=False, fontsize=8, ncols=2)
    return figure


def intervals(
    table: Mapping[str, Mapping[str, tuple[float, float, float]]],
    *,
    xlabel: str,
    levels: Mapping[str, float] | None = None,
) -> Picture:
    """Figures with their intervals, a line each, a colour and mark a row of the table.

    Args:
        table: label to name to (value, low, high); a name may be missing.
        xlabel: what the values are.
        levels: dashed lines to compare with.
    """
    names = list(dict.fromkeys(name for row in table.values() for name in row))
    figure, (axes,) = _panels(1, height=0.8 + 0.24 * len(names) * len(table))
    for index, (label, row) in enumerate(table.items()):
        offset = (index - (len(table) - 1) / 2) * 0.7 / len(table)
        places = [names.index(name) + offset for name in row]
        values, lows, highs = np.array(list(row.values())).T
        axes.errorbar(
            values, places, xerr=[values - lows, highs - values], label=label,
            color=COLOURS[index % len(COLOURS)], fmt="osD^"[index % 4], ms=5,
            capsize=3, lw=1.2,
        )  # fmt: skip
    for label, level in (levels or {}).items():
        axes.axvline(level, color=GREY, ls="--", lw=1, label=label)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel=xlabel, ylim=(len(names) - 0.5, -0.5))
    if len(table) + len(levels or {}) > 1:
        axes.legend(frameon=False, fontsize=8, loc="best")
    return figure


def compare_waveforms(
    waves: Mapping[str, ArrayLike],
    start: float,
    stop: float,
    *,
    boundaries: Sequence[float] = (),
    sample_rate: int = SAMPLE_RATE,
) -> Picture:
    """Sounds on top of one another between two seconds.

    Args:
        waves: label to samples (N,).
        start: first second.
        stop: last second.
        boundaries: seconds at which a line is drawn.
        sample_rate: samples per second.
    """
    figure, (axes,) = _panels(1, height=2.6)
    window = slice(round(start * sample_rate), round(stop * sample_rate))
    for index, (label, wave) in enumerate(waves.items()):
        samples = np.asarray(wave)[window]
        seconds = start + np.arange(len(samples)) / sample_rate
        # The first is what the others are compared with: broad and pale, behind them.
        is_behind = index == 0 and len(waves) > 1
        width, opacity = (2.2, 0.5) if is_behind else (1.0, 1.0)
        colour = COLOURS[index % len(COLOURS)]
        axes.plot(seconds, samples, color=colour, lw=width, alpha=opacity, label=label)
    for boundary in boundaries:
        if start <= boundary <= stop:
            axes.axvline(boundary, color=GREY, ls=":", lw=1)
    axes.set(xlim=(start, stop), xlabel="second", ylabel="sample")
    axes.legend(frameon=False, fontsize=8, loc="upper right")
    return figure


def event_timeline(
    kinds: Sequence[str], steps: Sequence[int], texts: Sequence[str]
) -> Picture:
    """What an engine gave at which step: text above, frames of sound below.

    Args:
        kinds: `text` or `sound`, for each event.
        steps: the step after which the event came.
        texts: the piece of text, or anything for sound.
    """
    figure, (axes,) = _panels(1, height=1.9)
    for kind, step, text in zip(kinds, steps, texts, strict=True):
        is_text = kind == "text"
        colour, row = (ORANGE, 1) if is_text else (BLUE, 0)
        axes.barh(row, 0.9, left=step - 0.45, height=0.6, color=colour)
        if is_text:
            axes.text(
                step, row + 0.42, text.strip(), ha="left", rotation=30, fontsize=8
            )
    axes.set_yticks([0, 1], ["80 ms of sound", "text"])
    axes.set(xlabel="step of the model", ylim=(-0.5, 2.3), xlim=(-1, max(steps) + 1))
    return figure


def token_probabilities(
    tokens: Sequence[str], table: Mapping[str, NDArray[np.floating]]
) -> Picture:
    """Probabilities of the same few tokens, a panel a setting."""
    figure = Picture(figsize=(9.5, 2.6), layout="constrained")
    panels = figure.subplots(1, len(table), sharey=True, squeeze=False)[0]
    for axes, (label, values) in zip(panels, table.items(), strict=True):
        axes.barh(range(len(tokens)), values, color=BLUE)
        axes.set(xlim=(0, 1), xlabel="probability", title=label)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(range(len(tokens)), tokens)
    panels[0].invert_yaxis()
    return figure


def similarity_map(
    values_NM: ArrayLike,
    rows: Sequence[str],
    columns: Sequence[str] | None = None,
    *,
    measure: str = "cosine",
) -> Picture:
    """How near each is to each, as shaded cells with their values, at most 1.

    A name stands once for a run of equal ones, such as several recordings of one voice.
    """
    values = np.asarray(values_NM)
    columns = rows if columns is None else columns
    side = 0.34 if max(values.shape) <= 16 else 0.15
    size = (2.2 + side * values.shape[1], 1.2 + side * values.shape[0])
    figure = Picture(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(
        values, cmap="viridis", vmin=min(0, max(-0.2, values.min())), vmax=1
    )
    if side > 0.2:
        for (row, column), value in np.ndenumerate(values):
            axes.text(
                column, row, f"{value:.1f}", ha="center", va="center", fontsize=7,
                color="black" if value > 0.6 else "white",
            )  # fmt: skip
    for names, set_ticks in ((rows, axes.set_yticks), (columns, axes.set_xticks)):
        middles = {name: _middle(names, name) for name in dict.fromkeys(names)}
        set_ticks(list(middles.values()), list(middles))
    axes.tick_params(axis="x", labelrotation=90, length=0)
    axes.tick_params(axis="y", length=0)
    figure.colorbar(image, ax=axes, label=measure, shrink=0.8)
    return figure


def curves(
    table: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    xlabel: str,
    ylabel: str,
    logarithmic: bool = False,
) -> Picture:
    """Lines with a dot at every value, one a row of the table.

    Args:
        table: label to x and y values.
        xlabel: what the x values are.
        ylabel: what the y values are.
        logarithmic: both axes, to the base of 2 along x.
    """
    figure, (axes,) = _panels(1, height=2.8)
    for index, (label, (x, y)) in enumerate(table.items()):
        # The first is what the others are compared with: broad and pale, behind them.
        is_behind = index == 0 and len(table) > 1
        width, opacity = (5, 0.4) if is_behind else (1.2, 1)
        axes.plot(
            x, y, color=COLOURS[index % len(COLOURS)], marker="o", ms=3, lw=width,
            alpha=opacity, label=label,
        )  # fmt: skip
    if logarithmic:
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
    axes.set(xlabel=xlabel, ylabel=ylabel)
    if len(table) > 1:
        axes.legend(frameon=False, fontsize=8)
    return figure


def conversation(
    user: ArrayLike,
    model: ArrayLike,
    states: Sequence[str],
    *,
    window_s: float,
    rates: tuple[int, int] = (16_000, SAMPLE_RATE),
) -> Picture:
    """Who spoke when: the user above, the model below, and between them the state.

    Args:
        user: what the microphone heard.
        model: what the loudspeaker played.
        states: of the session, one for each window of `window_s` seconds.
        window_s: seconds of a window.
        rates: sampling rates of the two.
    """
    figure = Picture(figsize=(9.5, 3.2), layout="constrained")
    top, middle, bottom = figure.subplots(3, 1, sharex=True, height_ratios=(2, 1, 2))
    for axes, wave, rate, colour, label in (
        (top, user, rates[0], ORANGE, "user"),
        (bottom, model, rates[1], BLUE, "model"),
    ):
        samples = np.asarray(wave)
        axes.plot(np.arange(len(samples)) / rate, samples, color=colour, lw=0.4)
        axes.set_yticks([])
        axes.set_ylabel(label, rotation=0, ha="right", va="center")
    colours = dict(zip(dict.fromkeys(states), (GREY, *COLOURS), strict=False))
    begins = 0
    for place, state in enumerate(states):
        if place + 1 == len(states) or states[place + 1] != state:
            width = (place + 1 - begins) * window_s
            middle.barh(0, width, left=begins * window_s, color=colours[state])
            begins = place + 1
    patches = [Patch(color=colour, label=name) for name, colour in colours.items()]
    figure.legend(
        handles=patches, loc="outside upper center", ncols=len(patches), frameon=False
    )
    middle.set_ylabel("session", rotation=0, ha="right", va="center")
    middle.set_yticks([])
    bottom.set(xlabel="second", xlim=(0, len(states) * window_s))
    for axes in (top, middle, bottom):
        axes.spines[["top", "right", "left"]].set_visible(False)
    return figure


def waterfall(
    stages: Mapping[str, tuple[float, float]], meanings: Mapping[str, str]
) -> Picture:
    """Stretches of time one under another, each from where the one before ends.

    Args:
        stages: begin and end of each, in ms.
        meanings: what the time of each went to.
    """
    figure, (axes,) = _panels(1, height=0.5 + 0.32 * len(stages))
    last = max((end for _, end in stages.values()), default=1.0)
    for row, (name, (begin, end)) in enumerate(stages.items()):
        axes.barh(row, max(end - begin, last / 400), left=begin, color=BLUE, height=0.7)
        text = f"{end - begin:.0f} ms  {meanings.get(name, '')}"
        is_left = begin > last / 2
        axes.text(
            begin - last / 100 if is_left else end + last / 100, row, text,
            ha="right" if is_left else "left", va="center", fontsize=8,
        )  # fmt: skip
    axes.set_yticks(range(len(stages)), list(stages))
    axes.invert_yaxis()
    axes.set(xlabel="ms after the end of speech", xlim=(0, last * 1.02))
    return figure


def _middle(names: Sequence[str], name: str) -> float:
    return float(np.mean([place for place, other in enumerate(names) if other == name]))


def _panels(count: int, height: float) -> tuple[Picture, list[Axes]]:
    figure = Picture(figsize=(9.5, height * count), layout="constrained")
    panels = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
    return figure, list(panels)


def _decibels(wave: NDArray[np.floating], sample_rate: int) -> NDArray[np.floating]:
    window_size = round(0.030 * sample_rate)
    hop = max(1, round(0.010 * sample_rate))
    padded = np.pad(wave, window_size // 2)
    windows = np.lib.stride_tricks.sliding_window_view(padded, window_size)[::hop]
    spectrum = np.fft.rfft(windows * np.hanning(window_size), 4 * window_size, axis=1)
    hertz = np.fft.rfftfreq(4 * window_size, 1 / sample_rate)
    edges = np.linspace(0, _mel(sample_rate / 2), NUM_BANDS + 1)
    starts = np.searchsorted(_mel(hertz), edges[:-1])
    strength = np.maximum.reduceat(np.abs(spectrum), starts, axis=1).T
    loudest = max(float(strength.max()), 1e-9)
    floor = 10 ** (QUIETEST_DB / 20)
    decibels = 20 * np.log10(np.maximum(strength / loudest, floor))
    # Steps that the eye does not see keep a notebook's pictures small.
    return np.round(decibels / 2) * 2


def _mel(hertz: ArrayLike) -> NDArray[np.floating]:
    return 2595 * np.log10(1 + np.asarray(hertz, float) / 700)


def _write_numbers(axes: Axes, values: NDArray[np.integer], fontsize: float) -> None:
    """Each value in the middle of its cell."""
    for (row, column), value in np.ndenumerate(values):
        axes.text(column, row, str(value), ha="center", va="center", fontsize=fontsize)


def _write_marks(axes: Axes, marks: Marks) -> None:
    for place, name in marks:
        axes.axvline(place, color=GREY, lw=0.6)
        axes.text(
            place, 1.02, name, transform=axes.get_xaxis_transform(), fontsize=8,
            ha="left", va="bottom", color="#444444",
        )  # fmt: skip


def _name_inside(axes: Axes, label: str) -> None:
    axes.text(
        0.99, 0.93, label, transform=axes.transAxes, ha="right", va="top", fontsize=9,
        color="white",
    )  # fmt: skip
