"""A codec small enough for tests, of moshi's own class."""

import copy

import torch
from moshi.models import loaders

from minimind_o.frozen.mimi import NANO_MIMI, Mimi


def small_mimi() -> Mimi:
    """A few channels wide, 32 entries per codebook, random weights."""
    config = copy.deepcopy(NANO_MIMI)
    config["seanet"] |= {"n_filters": 2, "dimension": 32}
    config["transformer"] |= {
        "d_model": 32,
        "num_layers": 1,
        "dim_feedforward": 64,
        "input_dimension": 32,
        "output_dimensions": [32],
    }
    config["quantizer"] |= {
        "dimension": 16,
        "bins": 32,
        "input_dimension": 32,
        "output_dimension": 32,
    }
    torch.manual_seed(0)
    model = loaders.get_mimi(None, config)
    for name, buffer in model.quantizer.named_buffers():
        if name.endswith("embedding_sum"):
            buffer.normal_()
    return Mimi(model, config)
