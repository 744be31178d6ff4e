"""SenseVoice, the speech encoder, and its CTC head, the offline transcriber.

A directory is in funasr's own format (`config.yaml`, `configuration.json`, `model.pt`,
`am.mvn`, a sentencepiece model) and is loaded by `funasr.AutoModel`: the nano directory
and the released SenseVoice-Small directory pass through the same lines.

Shapes: B batch, N sample, L encoder state (one per 60 ms), D width.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from minimind_o.errors import UserError
from minimind_o.frozen.funasr_directory import auto_model, check_weights
from minimind_o.frozen.waves import mono, resampled
from minimind_o.matrix_layout import store_by_columns

NUM_QUERIES = 4  # language, event, emotion, text normalisation: before the speech
REQUIRED_FILES = ("config.yaml", "configuration.json", "model.pt", "am.mvn")


class SenseVoice:
    """A loaded recogniser: states for the projector, text for the evaluation."""

    def __init__(self, model: Any, frontend: Any, tokenizer: Any) -> None:
        self.model = model
        self.frontend = frontend
        self.tokenizer = tokenizer

    @property
    def output_size(self) -> int:
        """Width of the encoder states."""
        return int(self.model.encoder_output_size)

    def features(
        self, waves: Sequence[np.ndarray], sample_rate: int
    ) -> tuple[Tensor, Tensor]:
        """Stacked log-mel features (B, L, 560) and lengths of waves of any rate.

        Waves are float in [-1, 1], (N,) or (N, channels).

        Raises:
            UserError: a wave without samples.
        """
        rate = self.frontend.fs
        tensors = []
        shortest = rate * self.frontend.frame_length // 1000
        for index, wave in enumerate(waves):
            wave_N = mono(wave)
            if len(wave_N) == 0:
                raise UserError(f"wave {index} has no samples: nothing to recognise.")
            wave_N = resampled(wave_N, sample_rate, rate)
            missing = max(0, shortest - len(wave_N))
            tensors.append(torch.from_numpy(np.pad(wave_N, (0, missing))))
        lengths = torch.tensor([len(t) for t in tensors])
        batch = torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True)
        features, feature_lengths = self.frontend(batch, lengths)
        return features, feature_lengths

    def run_encoder(
        self, features_BLF: Tensor, lengths_B: Tensor
    ) -> tuple[Tensor, Tensor]:
        """States of the four queries and of the speech, (B, 4 + L, D), and lengths."""
        queries = torch.tensor([0, 1, 2, 15], device=features_BLF.device)
        prefix = self.model.embed(queries).expand(len(features_BLF), -1, -1)
        states, lengths = self.model.encoder(
            torch.cat([prefix, features_BLF], dim=1), lengths_B + NUM_QUERIES
        )
        return states, lengths

    @torch.no_grad()
    def encode(
        self, waves: Sequence[np.ndarray], sample_rate: int
    ) -> tuple[Tensor, Tensor]:
        """Encoder states (B, L, D) of the speech alone, and their lengths (B,)."""
        states, lengths = self.run_encoder(*self.features(waves, sample_rate))
        return states[:, NUM_QUERIES:], lengths - NUM_QUERIES

    @torch.no_grad()
    def transcribe(
        self, waves: Sequence[np.ndarray], sample_rate: int, batch_size: int = 16
    ) -> list[str]:
        """Greedy CTC transcription of each wave."""
        order = sorted(range(len(waves)), key=lambda i: len(waves[i]))
        texts = [""] * len(waves)
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            states, lengths = self.encode([waves[i] for i in rows], sample_rate)
            best = self.model.ctc.ctc_lo(states).argmax(dim=-1)
            for row, ids, length in zip(rows, best, lengths, strict=True):
                path = torch.unique_consecutive(ids[: int(length)])
                pieces = [i for i in path.tolist() if i != self.model.blank_id]
                texts[row] = self.tokenizer.decode(pieces).strip()
        return texts


def load_sensevoice(directory: Path | str, device: str = "cpu") -> SenseVoice:
    """Load a SenseVoice directory through funasr.

    Raises:
        UserError: a missing or unreadable file, named, or weights that lack a parameter
            or have others than the model.
    """
    directory = Path(directory)
    for name in REQUIRED_FILES:
        if not (directory / name).is_file():
            raise UserError(
                f"the speech encoder file {directory / name} is missing: "
                "run `minimind-o nano sensevoice`."
            )
    auto = auto_model(directory, device, "SenseVoice")
    check_weights(auto.model, directory / "model.pt")
    frontend = auto.kwargs["frontend"]
    _check_statistics(frontend, directory / "am.mvn")
    frontend.dither = 0.0
    store_by_columns(auto.model)
    return SenseVoice(auto.model.eval(), frontend, auto.kwargs["tokenizer"])


def _check_statistics(frontend: Any, path: Path) -> None:
    """funasr reads what it can of a truncated file."""
    expected = (2, frontend.n_mels * frontend.lfr_m)
    shape = None if frontend.cmvn is None else tuple(frontend.cmvn.shape)
    if shape != expected:
        raise UserError(
            f"{path} is truncated or no feature statistics: it must hold a shift and "
            f"a scale for each of the {expected[1]} features."
        )
