"""Both detectors tell the nano voices from silence; only one minds noise."""

import numpy as np
import pytest
import soxr

from minimind_o.data.speech import VOICES, render
from minimind_o.realtime.detectors import (
    WINDOW,
    EnergyDetector,
    SileroDetector,
    VoiceDetector,
)

DETECTORS = [EnergyDetector, SileroDetector]


def windows(wave_N: np.ndarray) -> np.ndarray:
    num = len(wave_N) // WINDOW
    return wave_N[: num * WINDOW].reshape(num, WINDOW).astype(np.float32)


def probabilities(detector: VoiceDetector, wave_N: np.ndarray) -> np.ndarray:
    return np.array([detector.probability(window) for window in windows(wave_N)])


@pytest.mark.parametrize("new", DETECTORS)
@pytest.mark.parametrize("voice", VOICES)
def test_every_voice_is_speech(voice: str, new: type) -> None:
    wave_N = render("What is three plus four?", "en-us", VOICES[voice]).wave
    found = probabilities(new(), soxr.resample(wave_N, 24_000, 16_000))
    assert np.mean(found > 0.5) > 0.6


@pytest.mark.parametrize("new", DETECTORS)
def test_silence_is_not(new: type) -> None:
    assert probabilities(new(), np.zeros(16_000, np.float32)).max() < 0.35


def test_a_burst_of_noise_is_speech_to_energy_and_not_to_silero() -> None:
    rng = np.random.default_rng(0)
    wave_N = rng.normal(0, 0.001, 32_000)
    wave_N[16_000:24_000] = rng.normal(0, 0.1, 8000)
    by_energy = probabilities(EnergyDetector(), wave_N)
    assert by_energy.max() > 0.5
    assert np.mean(by_energy > 0.5) < 0.3
    assert probabilities(SileroDetector(), wave_N).max() < 0.5


@pytest.mark.parametrize("new", DETECTORS)
def test_reset_forgets(new: type) -> None:
    rng = np.random.default_rng(0)
    wave_N = rng.normal(0, 0.1, 16_000)
    detector = new()
    first = probabilities(detector, wave_N)
    detector.reset()
    assert np.allclose(probabilities(detector, wave_N), first)
