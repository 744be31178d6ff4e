"""Preallocated keys and values, so that a decoding step copies one position only.

Shapes: B batch, K key/value heads, T positions, E width of a head.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from minimind_o.errors import UserError


class KVCache:
    """Keys and values of every layer of one stack of blocks.

    `length` positions are filled. A layer writes with `extend`; after all layers have
    written the same positions the stack calls `advance` once.
    """

    mask: Tensor | None = None
    """0 where a new position may look among what `extend` returns, -inf where not
    (`FixedKVCache`); None: everywhere."""

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


class FixedKVCache(KVCache):
    """Goes on from another cache with shapes that never change, one position a step.

    Every layer sees the whole cache, behind a mask, and where to write is a tensor: a
    step is then the same operations on the same memory each time, which a CUDA graph
    can play back.
    """

    length: Tensor  # type: ignore[assignment]
    """(1,): positions filled."""
    mask: Tensor

    def __init__(self, cache: KVCache) -> None:
        self.keys, self.values = cache.keys, cache.values
        self.max_length = cache.max_length
        self.length = torch.tensor([cache.length], device=cache.keys.device)
        self._positions = torch.arange(cache.max_length, device=cache.keys.device)
        self.mask = cache.keys.new_zeros(1, cache.max_length)
        self._update_mask()

    def _update_mask(self) -> None:
        """The filled positions can be seen, and the one that is written next."""
        self.mask.copy_(torch.where(self._positions > self.length, -torch.inf, 0.0))

    def extend(
        self, layer: int, k_BKTE: Tensor, v_BKTE: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Write one position of one layer; return all there is room for."""
        for store, new in ((self.keys, k_BKTE), (self.values, v_BKTE)):
            store[layer].index_copy_(2, self.length, new.to(store.dtype))
        return self.keys[layer], self.values[layer]

    def advance(self, num_positions: int) -> None:
        """Count the position."""
        self.length += num_positions
        self._update_mask()

    def truncate(self, length: int) -> None:
        """Forget every position from `length` on."""
        self.length.fill_(length)
        self._update_mask()


class JoinedKVCache(KVCache):
    """Caches of batch 1 as the rows of one, each at its own position.

    A step appends one position to each; a row attends to its own alone (`Attention`).
    """

    length: Tensor  # type: ignore[assignment]
    """(B, 1, 1): positions filled of each row."""

    def __init__(self, rows: Sequence[KVCache]) -> None:
        self.rows = rows
        lengths = [row.length for row in rows]
        self.length = torch.tensor(lengths, device=rows[0].keys.device)[:, None, None]

    def advance(self, num_positions: int) -> None:
        """Count the position in every row."""
        for row in self.rows:
            row.advance(num_positions)


class OmniCache:
    """The Thinker's and the Talker's caches, which always hold the same positions.

    `code_table` is the Talker's full code embedding, computed once per cache.
    """

    def __init__(self, thinker: KVCache, talker: KVCache, code_table: Tensor) -> None:
        self.thinker = thinker
        self.talker = talker
        self.code_table = code_table

    @classmethod
    def joined(cls, caches: "Sequence[OmniCache]") -> "OmniCache":
        """Caches of batch 1 on one model as the rows of one, for steps of a column."""
        first = caches[0]
        if len(caches) == 1:
            return first
        return cls(
            JoinedKVCache([cache.thinker for cache in caches]),
            JoinedKVCache([cache.talker for cache in caches]),
            first.code_table,
        )

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
