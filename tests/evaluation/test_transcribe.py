"""Waves reach the transcriber in batches; texts come back in order."""

from pathlib import Path

import numpy as np
import pytest
import torch

from minimind_o.assets import Assets
from minimind_o.errors import UserError
from minimind_o.evaluation.transcribe import named_transcriber, transcribe_all
from tests.frozen.test_sensevoice import SAMPLE_RATE, speech, write_random


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


def test_the_assets_transcriber_hears_by_the_name_nano() -> None:
    listen = named_transcriber("nano", Assets.find())
    assert listen([speech()], SAMPLE_RATE) == ["the opposite of small is big"]


def test_a_folder_in_the_released_format_listens(tmp_path: Path) -> None:
    sizes = {"width": 16, "num_blocks": 1, "num_top_blocks": 1}
    texts = ["one two three", "a red cat", "猫 很 大"]
    write_random(tmp_path, texts, dtype=torch.float32, **sizes)
    listen = named_transcriber(str(tmp_path), Assets(tmp_path / "none"))
    waves = [speech(), np.zeros(0, np.float32)]
    first, silent = transcribe_all(listen, waves, SAMPLE_RATE)
    assert isinstance(first, str)  # random weights: whatever it hears
    assert silent == ""


def test_a_function_in_the_working_directory_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "def listen(waves, sample_rate):\n    return [str(sample_rate) for _ in waves]"
    )
    (tmp_path / "my_own_ears.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    listen = named_transcriber("my_own_ears:listen", Assets(tmp_path))
    assert listen([speech()], SAMPLE_RATE) == ["24000"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere", "neither 'nano', nor a folder that exists, nor a function"),
        ("no_such_module:listen", "cannot be imported: No module named"),
        ("json:listen", "cannot be imported: .*no attribute"),
        ("json:__name__", "is no function"),
        (":listen", "cannot be imported"),
    ],
)
def test_a_transcriber_that_is_none_is_refused(name: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        named_transcriber(name, Assets.find())


def test_a_folder_without_a_recogniser_names_the_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"config\.yaml is missing"):
        named_transcriber(str(tmp_path), Assets.find())
