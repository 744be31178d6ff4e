"""What the nano codec is judged by: log-mel spectrograms and a small discriminator.

Shapes: B batch, N sample, T time.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.audio_utils import mel_filter_bank

RESOLUTIONS = (512, 1024, 2048)


def stft(wave_BN: Tensor, n_fft: int) -> Tensor:
    """Complex spectrogram (B, frequency, time), hop a quarter of the window."""
    window = torch.hann_window(n_fft, device=wave_BN.device)
    return torch.stft(wave_BN, n_fft, n_fft // 4, window=window, return_complex=True)


class LogMel(nn.Module):
    """Log-mel spectrograms at three resolutions, clamped where all is silence."""

    def __init__(self) -> None:
        super().__init__()
        for n_fft in RESOLUTIONS:
            bank = mel_filter_bank(
                num_frequency_bins=n_fft // 2 + 1,
                num_mel_filters=80 if n_fft > 512 else 48,
                min_frequency=0.0,
                max_frequency=12_000.0,
                sampling_rate=24_000,
            )
            bank = torch.from_numpy(bank).float()
            self.register_buffer(f"bank_{n_fft}", bank, persistent=False)

    def forward(self, wave_BN: Tensor) -> list[Tensor]:
        """(B, N) to one (B, time, mel) log spectrogram per resolution."""
        spectrograms = []
        for n_fft in RESOLUTIONS:
            magnitude = stft(wave_BN, n_fft).abs().transpose(1, 2)
            mel = magnitude @ getattr(self, f"bank_{n_fft}")
            spectrograms.append(mel.clamp(min=1e-2).log())
        return spectrograms


class Discriminator(nn.Module):
    """Small 2-D convolutions over complex spectrograms at three resolutions."""

    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        self.stacks = nn.ModuleList(
            nn.ModuleList(
                [
                    nn.Conv2d(2, channels, (3, 9), (1, 4), (1, 4)),
                    nn.Conv2d(channels, 2 * channels, (3, 5), (2, 2), (1, 2)),
                    nn.Conv2d(2 * channels, 2 * channels, (3, 5), (1, 2), (1, 2)),
                    nn.Conv2d(2 * channels, 2 * channels, (3, 3), (1, 2), (1, 1)),
                    nn.Conv2d(2 * channels, 1, (3, 3), padding=(1, 1)),
                ]
            )
            for _ in RESOLUTIONS
        )

    def forward(self, wave_BN: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Scores and inner features of (B, N) waves, over all resolutions."""
        scores, features = [], []
        for n_fft, stack in zip(RESOLUTIONS, self.stacks, strict=True):
            spectrum = stft(wave_BN, n_fft)
            x = torch.view_as_real(spectrum / math.sqrt(n_fft)).permute(0, 3, 2, 1)
            *inner, last = stack.children()
            for layer in inner:
                x = F.leaky_relu(layer(x), 0.2)
                features.append(x)
            scores.append(last(x))
        return scores, features
