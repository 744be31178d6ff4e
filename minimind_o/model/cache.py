"""Preallocated keys and values, so that a decoding step copies one position only.

Shapes: B batch, K key/value heads, T positions, E width of a head.
"""

import torch
from torch import Tensor

from minimind_o.errors import UserError


class KVCache:
    """Keys and values of every layer of one stack of blocks.

    `length` positions are filled. A layer writes with `extend`; after all layers have
    written the same positions the stack calls `advance` once.
    """

    def __init__(
        self,
        *,
        num_layers: int,
        batch_size: int,
        num_heads: int,
        max_length: int,
        head_size: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        shape = (num_layers, batch_size, num_heads, max_length, head_size)
        self.keys = torch.zeros(shape, device=device, dtype=dtype)
        self.values = torch.zeros(shape, device=device, dtype=dtype)
        self.max_length = max_length
        self.length = 0

    def extend(
        self, layer: int, k_BKTE: Tensor, v_BKTE: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Write the new positions of one layer; return all it has, as views."""
        end = self.length + k_BKTE.shape[2]
        if end > self.max_length:
            raise UserError(
                f"The sequence grows to {end} positions but the cache holds "
                f"max_length={self.max_length}; shorten the prompt or ask for a "
                "longer cache."
            )
        self.keys[layer, :, :, self.length : end] = k_BKTE
        self.values[layer, :, :, self.length : end] = v_BKTE
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]

    def advance(self, num_positions: int) -> None:
        """Count positions that every layer has written."""
        self.length += num_positions

    def truncate(self, length: int) -> None:
        """Forget every position from `length` on; 0 makes the cache new."""
        assert 0 <= length <= self.length
        self.length = length


class OmniCache:
    """The Thinker's and the Talker's caches, which always hold the same positions.

    `code_table` is the Talker's full code embedding, computed once per cache.
    """

    def __init__(self, thinker: KVCache, talker: KVCache, code_table: Tensor) -> None:
        self.thinker = thinker
        self.talker = talker
        self.code_table = code_table

    @property
    def length(self) -> int:
        """Positions seen so far."""
        return self.talker.length

    @property
    def max_length(self) -> int:
        """Positions it can hold."""
        return self.talker.max_length

    def truncate(self, length: int) -> None:
        """Forget every position from `length` on; 0 makes the cache new."""
        self.thinker.truncate(length)
        self.talker.truncate(length)
