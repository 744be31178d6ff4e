"""From probabilities to utterances."""

import numpy as np
import pytest

from minimind_o.errors import UserError
from minimind_o.realtime.detectors import WINDOW
from minimind_o.realtime.utterances import Utterances, UtteranceSettings, windows_of

SETTINGS = UtteranceSettings(
    onset_s=0.096,
    sure=0.95,
    silence_s=0.16,
    shortest_s=0.128,
    pre_roll_s=0.32,
    longest_s=2.0,
)


def push(utterances: Utterances, probabilities: list[float]) -> list[tuple[int, str]]:
    """Windows that hold their own number; what changed at which."""
    changes = []
    for number, probability in enumerate(probabilities):
        window_N = np.full(WINDOW, number, np.float32)
        change = utterances.push(window_N, probability)
        if change:
            changes.append((number, change))
    return changes


def test_an_utterance_has_its_pre_roll_and_all_of_its_windows() -> None:
    utterances = Utterances(SETTINGS)
    changes = push(utterances, [0.0] * 20 + [0.9] * 10 + [0.1] * 5)
    assert changes == [(22, "begins"), (34, "ends")]
    assert utterances.silence_s == pytest.approx(0.16)
    numbers = utterances.take()[::WINDOW]
    # 0.32 s are 10 windows, and speech was there from window 20 on.
    assert numbers.tolist() == list(range(numbers[0].astype(int), 35))
    assert 20 - numbers[0] >= 10
    assert not utterances.is_inside


def test_between_release_and_threshold_nothing_changes() -> None:
    utterances = Utterances(SETTINGS)
    assert push(utterances, [0.4] * 10) == []
    assert push(utterances, [0.9] * 5 + [0.4] * 20) == [(2, "begins")]
    assert push(utterances, [0.3] * 5) == [(4, "ends")]


def test_one_window_that_is_sure_begins_an_utterance() -> None:
    utterances = Utterances(SETTINGS)
    assert push(utterances, [0.9, 0.9, 0.0, 0.94, 0.0]) == []
    changes = push(utterances, [0.0] * 12 + [0.95] + [0.6] * 5 + [0.1] * 5)
    assert changes == [(12, "begins"), (22, "ends")]
    assert utterances.take()[::WINDOW].tolist() == [4, *range(23)]


def test_a_sure_window_alone_is_no_utterance() -> None:
    utterances = Utterances(SETTINGS)
    assert push(utterances, [0.0] * 3 + [1.0] + [0.0] * 5) == [
        (3, "begins"),
        (8, "was nothing"),
    ]


def test_a_pause_that_is_too_short_ends_nothing() -> None:
    utterances = Utterances(SETTINGS)
    changes = push(utterances, ([0.9] * 5 + [0.1] * 4) * 3 + [0.1])
    assert changes == [(2, "begins"), (27, "ends")]


def test_too_little_speech_was_nothing() -> None:
    utterances = Utterances(SETTINGS)
    changes = push(utterances, [0.0] * 3 + [0.9] * 3 + [0.0] * 5)
    assert changes == [(5, "begins"), (10, "was nothing")]
    assert push(utterances, [0.9] * 2) == []


def test_an_utterance_without_end_is_ended() -> None:
    utterances = Utterances(SETTINGS)
    changes = push(utterances, [0.9] * 100)
    assert changes[:2] == [(2, "begins"), (62, "ends")]


def test_windows_are_whole_and_nothing_is_lost() -> None:
    rest_N, whole = np.zeros(0, np.float32), []
    wave_N = np.arange(5000, dtype=np.float32)
    for part_N in np.split(wave_N, [7, 1000, 1001, 3333]):
        windows, rest_N = windows_of(part_N, rest_N)
        whole += windows
    assert all(len(window_N) == WINDOW for window_N in whole)
    assert np.array_equal(np.concatenate([*whole, rest_N]), wave_N)


def test_thresholds_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(UserError, match=r"release 0\.8 and threshold 0\.5"):
        UtteranceSettings(release=0.8)
    with pytest.raises(UserError, match=r"sure=0\.4 must be at least .* 0\.5"):
        UtteranceSettings(sure=0.4)
