"""The picture of the model that opens the README, drawn from the model's own config."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

if TYPE_CHECKING:
    from minimind_o.config import OmniConfig

INK = "#26323f"
MUTED = "#6b7785"
FROZEN = ("#e9edf1", "#a3afbb")
PROJECTOR = ("#d9f0e1", "#4c9f70")
THINKER = ("#dbe8f8", "#3f78b5")
BRIDGED = ("#a9c8ec", "#3f78b5")
TALKER = ("#fde4cf", "#d9822b")
CODEC = ("#ece2f6", "#8659b3")
MODEL_PICTURE = (
    Path(__file__).resolve().parent.parent / "data" / "figures" / "model.svg"
)
CODEBOOK_COLOURS = (
    "#7b3f9d",
    "#8a56ab",
    "#996cb8",
    "#a882c5",
    "#b798d1",
    "#c6aede",
    "#d5c4ea",
    "#e4daf5",
)
SMALL: dict[str, Any] = {"size": 8.5, "color": MUTED}
THINKER_BOTTOM, THINKER_HEIGHT = 12.0, 40.0
Colours = tuple[str, str]
"""Face and edge of a box."""


class _Sheet:
    """Boxes, words and arrows on one set of axes, 120 units wide and 66 high."""

    def __init__(self) -> None:
        self.figure = Figure(figsize=(12, 6.6), facecolor="white")
        self.axes: Any = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, 120), ylim=(0, 66))
        self.axes.set_aspect("equal")
        self.axes.axis("off")

    def box(
        self, x: float, y: float, width: float, height: float, text: str, look: Colours
    ) -> None:
        face, edge = look
        shape = FancyBboxPatch(
            (x, y),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=0.9",
            facecolor=face,
            edgecolor=edge,
            linewidth=1.3,
        )
        self.axes.add_patch(shape)
        self.text(x + width / 2, y + height / 2, text, size=9.5)

    def text(self, x: float, y: float, text: str, **look: Any) -> None:
        style = {"size": 9.5, "color": INK, "ha": "center", "va": "center"} | look
        self.axes.text(x, y, text, linespacing=1.25, **style)

    def title(self, x: float, name: str, size: str, y: float = 61) -> None:
        """A part's name and, under it, how large it is."""
        self.text(x, y + 1.1, name, size=11.5, weight="bold")
        self.text(x, y - 1.3, size, **SMALL)

    def arrow(self, *points: tuple[float, float], **look: Any) -> None:
        """A line through `points` with its head at the last one."""
        style: dict[str, Any] = {"color": INK, "linewidth": 1.3} | look
        if len(points) > 2:
            xs, ys = zip(*points[:-1], strict=True)
            self.axes.plot(xs, ys, solid_capstyle="round", zorder=1, **style)
        head = FancyArrowPatch(
            points[-2],
            points[-1],
            arrowstyle="-|>",
            mutation_scale=11,
            shrinkA=0,
            shrinkB=0,
            zorder=3,
            **style,
        )
        self.axes.add_patch(head)

    def wave(self, x: float, y: float, width: float, height: float, seed: int) -> None:
        """A sound: bars whose heights swell and fade as syllables do."""
        rng = np.random.default_rng(seed)
        places = np.linspace(0, 1, 34)
        swell = 0.25 + 0.75 * np.abs(np.sin(3 * np.pi * places + seed))
        swell *= np.sin(np.pi * places) ** 0.5
        heights = height / 2 * swell * rng.uniform(0.5, 1, len(places))
        self.axes.vlines(
            x + width * places, y - heights, y + heights, color=INK, linewidth=1.5
        )

    def picture(self, x: float, y: float, size: float) -> None:
        """A landscape the size of a stamp."""
        self.axes.add_patch(Rectangle((x, y), size * 1.4, size, fc="#cfe6f5", ec=INK))
        hills = np.array([(0, 0), (0.35, 0.62), (0.6, 0.25), (0.95, 0.7), (1.4, 0)])
        self.axes.fill(*(np.array([[x], [y]]) + size * hills.T), color="#6fae7d")
        self.axes.scatter([x + 1.15 * size], [y + 0.8 * size], s=38, color="#f0b429")


def draw_model(config: OmniConfig) -> Figure:
    """MiniMind-O from its inputs to its sound, after figure 1 of arXiv 2605.03937."""
    sheet = _Sheet()
    _inputs(sheet)
    _thinker(sheet, config)
    _talker(sheet, config)
    _speech(sheet, config)
    _legend(sheet)
    return sheet.figure


def write_model_picture(config: OmniConfig, path: Path) -> None:
    """Draw the model into the SVG `path`; the same config gives the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"svg.hashsalt": "minimind-o"}):
        draw_model(config).savefig(path, format="svg", metadata={"Date": None})


def _inputs(sheet: _Sheet) -> None:
    for y, encoder, projector, look in (
        (50, "tokenizer", "embedding", THINKER),
        (34, "SenseVoice\nspeech encoder", "projector", PROJECTOR),
        (18, "SigLIP2\nvision encoder", "projector", PROJECTOR),
    ):
        sheet.box(2, y - 5, 15, 5, encoder, FROZEN)
        sheet.box(19.5, y - 5, 10, 5, projector, look)
        sheet.arrow((9.5, y + 1.6), (9.5, y))
        sheet.arrow((17, y - 2.5), (19.5, y - 2.5))
        sheet.axes.plot((29.5, 32), (y - 2.5, y - 2.5), color=INK, linewidth=1.3)
    sheet.text(10, 53.2, "“What is three plus four?”", style="italic")
    sheet.wave(3, 38, 13, 4, seed=1)
    sheet.picture(6.7, 19.8, 4)
    sheet.arrow((32, 47.5), (32, 9.5), (44.5, 9.5), (44.5, 12))


def _thinker(sheet: _Sheet, config: OmniConfig) -> None:
    pitch = THINKER_HEIGHT / config.num_hidden_layers
    for layer in range(config.num_hidden_layers):
        look = BRIDGED if layer == config.bridge_index else THINKER
        y = THINKER_BOTTOM + layer * pitch
        sheet.box(36, y, 17, pitch - 0.9, f"layer {layer + 1}", look)
    sheet.title(
        44.5, "Thinker", f"{config.num_hidden_layers} layers × {config.hidden_size}"
    )
    sheet.arrow((44.5, 51.1), (44.5, 54.5))
    sheet.text(44.5, 56, "“Three plus four is seven.”", style="italic")
    y = _bridge_height(config)
    sheet.arrow((53, y), (60.4, y), color=TALKER[1], linewidth=2)
    sheet.text(56.6, y + 1.5, "bridge", size=9, color=TALKER[1])


def _bridge_height(config: OmniConfig) -> float:
    pitch = THINKER_HEIGHT / config.num_hidden_layers
    return THINKER_BOTTOM + (config.bridge_index + 0.5) * pitch - 0.45


def _talker(sheet: _Sheet, config: OmniConfig) -> None:
    y_sum = _bridge_height(config)
    sheet.axes.scatter([62], [y_sum], s=230, color="white", ec=TALKER[1], zorder=4)
    sheet.text(62, y_sum, "+", size=13, zorder=5)
    bottom = y_sum + 4.5
    pitch = (THINKER_BOTTOM + THINKER_HEIGHT - bottom) / config.num_talker_hidden_layers
    for layer in range(config.num_talker_hidden_layers):
        y = bottom + layer * pitch
        sheet.box(59, y, 17, pitch - 0.9, f"layer {layer + 1}", TALKER)
    size = f"{config.num_talker_hidden_layers} layers × {config.talker_hidden_size}"
    sheet.title(67.5, "Talker", size)
    sheet.arrow((62, y_sum + 1.6), (62, bottom), color=TALKER[1])
    sheet.box(59, 15, 17, 4.5, "code embedding", TALKER)
    sheet.arrow((62, 19.5), (62, y_sum - 1.6), color=TALKER[1])
    sheet.box(59, 4.5, 17, 4.5, "CAM++ voice vector", FROZEN)
    sheet.arrow((67.5, 9), (67.5, 15))
    sheet.text(68.6, 12, "projector", size=8.5, ha="left", color=PROJECTOR[1])
    sheet.arrow((76, 47), (83.2, 47), color=TALKER[1], linewidth=2)
    sheet.text(79.6, 48.6, f"{config.num_codebooks} heads", size=8.5, color=TALKER[1])


def _speech(sheet: _Sheet, config: OmniConfig) -> None:
    num_codebooks, num_steps = config.num_codebooks, config.num_codebooks + 7
    cell = 31.5 / num_steps
    left, top, middle = 84.0, 54.0, 99.75
    for codebook in range(num_codebooks):
        for step in range(num_steps):
            spoken = codebook <= step < codebook + num_steps - num_codebooks
            colour = CODEBOOK_COLOURS[codebook % len(CODEBOOK_COLOURS)]
            sheet.axes.add_patch(
                Rectangle(
                    (left + step * cell, top - (codebook + 1) * cell),
                    cell * 0.88,
                    cell * 0.88,
                    facecolor=colour if spoken else "#f3f4f6",
                    edgecolor="white" if spoken else "#dfe3e8",
                )
            )
    bottom = top - num_codebooks * cell
    sheet.title(
        middle,
        f"{num_codebooks} code streams",
        "each one step later than the one above",
        y=58.5,
    )
    sheet.text(115.3, bottom - 1.5, "time, 80 ms a step →", ha="right", **SMALL)
    sheet.arrow((85, bottom - 0.6), (85, 17.2), (76, 17.2))
    sheet.text(84, 20, "fed back", ha="right", **SMALL)
    sheet.arrow((middle, bottom - 0.6), (middle, 31))
    sheet.box(middle - 9, 25.5, 18, 5.5, "Mimi decoder", CODEC)
    sheet.arrow((middle, 25.5), (middle, 22))
    sheet.wave(middle - 10, 18, 20, 6.5, seed=4)
    sheet.text(middle, 12.5, "24 kHz sound, heard while the rest is still to come")


def _legend(sheet: _Sheet) -> None:
    x = 2.0
    for words, (face, edge), width in (
        ("loaded, frozen", FROZEN, 14),
        ("projector", PROJECTOR, 11),
        ("Thinker", THINKER, 10),
        ("bridge layer", BRIDGED, 12.5),
        ("Talker", TALKER, 9),
        ("codec, frozen", CODEC, 12),
    ):
        sheet.axes.add_patch(Rectangle((x, 1.2), 1.6, 1.6, fc=face, ec=edge))
        sheet.text(x + 2.4, 1.95, words, ha="left", **SMALL)
        x += width
