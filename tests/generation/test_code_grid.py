"""The grid that generation fills is the grid that training examples have."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from minimind_o.generation.code_grid import CodeGrid
from minimind_o.layout import LayoutSpec, build_example
from tests.model.tiny import tiny_config

CONFIG = tiny_config()


@settings(deadline=None, max_examples=40)
@given(num_frames=st.integers(0, 12), seed=st.integers(0, 99), delay=st.integers(0, 2))
def test_columns_are_those_of_the_layout(
    num_frames: int, seed: int, delay: int
) -> None:
    """Drawn codes replace nothing before a layer's turn or after its last frame."""
    config = tiny_config(codebook_delay=delay)
    spec = LayoutSpec.from_config(config)
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, CONFIG.num_codes, (8, num_frames))
    start = 3
    example = build_example(spec, np.arange(start + 1), start, codes)
    grid = CodeGrid(config, max_frames=12, max_columns=30)
    columns = [grid.last_column_Q.tolist()]
    for position in range(start + 1, example.grid.shape[1]):
        drawn = torch.from_numpy(rng.integers(0, CONFIG.num_codes, 8))
        for layer in range(8):
            frame = position - start - 1 - delay * layer
            if 0 <= frame < num_frames:
                drawn[layer] = codes[layer, frame]
        if position == start + 1 + num_frames:
            drawn[0] = spec.audio_stop_token
        expected_whole = max(min(position - start - 7 * delay, num_frames), 0)
        grid.append(drawn)
        columns.append(grid.last_column_Q.tolist())
        assert grid.num_whole_frames == expected_whole
    assert np.array_equal(np.array(columns).T, example.grid[:8, start:])
    assert grid.num_frames == num_frames
    assert grid.is_complete
    assert not grid.was_cut
    assert np.array_equal(grid.frames(0, num_frames), codes)


def test_the_longest_speech_ends_without_a_stop() -> None:
    grid = CodeGrid(CONFIG, max_frames=4, max_columns=12)
    while not grid.is_complete:
        grid.append(torch.arange(8))
    assert grid.num_frames == 4
    assert grid.was_cut
    assert grid.frames(0, 4).tolist() == [[layer] * 4 for layer in range(8)]


def test_only_codes_and_layer_0s_stop_may_be_drawn() -> None:
    allowed = CodeGrid(CONFIG, max_frames=4, max_columns=12).forbidden_QV == 0
    assert bool(allowed[:, : CONFIG.num_codes].all())
    special = allowed[:, CONFIG.num_codes :].nonzero().tolist()
    assert special == [[0, CONFIG.audio_stop_token - CONFIG.num_codes]]
