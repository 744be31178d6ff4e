"""CAM++, the speaker encoder: a recording to one vector that tells who speaks.

The class is funasr's `CAMPPlus` (Wang et al. 2023, arXiv 2303.00332). A directory is in
funasr's own format (`config.yaml`, `configuration.json`, a weights file that the latter
names) and is loaded by `funasr.AutoModel`, the released one through the same lines.

Shapes: B recording, N sample, T frame of 10 ms, S width of the vector.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from minimind_o.errors import UserError, first_line
from minimind_o.frozen.funasr_directory import auto_model, check_weights
from minimind_o.frozen.waves import mono, resampled

SAMPLE_RATE = 16_000
MIN_SECONDS = 0.5  # a shorter recording holds a syllable or two, too few to tell


class CampPlus:
    """A loaded speaker encoder."""

    def __init__(self, model: Any) -> None:
        self.model = model

    @property
    def embedding_size(self) -> int:
        """Width S of a vector."""
        return int(self.model.xvector.dense.linear.out_channels)

    @torch.no_grad()
    def embed(self, waves: Sequence[np.ndarray], sample_rate: int) -> Tensor:
        """One vector per recording, (B, S) float32, not normalised.

        Recordings are encoded one by one: the vector is a statistic over time, which
        padding would change.

        Args:
            waves: float in [-1, 1], (N,) or (N, channels).
            sample_rate: of all of them.

        Raises:
            UserError: a recording shorter than `MIN_SECONDS`, or not finite.
        """
        device = next(self.model.parameters()).device
        vectors = [
            self.model(features(_checked(wave, sample_rate, index))[None].to(device))
            for index, wave in enumerate(waves)
        ]
        return torch.cat(vectors).float().cpu()


def features(wave_N: np.ndarray) -> Tensor:
    """Log-mel features (T, 80) of 16 kHz speech, each less its mean over time."""
    from funasr.models.campplus.utils import extract_feature

    batch, _, _ = extract_feature([torch.from_numpy(wave_N)])
    out: Tensor = batch[0]
    return out


def similarity(a_BS: Tensor, b_BS: Tensor) -> Tensor:
    """Cosine between the vectors of two recordings, (B,): 1 for the same voice."""
    return torch.nn.functional.cosine_similarity(a_BS, b_BS, dim=-1)


def load_campplus(directory: Path | str, device: str = "cpu") -> CampPlus:
    """Load a CAM++ directory through funasr.

    Raises:
        UserError: a missing or unreadable file, named, or weights that do not fit.
    """
    directory = Path(directory)
    for name in ("config.yaml", "configuration.json"):
        if not (directory / name).is_file():
            raise UserError(f"the speaker encoder file {directory / name} is missing.")
    weights = directory / _weights_name(directory / "configuration.json")
    if not weights.is_file():
        raise UserError(f"the speaker encoder file {weights} is missing.")
    auto = auto_model(directory, device, "CAM++")
    if type(auto.model).__name__ != "CAMPPlus":
        raise UserError(
            f"{directory / 'config.yaml'} describes a {type(auto.model).__name__}; "
            "it must be a CAMPPlus."
        )
    check_weights(auto.model, weights)
    return CampPlus(auto.model.eval())


def _weights_name(configuration: Path) -> str:
    try:
        return str(
            json.loads(configuration.read_text())["file_path_metas"]["init_param"]
        )
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{configuration} must be JSON that names the weights under "
            f"file_path_metas, init_param ({type(error).__name__}: "
            f"{first_line(error)})."
        ) from None


def _checked(wave: np.ndarray, sample_rate: int, index: int) -> np.ndarray:
    """The recording as mono at `SAMPLE_RATE`, if it can tell a voice."""
    wave_N = mono(wave)
    if len(wave_N) < MIN_SECONDS * sample_rate:
        raise UserError(
            f"recording {index} lasts {len(wave_N) / sample_rate:.2f} s; a voice needs "
            f"at least {MIN_SECONDS} s."
        )
    if not np.isfinite(wave_N).all():
        raise UserError(f"recording {index} has samples that are not finite numbers.")
    return np.ascontiguousarray(resampled(wave_N, sample_rate, SAMPLE_RATE))
