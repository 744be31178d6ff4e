"""Voice prompts: what is written is read back, what is wrong is named."""

import json

import numpy as np
import pytest

from minimind_o.errors import UserError
from minimind_o.generation.voices import Voice, list_voices, load_voice, save_voice


@pytest.fixture
def voice():
    codes_QT = np.random.default_rng(0).integers(0, 512, (8, 19))
    return Voice(name="ada", codes_QT=codes_QT)


def test_a_voice_is_read_back_as_written(tmp_path, voice):
    save_voice(tmp_path, voice)
    again = load_voice(tmp_path, "ada", num_codes=512)
    assert list_voices(tmp_path) == ["ada"]
    np.testing.assert_array_equal(again.codes_QT, voice.codes_QT)
    assert again.speaker_embedding_S is None
    assert again.seconds == pytest.approx(19 * 0.08)


def test_the_speaker_vector_travels_with_the_voice(tmp_path, voice):
    vector = np.linspace(-1, 1, 192, dtype=np.float32)
    save_voice(
        tmp_path,
        Voice(name="ben", codes_QT=voice.codes_QT, speaker_embedding_S=vector),
    )
    np.testing.assert_array_equal(
        load_voice(tmp_path, "ben").speaker_embedding_S, vector
    )


@pytest.mark.parametrize("name", ["zoe", "", "../ada", "ada.json"])
def test_an_unknown_voice_lists_the_known_ones(tmp_path, voice, name):
    save_voice(tmp_path, voice)
    with pytest.raises(UserError, match="known voices: ada"):
        load_voice(tmp_path, name)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ('{"codes": [[1, 2', "not whole JSON"),
        ("[1, 2]", "must be an object with a list 'codes'"),
        ('{"codes": [[1], [2]]}', "must be 8 lists of integers"),
        (json.dumps({"codes": [[1, 2]] * 7 + [[1]]}), "must be 8 lists of integers"),
        (json.dumps({"codes": [[]] * 8}), "must be 8 lists of integers"),
        (json.dumps({"codes": [[0.5]] * 8}), "must be 8 lists of integers"),
        (json.dumps({"codes": [[3]] * 7 + [[512]]}), "code 512 of codebook 7"),
        (json.dumps({"codes": [[-1]] + [[3]] * 7}), "code -1 of codebook 0"),
    ],
)
def test_a_damaged_voice_file_is_named(tmp_path, content, complaint):
    (tmp_path / "ada.json").write_text(content)
    with pytest.raises(UserError, match=complaint):
        load_voice(tmp_path, "ada", num_codes=512)
