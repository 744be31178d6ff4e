"""How a linear layer's matrix lies in memory, which a CPU's matrix product minds."""

from torch import nn


def store_by_columns(module: nn.Module) -> None:
    """Store the matrices of all linear layers column by column, on a CPU.

    The values and what is computed stay the same. For some ten rows of input, as many
    as a short recording or a prompt has, MKL's product then takes half the time or less
    (`benchmarks/speed.py`); for one row, or for hundreds, it makes no difference.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear) and layer.weight.device.type == "cpu":
            layer.weight.data = layer.weight.data.t().contiguous().t()
