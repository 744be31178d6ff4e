"""What the codec is judged by: nothing for the same wave, more for a worse one."""

import math

import torch

from minimind_o.nano.codec_losses import RESOLUTIONS, Discriminator, LogMel, stft


def tone(frequency: float, num_samples: int = 12_000) -> torch.Tensor:
    time = torch.arange(num_samples) / 24_000
    return torch.sin(2 * math.pi * frequency * time)[None]


def test_a_tone_lies_in_its_band_at_every_resolution() -> None:
    for low, high in zip(LogMel()(tone(300)), LogMel()(tone(3000)), strict=True):
        assert low.shape == high.shape
        assert int(low.mean(dim=1).argmax()) < int(high.mean(dim=1).argmax())


def test_silence_is_clamped_so_that_its_noise_does_not_count() -> None:
    quiet, silent = (
        LogMel()(1e-6 * torch.randn(1, 6000)),
        LogMel()(torch.zeros(1, 6000)),
    )
    for one, other in zip(quiet, silent, strict=True):
        assert torch.equal(one, other)


def test_the_distance_grows_with_the_noise() -> None:
    clean, log_mel = tone(440), LogMel()
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))

    def distance(level: float) -> float:
        pairs = zip(log_mel(clean + level * noise), log_mel(clean), strict=True)
        return float(sum((a - b).abs().mean() for a, b in pairs))

    assert distance(0) == 0
    assert 0 < distance(0.01) < distance(0.1) < distance(1.0)


def test_the_discriminator_scores_every_resolution_and_passes_gradients() -> None:
    wave = tone(440).requires_grad_()
    scores, features = Discriminator()(wave)
    assert len(scores) == len(RESOLUTIONS)
    assert len(features) == 4 * len(RESOLUTIONS)
    torch.stack([score.mean() for score in scores]).sum().backward()
    assert wave.grad is not None
    assert float(wave.grad.abs().sum()) > 0
    assert stft(wave, 512).shape == (1, 257, 1 + 12_000 // 128)
