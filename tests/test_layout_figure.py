"""The picture of the nine streams shows each region where the layout put it."""

import numpy as np
import pytest

from minimind_o import layout_figure
from minimind_o.layout import IGNORE, LayoutSpec, build_example, draw

SPEC = LayoutSpec()


@pytest.fixture
def example():
    codes = np.random.default_rng(0).integers(0, 2048, (8, 9))
    return build_example(SPEC, range(1, 15), 8, codes[:, :5], codes[:, 5:], True)


def test_each_region_is_where_the_layout_put_it(example):
    regions = layout_figure.region_map(SPEC, example)
    drawn = "".join(".rscxtaz"[cell] for cell in regions[1])
    assert drawn == "...srrrr..cccccx......"[: len(drawn)]
    drawn = "".join(".rscxtaz"[cell] for cell in regions[8])
    assert drawn == "t" * 8 + "a" * 6 + "z" * (len(drawn) - 14)


def test_figure_dots_every_target_and_writes_every_token(example):
    tokens = [f"word{p}" for p in range(14)]
    axes = draw(SPEC, example, tokens=tokens).axes[0]
    written = {text.get_text() for text in axes.texts}
    assert set(tokens) <= written
    dots = next(line for line in axes.lines if line.get_marker() == ".")
    targets = (example.audio_labels != IGNORE).sum() + (
        example.text_labels != IGNORE
    ).sum()
    assert len(dots.get_xdata()) == targets


def test_a_window_shows_only_its_positions(example):
    axes = draw(SPEC, example, tokens=["x"] * 14, first=4, last=11).axes[0]
    assert axes.get_xlim() == (3.5, 11.5)
    dots = next(line for line in axes.lines if line.get_marker() == ".")
    assert dots.get_xdata().min() >= 4
    assert dots.get_xdata().max() <= 11


def test_positions_are_numbered_with_whole_numbers(example):
    # Left alone, matplotlib would write 2.5 in a picture this narrow.
    ticks = draw(SPEC, example, width=6).axes[0].get_xticks()
    assert len(ticks) >= 2
    np.testing.assert_array_equal(ticks, np.round(ticks))
