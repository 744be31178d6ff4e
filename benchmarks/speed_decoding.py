"""Decoding at batch 1: milliseconds a step (one frame of 80 ms), and what bounds them.

The plain decoder keeps its keys and values by concatenation, embeds codes through the
adapters, and draws each codebook's code by itself, as the released one does. A step
reads every weight once, so no decoder can be faster than memory: the fraction says how
near ours is, bytes of weights over the measured speed of a copy.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from minimind_o.config import OmniConfig
from minimind_o.generation.code_grid import CodeGrid
from minimind_o.generation.sampling import AUDIO_SAMPLING, TEXT_SAMPLING, sample
from minimind_o.model.cache import KVCache, OmniCache
from minimind_o.model.omni import OmniModel
from minimind_o.model.precision import to_precision

PROMPT, STEPS, WARM_UP = 64, 100, 10
COPIED_BYTES = 512 * 2**20


class ConcatenatingCache(KVCache):
    """Grows by one position at a time, each time as a new tensor."""

    def __init__(self, like: KVCache) -> None:
        self.max_length, self.length = like.max_length, 0
        self.layers: dict[int, tuple[Tensor, Tensor]] = {}

    def extend(
        self, layer: int, k_BKTE: Tensor, v_BKTE: Tensor
    ) -> tuple[Tensor, Tensor]:
        """All keys and values of the layer, copied."""
        if layer in self.layers:
            k_before, v_before = self.layers[layer]
            k_BKTE = torch.cat([k_before, k_BKTE], dim=2)
            v_BKTE = torch.cat([v_before, v_BKTE], dim=2)
        self.layers[layer] = k_BKTE, v_BKTE
        return k_BKTE, v_BKTE


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """What one decoder of one precision was measured at.

    milliseconds: of a step, median. read: bytes of weights that a step reads.
    """

    milliseconds: float
    read: int

    def fraction(self, bytes_a_second: float) -> float:
        """Of the speed that memory allows."""
        return self.read / bytes_a_second / (self.milliseconds / 1000)


@torch.inference_mode()
def measure(config: OmniConfig, precision: str, *, plain: bool = False) -> Decoding:
    """Steps after a prompt, drawing included, text and speech both going on."""
    torch.manual_seed(0)
    model = to_precision(OmniModel(config), precision).eval()
    cache = model.new_cache(1, PROMPT + STEPS + 1)
    if plain:
        cache = OmniCache(
            ConcatenatingCache(cache.thinker),
            ConcatenatingCache(cache.talker),
            None,  # type: ignore[arg-type]  # no table: the adapters run
        )
    grid = CodeGrid(config, max_frames=STEPS, max_columns=STEPS + 16)
    draw = _draw_one_by_one if plain else _draw_together
    ids = torch.randint(40, config.vocab_size, (1, 9, PROMPT))
    ids[:, :-1] %= config.num_codes
    text_BV, audio_BQV = model.step(ids, cache)
    column_BS1 = torch.zeros(1, 9, 1, dtype=torch.long)
    times = []
    for _ in range(STEPS):
        started = time.perf_counter()
        assert text_BV is not None
        column_BS1[0, -1] = sample(text_BV, TEXT_SAMPLING)
        column_BS1[0, :-1, 0] = draw(audio_BQV[0], grid)
        text_BV, audio_BQV = model.step(column_BS1, cache)
        times.append(time.perf_counter() - started)
    milliseconds = 1000 * float(torch.tensor(times[WARM_UP:]).median())
    return Decoding(milliseconds=milliseconds, read=bytes_read(model))


def _draw_together(audio_QV: Tensor, grid: CodeGrid) -> Tensor:
    grid.append(
        sample(
            audio_QV,
            AUDIO_SAMPLING,
            forbidden_NV=grid.forbidden_QV,
            recent_NK=grid.recent_QK,
        )
    )
    return grid.last_column_Q


def _draw_one_by_one(audio_QV: Tensor, grid: CodeGrid) -> Tensor:
    drawn = [
        sample(
            audio_QV[q : q + 1],
            AUDIO_SAMPLING,
            forbidden_NV=grid.forbidden_QV[q : q + 1],
            recent_NK=grid.recent_QK[q : q + 1],
        )
        for q in range(len(audio_QV))
    ]
    grid.append(torch.cat(drawn))
    return grid.last_column_Q


def bytes_read(model: OmniModel) -> int:
    """Of the weights a step needs whole: all but tables of which it reads a few rows,
    the projectors, and the experts that no one position is sent to.
    """
    passed = ("talker.code_embedding.", "audio_projector.", "image_projector.")
    tensors = dict(model.named_parameters()) | dict(model.named_buffers())
    total = sum(
        tensor.numel() * tensor.element_size()
        for name, tensor in tensors.items()
        if not name.startswith(passed) and "rotary" not in name
    )
    counts = model.num_parameters()
    idle = counts.total - counts.active
    return total - idle * model.thinker.embed_tokens.weight.element_size()


def copy_bandwidth() -> float:
    """Bytes a second that a copy reads and writes, the best of five."""
    source = torch.ones(COPIED_BYTES // 4)
    target = torch.empty_like(source)
    return 2 * COPIED_BYTES / min(_seconds(lambda: target.copy_(source), 5))


def _seconds(call: Callable[[], object], times: int) -> list[float]:
    found = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        found.append(time.perf_counter() - started)
    return found
