"""Voice prompts: what is written is read back, what is wrong is named."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from minimind_o.assets import NANO_ROOT
from minimind_o.errors import UserError
from minimind_o.generation.voices import (
    Voice,
    default_voice,
    list_voices,
    load_voice,
    read_released_voices,
    remove_voice,
    save_voice,
    seen_voices,
    some_voices,
)


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


def released_voices(path, names=("gail", "hans")):
    """A file as the released ones are: name -> reference codes and speaker vector."""
    torch.save(
        {
            name: {
                "ref_codes": torch.full((8, 12), index),
                "spk_emb": torch.full((192,), float(index)),
            }
            for index, name in enumerate(names)
        },
        path,
    )
    return path


def test_released_voices_are_voices_like_others(tmp_path, voice):
    save_voice(tmp_path, voice)
    released_voices(tmp_path / "voices.pt")
    assert list_voices(tmp_path) == ["ada", "gail", "hans"]
    hans = load_voice(tmp_path, "hans", num_codes=512)
    assert hans.codes_QT.shape == (8, 12)
    assert hans.speaker_embedding_S.tolist() == [1.0] * 192
    with pytest.raises(UserError, match="'zoe' is unknown"):
        load_voice(tmp_path, "zoe")
    with pytest.raises(UserError, match=r"code 1 of codebook 0.*outside"):
        load_voice(tmp_path, "hans", num_codes=1)


def test_where_no_voice_is_named_the_default_one_speaks(tmp_path, voice):
    with pytest.raises(UserError, match="holds no voice"):
        load_voice(tmp_path)
    released_voices(tmp_path / "voices.pt")
    assert load_voice(tmp_path).name == "gail"
    save_voice(tmp_path, voice)
    assert load_voice(tmp_path).name == "ada"


def test_preferred_voices_give_way_to_those_that_are_there(tmp_path, voice):
    with pytest.raises(UserError, match="holds no voice"):
        some_voices(tmp_path, ["ada"])
    released_voices(tmp_path / "voices.pt", ("gail", "hans", "ines"))
    assert some_voices(tmp_path, ["ada", "ben"]) == ["gail", "hans"]
    save_voice(tmp_path, voice)
    assert some_voices(tmp_path, ["kate", "hans", "ada"]) == ["hans", "ada"]


class Evil:
    """Unpickling it would run code."""

    def __reduce__(self):
        return (exec, ("raise SystemExit",))


@pytest.mark.parametrize("content", [Evil(), [1, 2], {"gail": {"spk_emb": 3}}])
def test_a_file_that_holds_no_voices_is_refused_and_runs_nothing(tmp_path, content):
    torch.save(content, tmp_path / "voices.pt")
    with pytest.raises(UserError, match="must be a dictionary of voices"):
        read_released_voices(tmp_path / "voices.pt")


def test_a_voice_is_removed(tmp_path, voice):
    save_voice(tmp_path, voice)
    released_voices(tmp_path / "voices.pt")
    remove_voice(tmp_path, "ada")
    assert list_voices(tmp_path) == ["gail", "hans"]
    with pytest.raises(UserError, match="'ada' is unknown; known voices: gail, hans"):
        remove_voice(tmp_path, "ada")
    with pytest.raises(UserError, match="cannot be removed alone"):
        remove_voice(tmp_path, "gail")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"speaker_embedding": ["a"]}, "'speaker_embedding' must be null or a list"),
        ({"speaker_embedding": [[1.0]]}, "'speaker_embedding' must be null or a list"),
        ({"speaker_embedding": [1e999]}, "'speaker_embedding' must be null or a list"),
        ({"speaker_embedding": [0.0] * 5_000}, "'speaker_embedding' must be null"),
        ({"codes": [[10**30]] * 8}, "'codes' must be 8 lists of integers"),
        ({"codes": [[0] * 2_000] * 8}, "'codes' has 2000 frames; the most is 1500"),
    ],
)
def test_a_voice_of_other_numbers_is_refused(
    tmp_path: Path, fields: dict, words: str
) -> None:
    content = {"name": "v", "codes": [[0, 1]] * 8, "speaker_embedding": None}
    (tmp_path / "v.json").write_text(json.dumps(content | fields))
    with pytest.raises(UserError, match=words):
        load_voice(tmp_path, "v")


def test_a_voice_file_that_unpacks_to_a_hundred_megabytes_is_refused(
    tmp_path: Path,
) -> None:
    with zipfile.ZipFile(tmp_path / "v.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("v/data/0", bytes(100_000_000))
    assert (tmp_path / "v.pt").stat().st_size < 1_000_000
    with pytest.raises(UserError, match="has 100 MB; the most is 10 MB"):
        list_voices(tmp_path)


def test_seen_voices_are_the_embedded_ones_trained_on_or_those_of_the_released_file(
    tmp_path: Path,
) -> None:
    assert seen_voices(NANO_ROOT / "voices") == ["ada", "ben", "clara", "dan", "eva"]
    save_voice(tmp_path, Voice(name="mine", codes_QT=np.zeros((8, 2), np.int64)))
    assert seen_voices(tmp_path) == []
    released_voices(tmp_path / "voices_unseen.pt", ("abe", "zoe"))
    assert seen_voices(tmp_path) == []
    released_voices(tmp_path / "voices.pt")
    assert seen_voices(tmp_path) == ["gail", "hans"]
    assert default_voice(tmp_path) == "gail", "not abe, whom the model never heard"


def test_the_default_voice_is_ada_or_the_first(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no voice"):
        default_voice(tmp_path)
    for name, expected in (("zoe", "zoe"), ("ben", "ben"), ("ada", "ada")):
        save_voice(tmp_path, Voice(name=name, codes_QT=np.zeros((8, 2), np.int64)))
        assert default_voice(tmp_path) == expected
