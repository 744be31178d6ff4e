"""Waves reach the transcriber in batches; texts come back in order."""

import numpy as np
import pytest

from minimind_o.errors import UserError
from minimind_o.evaluation.transcribe import transcribe_all


def _length_as_text(waves: list[np.ndarray], sample_rate: int) -> list[str]:
    assert len(waves) <= 3
    assert all(wave.dtype == np.float32 for wave in waves)
    return [str(len(wave)) for wave in waves]


def test_texts_keep_the_order_of_the_waves() -> None:
    lengths = [4000, 100_000, 2500, 50_000, 1500, 1001, 60_000]
    waves = [np.zeros(length, np.float32) for length in lengths]
    texts = transcribe_all(_length_as_text, waves, 24_000, batch_size=3)
    assert texts == [str(length) for length in lengths]


def test_a_wave_without_sound_is_not_asked_about() -> None:
    waves = [np.zeros(0, np.float32), np.zeros(2000, np.float32)]
    assert transcribe_all(_length_as_text, waves, 24_000) == ["", "2000"]


def test_a_transcriber_that_loses_a_wave_is_refused() -> None:
    waves = [np.zeros(2000, np.float32)] * 2
    with pytest.raises(UserError, match="1 texts for 2 waves"):
        transcribe_all(lambda waves, rate: ["one"], waves, 24_000)
