"""Mimi, the speech codec: 24 kHz waves to 12.5 frames of 8 codes a second, and back.

The class is moshi's `MimiModel`. A directory of ours holds its configuration
(`config.json`, the dictionary that `moshi.models.loaders.get_mimi` takes) and its
weights (`model.safetensors`); the published files are read as well.

Shapes: B batch, Q codebook, T frame, N sample.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from moshi.models import loaders
from moshi.models.compression import MimiModel
from moshi.modules.streaming import State
from moshi.modules.transformer import RingKVCache
from safetensors.torch import save_file
from torch import Tensor

from minimind_o.errors import UserError
from minimind_o.frozen.mimi_files import read_codec
from minimind_o.written_aside import file_written_aside

NUM_CODEBOOKS = 8  # used of those that a codec has; kyutai's has 32

NANO_MIMI: dict[str, Any] = {
    "sample_rate": 24_000,
    "channels": 1,
    "frame_rate": 12.5,
    "seanet": {
        "channels": 1,
        "dimension": 128,
        "causal": True,
        "n_filters": 16,
        "n_residual_layers": 1,
        "activation": "ELU",
        "compress": 2,
        "dilation_base": 2,
        "disable_norm_outer_blocks": 0,
        "kernel_size": 7,
        "residual_kernel_size": 3,
        "last_kernel_size": 3,
        "norm": "none",
        "pad_mode": "constant",
        "ratios": [8, 6, 5, 4],
        "true_skip": True,
    },
    "quantizer": {
        "dimension": 64,
        "n_q": 8,
        "bins": 512,
        "input_dimension": 128,
        "output_dimension": 128,
    },
    "transformer": {
        "d_model": 128,
        "num_heads": 4,
        "num_layers": 2,
        "causal": True,
        "layer_scale": 0.1,
        "context": 250,
        "conv_layout": True,
        "max_period": 10_000,
        "gating": "none",
        "norm": "layer_norm",
        "positional_embedding": "rope",
        "dim_feedforward": 512,
        "input_dimension": 128,
        "output_dimensions": [128],
    },
}


class Mimi:
    """A loaded codec. One object serves whole recordings and one stream at a time."""

    def __init__(self, model: MimiModel, config: dict[str, Any]) -> None:
        self.model = model
        self.config = config

    @property
    def sample_rate(self) -> int:
        """Samples per second."""
        return int(self.model.sample_rate)

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return float(self.model.frame_rate)

    @property
    def frame_size(self) -> int:
        """Samples per frame."""
        return int(self.model.frame_size)

    @property
    def num_codebooks(self) -> int:
        """Codebooks in use."""
        return int(self.model.num_codebooks)

    @property
    def num_codes(self) -> int:
        """Entries per codebook."""
        return int(self.model.cardinality)

    @torch.no_grad()
    def encode(self, wave_BN: Tensor) -> Tensor:
        """Codes of whole recordings: (B, N) float at 24 kHz to (B, Q, T) int64."""
        device = next(self.model.parameters()).device
        codes: Tensor = self.model.encode(wave_BN[:, None].float().to(device))
        return codes

    @torch.no_grad()
    def decode(self, codes_BQT: Tensor) -> Tensor:
        """Waves of whole code arrays: (B, Q, T) int64 to (B, T · frame_size) float.

        Raises:
            UserError: a code outside the codebook.
        """
        self._check(codes_BQT)
        wave: Tensor = self.model.decode(codes_BQT)
        return wave[:, 0]

    @contextmanager
    def streaming(self, batch_size: int = 1) -> Iterator["Mimi"]:
        """Open the codec's own streaming state; inside, call `step` frame by frame."""
        with self.model.streaming(batch_size):
            yield self

    @torch.no_grad()
    def go_on(self, rows: Sequence[int | None]) -> None:
        """From now on stream `len(rows)` rows at once, for streams that come and go.

        Args:
            rows: for every row, which of the rows until now it continues; None: it
                begins, beside all that there are. Without rows, no stream is open.
        """
        old = self.model.get_streaming_state()
        state = self.model._streaming_state
        num_old = 0 if state is None else state.batch_size
        is_alone = None not in rows or len(rows) == num_old + rows.count(None)
        assert is_alone, "the codec is streaming already"
        self.model._stop_streaming()
        if not rows:
            return
        self.model.streaming_forever(len(rows))
        kept = [(new, row) for new, row in enumerate(rows) if row is not None]
        if not kept:
            return
        to_rows, from_rows = (list(numbers) for numbers in zip(*kept, strict=True))
        for name, state in self.model.get_streaming_state().items():
            pairs = zip(_by_row(state), _by_row(old[name]), strict=True)
            for new_B, old_B in pairs:
                new_B[to_rows] = old_B[from_rows]

    @torch.no_grad()
    def step(self, codes_BQT: Tensor, due_B: Tensor | None = None) -> Tensor:
        """Decode the next frame or frames: (B, Q, T) to (B, T · frame_size).

        Sample for sample what `decode` gives for all codes at once.

        Args:
            codes_BQT: (B, Q, T) int64.
            due_B: (B,) False where a row's stream stays as it is, and its samples mean
                nothing; its next frames must be no fewer than T.
        """
        self._check(codes_BQT)
        if due_B is not None:
            self.model.set_exec_mask(due_B)
        try:
            wave: Tensor = self.model.decode(codes_BQT)
        finally:
            if due_B is not None:
                self.model.set_exec_mask(torch.ones_like(due_B))
        return wave[:, 0]

    def _check(self, codes_BQT: Tensor) -> None:
        if codes_BQT.numel() == 0:
            return
        low, high = int(codes_BQT.min()), int(codes_BQT.max())
        if low < 0 or high >= self.num_codes:
            raise UserError(
                f"audio codes must lie in 0…{self.num_codes - 1}, "
                f"but these run from {low} to {high}."
            )


def _by_row(state: State) -> Iterator[Tensor]:
    """All that a module keeps of its streams, rows first."""
    for value in vars(state).values():
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, RingKVCache):
            yield value.cache.transpose(0, 1)
            yield value.end_offset


def load_mimi(directory: Path | str, device: torch.device | str = "cpu") -> Mimi:
    """Load a codec, in moshi's format or in transformers' (`frozen.mimi_files`).

    Raises:
        UserError: a missing, truncated or mismatching file, named.
    """
    codec = read_codec(Path(directory))
    num_codebooks = min(NUM_CODEBOOKS, codec.config["quantizer"]["n_q"])
    model = loaders.get_mimi(None, codec.config, device, num_codebooks)
    model.load_state_dict({name: t.float() for name, t in codec.tensors.items()})
    return Mimi(model.to(device).eval(), codec.config)


def save_mimi(
    model: MimiModel,
    config: dict[str, Any],
    directory: Path | str,
    dtype: torch.dtype = torch.float16,
) -> None:
    """Write a codec directory; the codebooks stay in fp32, since codes hang on them."""
    directory = Path(directory)
    state = {
        name: value.contiguous().to(torch.float32 if "quantizer" in name else dtype)
        for name, value in model.state_dict().items()
    }
    with file_written_aside(directory / "model.safetensors") as aside:
        save_file(state, aside)
    (directory / "config.json").write_text(json.dumps(config, indent=2) + "\n")
