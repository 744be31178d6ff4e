"""Figures show the numbers they are given."""

import io

import numpy as np
import pytest
from PIL import Image

from minimind_o import plots

RATE = 8000


def tone(hertz: float, seconds: float = 0.5) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)


@pytest.mark.parametrize("hertz", [500, 2000])
def test_a_tone_is_brightest_at_its_frequency(hertz):
    figure = plots.spectrogram({"tone": tone(hertz)}, RATE)
    image = figure.axes[0].images[0]
    rows, top = image.get_array().shape[0], image.get_extent()[3]
    place = (image.get_array().mean(axis=1).argmax() + 0.5) / rows * top
    assert abs(place - 2595 * np.log10(1 + hertz / 700)) < 1.5 * top / rows
    assert image.get_array().max() == pytest.approx(0, abs=1e-6)


def test_sounds_of_different_length_share_their_time():
    figure = plots.spectrogram({"long": tone(500), "short": tone(500, 0.3)}, RATE)
    assert {axes.images[0].get_extent()[1] for axes in figure.axes} == {0.3}


def test_silence_is_drawn_and_not_divided_by():
    image = plots.spectrogram({"silence": np.zeros(RATE)}, RATE).axes[0].images[0]
    assert np.isfinite(image.get_array()).all()


def test_every_code_is_written_in_its_cell():
    codes = np.array([[3, 14, 15], [9, 26, 5]])
    axes = plots.code_grid(codes).axes[0]
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert written == {(f, q): str(codes[q, f]) for q in range(2) for f in range(3)}


def test_a_cell_has_the_number_and_the_colour_of_its_expert():
    figure = plots.expert_grid([[0, 1, 0], [2, 2, 1]], ["the", " cat", "."])
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["0", "1", "0", "2", "2", "1"]
    image = axes.images[0]
    drawn = image.cmap(image.norm(image.get_array()))
    assert (drawn[0, 0] == drawn[0, 2]).all()
    assert (drawn[0, 1] == drawn[1, 2]).all()
    assert len(np.unique(drawn.reshape(-1, 4), axis=0)) == 3
    assert [label.get_text() for label in axes.get_xticklabels()] == [
        "the",
        " cat",
        ".",
    ]


def test_words_stand_over_the_frame_in_which_they_begin():
    axes = plots.code_grid(np.zeros((2, 20), int), 12.5, [(0.8, "cat")]).axes[0]
    word = next(text for text in axes.texts if text.get_text() == "cat")
    assert word.get_position()[0] == pytest.approx(9.5)  # where frame 10 begins


def test_bars_have_the_heights_of_the_table_and_its_levels():
    table = {"phoneme": [0.7, 0.1], "voice": [0.2, 0.3]}
    figure = plots.codebook_bars(table, levels={"guess the phoneme": 0.08})
    axes = figure.axes[0]
    heights = [[bar.get_height() for bar in group] for group in axes.containers]
    assert heights == list(table.values())
    line = axes.lines[0]
    assert line.get_ydata()[0] == 0.08
    assert line.get_color() == plots.BLUE


def test_an_interval_reaches_from_its_low_to_its_high_end():
    table = {
        "heard": {"short": (0.1, 0.05, 0.3), "long": (0.2, 0.1, 0.25)},
        "floor": {"long": (0.01, 0.0, 0.02)},
    }
    axes = plots.intervals(table, xlabel="CER", levels={"paper": 0.0964}).axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["short", "long"]
    drawn = []
    for container in axes.containers:
        (bars,) = container[2]
        drawn.append([tuple(bar[:, 0]) for bar in bars.get_segments()])
    assert np.allclose(drawn[0], [(0.05, 0.3), (0.1, 0.25)])
    assert np.allclose(drawn[1], [(0.0, 0.02)])
    heights = [container[0].get_ydata() for container in axes.containers]
    assert heights[0][1] < 1 < heights[1][0]  # both stand at "long", one over the other
    assert axes.lines[-1].get_xdata()[0] == 0.0964


def test_only_the_window_is_drawn_and_the_boundaries_in_it():
    waves = {"whole": tone(500), "pieces": tone(500)}
    figure = plots.compare_waveforms(
        waves, 0.1, 0.2, boundaries=[0.08, 0.16], sample_rate=RATE
    )
    *curves, boundary = figure.axes[0].lines
    assert [len(curve.get_xdata()) for curve in curves] == [800, 800]
    assert boundary.get_xdata()[0] == 0.16


def test_the_points_are_tied_to_their_nearest_entries():
    points = np.array([[0.0, 0.0], [1.0, 1.0], [0.9, 0.8]])
    entries = np.array([[0.1, 0.0], [1.0, 0.9]])
    ends = [
        line.get_xydata()[1]
        for line in plots.nearest_entries(points, entries).axes[0].lines
    ]
    assert np.array_equal(ends, entries[[0, 1, 1]])


def test_events_stand_at_their_steps():
    figure = plots.event_timeline(["text", "sound"], [0, 8], ["Hi", ""])
    bars = [bar for group in figure.axes[0].containers for bar in group]
    places = [(bar.get_x() + bar.get_width() / 2, bar.get_y() + 0.3) for bar in bars]
    assert np.allclose(places, [(0, 1), (8, 0)])


def test_a_conversation_shows_how_long_each_state_was():
    states = ["listening"] * 3 + ["hearing"] * 4 + ["listening"]
    figure = plots.conversation(np.zeros(8), np.zeros(12), states, window_s=0.5)
    bars = [bar for group in figure.axes[1].containers for bar in group]
    stretches = [(bar.get_x(), bar.get_width()) for bar in bars]
    assert stretches == [(0, 1.5), (1.5, 2), (3.5, 0.5)]
    assert bars[0].get_facecolor() == bars[2].get_facecolor()
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["listening", "hearing"]


def test_a_waterfall_begins_where_the_stage_before_ends():
    figure = plots.waterfall({"a": (0, 5), "b": (5, 20)}, {"b": "slow"})
    bars = [bar for group in figure.axes[0].containers for bar in group]
    assert [(bar.get_x(), bar.get_width()) for bar in bars] == [(0, 5), (5, 15)]
    assert [text.get_text() for text in figure.axes[0].texts] == [
        "5 ms  ",
        "15 ms  slow",
    ]


def test_each_setting_has_its_probabilities():
    table = {"cold": np.array([1.0, 0.0]), "hot": np.array([0.6, 0.4])}
    figure = plots.token_probabilities(["a", "b"], table)
    widths = [[bar.get_width() for bar in axes.containers[0]] for axes in figure.axes]
    assert widths == [[1.0, 0.0], [0.6, 0.4]]


def test_a_waveform_is_drawn_over_its_seconds():
    axes = plots.waveform(tone(500), RATE, [(0.25, "now")]).axes[0]
    assert axes.lines[0].get_xdata()[-1] == pytest.approx(0.5 - 1 / RATE)
    assert axes.texts[0].get_text() == "now"


def test_a_notebook_is_shown_a_small_png_of_the_right_size():
    picture = plots.spectrogram({"tone": tone(500)}, RATE)
    shown = Image.open(io.BytesIO(picture._repr_png_()))
    wanted = picture.get_size_inches() * picture.dpi
    assert np.allclose(shown.size, wanted, atol=1)
    assert shown.mode == "P"
