"""Linear layers that read their weights with all threads, even for a single position.

A decoding step at batch 1 multiplies every matrix by one vector, and the time goes into
reading the matrix. The CPU library behind PyTorch gives such a product to one thread,
which cannot read as fast as memory could deliver; as a batch of products, a piece of
the matrix each, it goes to all of them. Measured on two cores of an AMD EPYC: 13 GB/s
before, 21 to 28 after, where memory delivers 30 (LOG.md).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MIN_WEIGHTS = 1 << 18
"""A smaller matrix is read sooner than threads are told of it."""


def linear(x: Tensor, weight_OK: Tensor, bias_O: Tensor | None = None) -> Tensor:
    """(..., K) to (..., O), as `torch.nn.functional.linear`."""
    num_out, num_in = weight_OK.shape
    threads = torch.get_num_threads()
    if not (
        x.numel() == num_in
        and x.device.type == "cpu"
        and x.dtype == weight_OK.dtype == torch.float32
        and weight_OK.numel() >= MIN_WEIGHTS
        and num_out % threads == 0
        and threads > 1
        and not torch.is_autocast_enabled("cpu")
    ):
        return F.linear(x, weight_OK, bias_O)
    pieces_POK = weight_OK.unflatten(0, (threads, -1))
    x_P1K = x.reshape(1, 1, num_in).expand(threads, 1, num_in)
    out = torch.bmm(x_P1K, pieces_POK.mT).view(*x.shape[:-1], num_out)
    return out if bias_O is None else out + bias_O


class Linear(nn.Linear):
    """`torch.nn.Linear`, by `linear`."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., in_features) to (..., out_features)."""
        return linear(x, self.weight, self.bias)
