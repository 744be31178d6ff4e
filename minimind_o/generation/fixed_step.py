"""Decoding steps of fixed shape, as one CUDA graph where there is CUDA.

A step at batch 1 is some thousand small operations. A GPU finishes each before Python
has asked for the next; recorded once and played back as a graph they follow each other
without Python.

Shapes: S = 9 streams, Q codebook, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor

from minimind_o.errors import UserError
from minimind_o.model.cache import FixedKVCache, OmniCache
from minimind_o.model.omni import OmniModel

NUM_WARM_UP = 3


class FixedStep:
    """`OmniModel.step` for one column at a time, going on from a cache.

    Args:
        model: dense; on CUDA its step is recorded.
        cache: of batch 1, the prompt read; its memory is used on.

    Raises:
        UserError: the model has experts, whose shapes hang on what they are sent.
    """

    def __init__(self, model: OmniModel, cache: OmniCache) -> None:
        if model.config.use_moe:
            raise UserError(
                "a model with experts has no steps of fixed shape: use a dense one, or "
                "OmniModel.step."
            )
        self.model = model
        self.cache = OmniCache(
            FixedKVCache(cache.thinker), FixedKVCache(cache.talker), cache.code_table
        )
        num_streams = model.config.num_codebooks + 1
        self._column_1S1 = torch.zeros(
            (1, num_streams, 1), dtype=torch.long, device=cache.code_table.device
        )
        self._graph: torch.cuda.CUDAGraph | None = None
        if self._column_1S1.is_cuda:
            self._record(cache.length)

    @torch.inference_mode()
    def __call__(self, column_1S1: Tensor) -> tuple[Tensor, Tensor]:
        """Append a column; logits (1, V) and (1, Q, V), until the next call."""
        self._column_1S1.copy_(column_1S1)
        if self._graph is None:
            return self._step()
        self._graph.replay()
        return self._logits

    def _step(self) -> tuple[Tensor, Tensor]:
        text_1V, audio_1QV = self.model.step(self._column_1S1, self.cache)
        assert text_1V is not None
        return text_1V, audio_1QV

    @torch.inference_mode()
    def _record(self, length: int) -> None:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(NUM_WARM_UP):
                self._step()
        torch.cuda.current_stream().wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._logits = self._step()
        self.cache.truncate(length)  # what the rehearsal wrote is written over
