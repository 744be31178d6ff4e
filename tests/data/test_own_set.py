"""Recordings of answers become valid rows, or one sentence says which will not."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
import torch

from minimind_o.assets import Assets
from minimind_o.data.own_set import RecordedAnswer, write_own_set
from minimind_o.data.row import RowFormat
from minimind_o.data.schema import validate
from minimind_o.data.speech import VOICES, render
from minimind_o.errors import UserError
from minimind_o.frozen.campplus import CampPlus, load_campplus
from minimind_o.frozen.mimi import Mimi, load_mimi


@pytest.fixture(scope="module")
def mimi() -> Mimi:
    return load_mimi(Assets.find().mimi)


@pytest.fixture(scope="module")
def campplus() -> CampPlus:
    return load_campplus(Assets.find().campplus)


def recorded(text: str, rate: int = 24_000, channels: int = 1) -> bytes:
    """A WAV file of Leo's, at any rate."""
    wave = render(text, "en-us", VOICES["leo"]).wave[:: 24_000 // rate]
    file = io.BytesIO()
    soundfile.write(file, np.stack([wave] * channels, axis=1), rate, format="WAV")
    return file.getvalue()


def answer(**changes: object) -> RecordedAnswer:
    given = {
        "question": "Who are you?",
        "answer": "I am Leo.",
        "recording": recorded("I am Leo."),
        "voice_prompt": recorded("The old teacher reads a letter by the window."),
    }
    return RecordedAnswer(**(given | changes))  # type: ignore[arg-type]


def test_rows_are_valid_and_hold_what_was_given(
    tmp_path: Path, mimi: Mimi, campplus: CampPlus
) -> None:
    asked = recorded("Who are you?", 12_000, channels=2)
    path = tmp_path / "own" / "train.parquet"
    write_own_set(path, [answer(), answer(question_recording=asked)], mimi, campplus)
    assert validate(path, RowFormat(num_codes=mimi.num_codes)) == []
    first, second = pq.read_table(path).to_pylist()
    assert json.loads(first["conversations"])[1]["content"] == "I am Leo."
    assert len(first["ref_audios"]) == 8 * 25
    assert len(first["spk_emb"]) == 192
    assert first["question_audios"] == []
    assert second["question_audios"] == [asked]
    codes = np.reshape(first["answer_audios"][0], (-1, 8)).T
    wave = render("I am Leo.", "en-us", VOICES["leo"]).wave
    assert codes.shape[1] == -(-len(wave) // mimi.frame_size)
    assert mimi.decode(torch.from_numpy(codes.copy()).long()[None]).shape[-1] > 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"answer": " "}, "answer 1: the text is empty"),
        ({"recording": b"none"}, "answer 1: the recording cannot be read as audio"),
        ({"voice_prompt": "nowhere.wav"}, "answer 1: nowhere.wav does not exist"),
        ({"picture": b"none"}, "answer 1: the picture is not a picture"),
        ({"question": "<|im_end|>"}, "answer 1: The question contains the control"),
    ],
)
def test_what_cannot_be_used_is_named_and_nothing_is_written(
    tmp_path: Path, mimi: Mimi, campplus: CampPlus, changes: dict, words: str
) -> None:
    path = tmp_path / "train.parquet"
    with pytest.raises(UserError, match=words.replace("|", r"\|")):
        write_own_set(path, [answer(), answer(**changes)], mimi, campplus)
    with pytest.raises(UserError, match="would be empty"):
        write_own_set(path, [], mimi, campplus)
    assert not path.exists()
