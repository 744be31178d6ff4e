"""A picture of one example's nine streams: what stands where, at a glance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, to_rgb
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from minimind_o.layout import IGNORE, Example, LayoutSpec
from minimind_o.plots import Picture

PAD, REFERENCE, SPEAKER, CODE, STOP, PROMPT, ANSWER, AFTER = range(8)
REGIONS = (
    ("pad", "#eeeeee"),
    ("reference codes (voice prompt)", "#b8a1d9"),
    ("speaker", "#d1495b"),
    ("answer codes, layer by layer", "#2a7f9e"),
    ("stop", "#222222"),
    ("text before the answer", "#f3d9a4"),
    ("answer text (learned)", "#e59500"),
    ("text pad", "#f7f3ea"),
)


def region_map(spec: LayoutSpec, example: Example) -> NDArray[np.int8]:
    """Which region each cell of the grid (S, T) belongs to: an index into REGIONS."""
    grid, start = example.grid, example.assistant_start
    regions = np.full(grid.shape, PAD, dtype=np.int8)
    positions = np.arange(grid.shape[1])
    audio, is_code = grid[:-1], grid[:-1] < spec.num_codes
    regions[:-1][is_code] = CODE
    regions[:-1][is_code & (positions < start)] = REFERENCE
    regions[:-1][audio == spec.audio_speaker_token] = SPEAKER
    regions[:-1][audio == spec.audio_stop_token] = STOP
    learned = np.concatenate([[False], example.text_labels != IGNORE])
    silent = (grid[-1] == spec.pad_token_id) & ~learned & (positions >= start)
    regions[-1] = np.where(learned, ANSWER, np.where(silent, AFTER, PROMPT))
    return regions


def draw(
    spec: LayoutSpec,
    example: Example,
    *,
    tokens: Sequence[str] | None = None,
    first: int = 0,
    last: int | None = None,
    show_labels: bool = True,
    width: float = 12.0,
) -> Picture:
    """Draw the grid, one row a stream, one column a position.

    Args:
        spec: the ids.
        example: what to draw.
        tokens: (T,) or shorter: the text of each position, written under its column.
        first: first position to draw.
        last: last position to draw.
        show_labels: dot the cells that are targets (each is the label of the
            position before it).
        width: inches.
    """
    stop = example.grid.shape[1] if last is None else min(last + 1, len(example.grid.T))
    window = slice(first, stop)
    regions = region_map(spec, example)[:, window]
    num_streams = len(regions)

    figure = Picture(figsize=(width, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(
        _shade(regions),
        aspect="auto",
        interpolation="nearest",
        extent=(first - 0.5, stop - 0.5, num_streams - 0.5, -0.5),
    )
    _grid_lines(axes, first, stop, num_streams)
    start = example.assistant_start
    if first <= start < stop:
        axes.axvline(start - 0.5, color="#d1495b", linewidth=1.5)
        axes.text(
            start - 0.5,
            -0.6,
            "assistant_start",
            ha="center",
            va="bottom",
            color="#d1495b",
            fontsize=8,
        )
    if show_labels:
        _dot_targets(axes, example, first, stop)
    _name_axes(axes, num_streams)
    if tokens is not None:
        _write_tokens(axes, tokens[:stop], first, num_streams)
    present = [index for index in range(len(REGIONS)) if (regions == index).any()]
    handles = [Patch(color=REGIONS[i][1], label=REGIONS[i][0]) for i in present]
    figure.legend(
        handles=handles, loc="outside upper center", ncols=4, frameon=False, fontsize=8
    )
    return figure


def _shade(regions: NDArray[np.int8]) -> NDArray[np.float64]:
    colours = np.array(ListedColormap([to_rgb(c) for _, c in REGIONS]).colors)
    picture = colours[regions]
    # Answer codes get lighter with the layer, so that the staircase can be followed.
    for q in range(len(regions) - 1):
        cells = regions[q] == CODE
        picture[q, cells] = 1 - (1 - picture[q, cells]) * (1 - 0.07 * q)
    return picture


def _grid_lines(axes: Axes, first: int, stop: int, num_streams: int) -> None:
    if stop - first <= 120:
        axes.vlines(
            np.arange(first, stop + 1) - 0.5, -0.5, num_streams - 0.5, "white", lw=0.4
        )
    axes.hlines(np.arange(num_streams + 1) - 0.5, first - 0.5, stop - 0.5, "white")


def _dot_targets(axes: Axes, example: Example, first: int, stop: int) -> None:
    labels = np.vstack([example.audio_labels, example.text_labels])
    rows, columns = np.nonzero(labels != IGNORE)
    columns = columns + 1
    visible = (columns >= first) & (columns < stop)
    axes.plot(columns[visible], rows[visible], ".", color="white", markersize=2.5)
    axes.set_title("white dot: a target", loc="right", fontsize=8)


def _name_axes(axes: Axes, num_streams: int) -> None:
    names = [f"codebook {q}" for q in range(num_streams - 1)] + ["text"]
    axes.set_yticks(range(num_streams), names, fontsize=8)
    axes.tick_params(length=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("position")
    for spine in axes.spines.values():
        spine.set_visible(False)


def _write_tokens(
    axes: Axes, tokens: Sequence[str], first: int, num_streams: int
) -> None:
    for position in range(first, len(tokens)):
        shown = tokens[position].replace("\n", "\\n").strip() or "␣"
        axes.text(
            position,
            num_streams - 0.35,
            shown,
            rotation=90,
            ha="center",
            va="top",
            fontsize=7,
        )
    axes.set_xticks([])
    axes.set_xlabel("")
