"""A model in fewer bits, for answering: every step reads all weights once.

At batch 1 a step is as fast as memory gives the weights, so half the bytes are nearly
half the time. `int8` keeps each row of a linear layer's matrix as integers of 8 bits
and one scale (weight-only, symmetric); everything else stays float32.

Shapes: N input rows, K inputs, O outputs.
"""

import torch
from torch import Tensor, nn

from minimind_o.config import WEIGHT_PRECISIONS
from minimind_o.errors import UserError
from minimind_o.model.blocks import Experts, RotaryEmbedding
from minimind_o.model.omni import OmniModel

_LARGEST = 127


class Int8Linear(nn.Module):
    """A linear layer whose weights are integers; for inference only."""

    weight_OK: Tensor
    scale_O: Tensor

    def __init__(self, linear: nn.Linear) -> None:
        """Round the weights of `linear`, whose bias is taken over."""
        super().__init__()
        weight_OK = linear.weight.detach().float()
        scale_O = weight_OK.abs().amax(dim=1).clamp(min=1e-12) / _LARGEST
        rounded_OK = (weight_OK / scale_O[:, None]).round()
        self.register_buffer("weight_OK", rounded_OK.to(torch.int8))
        self.register_buffer("scale_O", scale_O.to(torch.bfloat16))
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """(..., K) to (..., O) in the dtype of `x`."""
        x_NK = x.reshape(-1, x.shape[-1]).to(torch.bfloat16)
        if x.device.type == "cpu":
            out_NO = torch._weight_int8pack_mm(x_NK, self.weight_OK, self.scale_O)
        else:
            out_NO = x_NK @ self.weight_OK.T.to(x_NK) * self.scale_O
        if self.bias is not None:
            out_NO = out_NO + self.bias
        return out_NO.view(*x.shape[:-1], -1).to(x.dtype)


def to_precision(model: OmniModel, precision: str) -> OmniModel:
    """The same model, changed in place, its weights in a precision for answering.

    Embeddings, the text head (which is one), the code heads and the experts' gates are
    never integers.

    Raises:
        UserError: no precision of that name.
    """
    if precision not in WEIGHT_PRECISIONS:
        known = ", ".join(WEIGHT_PRECISIONS)
        raise UserError(f"the precision is {precision!r}; it must be one of {known}.")
    if precision == "bf16":
        model.to(torch.bfloat16)
        for module in model.modules():
            if isinstance(module, RotaryEmbedding):  # angles need more than 8 bits
                with module.cos_TE.device:
                    module.reset()
        return model
    model.float()
    if precision == "int8":
        _round_weights(model)
    return model


def weight_bytes(model: nn.Module) -> int:
    """Bytes of all weights."""
    tensors = [*model.parameters(), *model.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _round_weights(module: nn.Module) -> None:
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Linear):
            if not (isinstance(module, Experts) and name == "gate"):
                setattr(module, name, Int8Linear(child))
        else:
            _round_weights(child)
