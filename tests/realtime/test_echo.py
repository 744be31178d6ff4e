"""The echo gate: takes away what the loudspeaker played, and leaves the user."""

import numpy as np
import pytest
import soxr

from minimind_o.data.speech import SEEN_VOICES, UNSEEN_VOICES, VOICES, render
from minimind_o.realtime.detectors import WINDOW, SileroDetector
from minimind_o.realtime.echo import HOP, EchoGate

SENTENCE = "The opposite of small is big, and three plus four is seven."


def said(voice: str) -> np.ndarray:
    """16 kHz, whole windows."""
    wave_N = soxr.resample(
        render(SENTENCE, "en-us", VOICES[voice]).wave, 24_000, 16_000
    )
    return wave_N[: len(wave_N) // WINDOW * WINDOW].astype(np.float32)


def cleaned(microphone_N: np.ndarray, played_N: np.ndarray) -> np.ndarray:
    gate, out = EchoGate(), []
    for start in range(0, len(microphone_N), WINDOW):
        gate.play(played_N[start : start + WINDOW])
        out.append(gate.clean(microphone_N[start : start + WINDOW]))
    return np.concatenate(out)


def power(wave_N: np.ndarray) -> float:
    return float(np.mean(wave_N**2))


@pytest.mark.parametrize("delay", [0, 1000, 4000])
@pytest.mark.parametrize("voice", SEEN_VOICES)
def test_an_echo_is_gone_whatever_its_delay(voice: str, delay: int) -> None:
    played_N = said(voice)
    echo_N = np.pad(played_N, (delay, 0))[: len(played_N)] * np.float32(0.25)
    left_N = cleaned(echo_N, played_N)
    assert power(left_N) < 0.01 * power(echo_N)
    detector = SileroDetector()
    windows = left_N.reshape(-1, WINDOW)
    assert max(detector.probability(window) for window in windows) < 0.5


def test_who_speaks_over_an_echo_is_heard() -> None:
    played_N, user_N = said("ada"), said(UNSEEN_VOICES[0])
    num = min(len(played_N), len(user_N)) // WINDOW * WINDOW
    echo_N = played_N[:num] * np.float32(0.25)
    left_N = cleaned(echo_N + user_N[:num], played_N[:num])
    detector = SileroDetector()
    windows = left_N.reshape(-1, WINDOW)
    share = np.mean([detector.probability(window) > 0.5 for window in windows])
    assert share > 0.5


def test_without_a_reference_nothing_changes_but_half_a_window_of_delay() -> None:
    user_N = said("ben")
    left_N = cleaned(user_N, np.zeros(0, np.float32))
    np.testing.assert_allclose(left_N[HOP:], user_N[:-HOP], atol=1e-5)


def test_what_was_played_long_ago_is_forgotten() -> None:
    gate = EchoGate()
    gate.play(said("ada")[: 4 * WINDOW])
    assert not gate.is_quiet
    for _ in range(40):
        gate.clean(np.zeros(WINDOW, np.float32))
    assert gate.is_quiet
