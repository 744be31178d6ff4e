"""Speaker vectors of answers against those of their prompts."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from minimind_o.errors import UserError
from minimind_o.evaluation import voices
from minimind_o.evaluation.record import Recorder
from minimind_o.evaluation.tables import Provenance
from minimind_o.evaluation.voices import (
    VoiceAnswer,
    VoicesRun,
    compare,
    measure_yardsticks,
    record_figures,
)
from minimind_o.evaluation.voices_report import VoiceYardstick, markdown
from minimind_o.generation.voices import Voice
from minimind_o.model import OmniModel
from tests.evaluation.conftest import VOICE
from tests.evaluation.test_consistency import case
from tests.model.tiny import tiny_config

CODES = np.zeros((8, 2), np.int64)


def voice(name: str) -> Voice:
    return Voice(name=name, codes_QT=CODES)


def test_answers_are_compared_with_their_own_prompt() -> None:
    centres = torch.eye(3)[:2]
    between = F.normalize(torch.tensor([1.0, 2.0, 0.0]), dim=0)
    silent = torch.zeros(3)
    both = torch.stack([centres[0], between, centres[1], silent])
    alone = torch.stack([centres[1], centres[0], centres[1], centres[1]])
    voices = [voice("ada"), voice("leo")]
    questions = ["first?", "second?"]
    items = compare(voices, centres, both, alone, questions=questions, seen=["ada"])
    assert [item.prompt for item in items] == ["first?", "second?"] * 2
    assert [item.nearest for item in items] == ["ada", "leo", "leo", ""]
    assert [item.voice for item in items] == ["ada", "ada", "leo", "leo"]
    assert [item.seen for item in items] == [True, True, False, False]
    expected = [1.0, 1 / math.sqrt(5), 1.0, 0.0]
    assert [item.similarity for item in items] == pytest.approx(expected)
    assert [item.is_nearest for item in items] == [True, False, True, False]
    assert [item.codes_alone for item in items] == [0.0, 1.0, 1.0, 1.0]
    yardsticks = {
        "ada": VoiceYardstick(
            others=[0.1],
            speaker=[0.8, 0.9],
            through_codec=[0.5],
            codec_is_nearest=[False],
        ),
        "leo": VoiceYardstick(
            others=[0.1], speaker=[], through_codec=[0.7], codec_is_nearest=[True]
        ),
    }
    page = markdown(items, yardsticks, Provenance(model="m", transcriber="", seed=0))
    rows = [line.strip("| ").split(" | ") for line in page.splitlines()]
    shown = {row[0]: [c.split(" ")[0] for c in row[1:]] for row in rows if len(row) > 2}
    expected = ["2", "0.724", "0.500", "0.224", "0.100", "0.850", "0.500", "0.000"]
    assert shown["ada"] == expected
    assert shown["leo (unseen)"][:3] == ["2", "0.500", "0.500"]
    assert shown["leo (unseen)"][3:] == ["-0.500", "0.100", "–", "0.700", "1.000"]
    assert shown["**all**"][:2] == ["4", "0.612"]
    assert shown["**all**"][-3:] == ["0.850", "0.600", "0.500"]


@pytest.mark.parametrize(("use_moe", "suffix"), [(False, ""), (True, "_moe")])
def test_six_figures_are_recorded(tmp_path: Path, use_moe: bool, suffix: str) -> None:
    items = [
        VoiceAnswer(
            voice=name,
            seen=name == "ada",
            prompt="question",
            nearest="",
            similarity=0.8,
            is_nearest=index % 4 > 0,
            codes_alone=0.7 if name == "ada" else 0.8 + 0.1 * (-1) ** index,
        )
        for name in ("ada", "leo")
        for index in range(40)
    ]
    file = tmp_path / "figures.json"
    model = OmniModel(tiny_config(use_moe=use_moe))
    best = VoiceYardstick(
        others=[], speaker=[], through_codec=[0.9, 0.7], codec_is_nearest=[True, False]
    )
    record_figures(
        items,
        {"ada": best, "leo": best},
        Recorder(model=model, command="command", path=file),
    )
    entries = json.loads(file.read_text())
    records = {entry["name"].removesuffix(suffix): entry["figure"] for entry in entries}
    assert all(entry["name"].endswith(suffix) for entry in entries)
    assert all((" M active" in entry["note"]) == use_moe for entry in entries)
    assert records["voice_similarity_seen"] == pytest.approx(0.8)
    assert records["voice_nearest_unseen"] == pytest.approx(0.75)
    assert records["voice_gain_seen"] == pytest.approx(0.1)
    assert records["voice_gain_unseen"] < 0  # no gain on average: the end is below
    assert len(records) == 6
    notes = {entry["name"].removesuffix(suffix): entry["note"] for entry in entries}
    assert "through the codec, 0.800" in notes["voice_similarity_seen"]
    assert "through the codec, 0.500" in notes["voice_nearest_unseen"]


def test_too_few_questions_or_a_voice_without_a_vector_are_refused(assets) -> None:
    options = VoicesRun(
        model=assets.omni,
        data=assets.sft_t2a / "test.parquet",
        out=assets.root / "none",
        num=3,
    )
    with pytest.raises(UserError, match="--num 3 is too few to record"):
        voices.run(options, assets, record_command="command")
    with pytest.raises(UserError, match="'ada' has no speaker vector"):
        voices.voice_vectors([voice("ada")])


class LoudnessEncoder:
    """A speaker encoder that tells only how loud and how long a recording is."""

    embedding_size = 2

    def embed(self, waves, sample_rate):
        return torch.tensor(
            [[float(np.abs(wave).sum()), len(wave) / sample_rate] for wave in waves]
        )


def test_the_speaker_is_measured_before_and_through_the_codec(mimi, dialogues) -> None:
    known = Voice(name=VOICE, codes_QT=np.zeros((8, 20), np.int64))
    unknown = replace(known, name="nobody")
    centres = F.normalize(torch.tensor([[1.0, 0.0], [1.0, 1.0]]))
    cases = [case(d.answer, d.language) for d in dialogues[:2]]
    found = measure_yardsticks(
        [known, unknown], centres, cases, mimi, LoudnessEncoder()
    )
    own, other = found[VOICE], found["nobody"]
    assert own.others == other.others == pytest.approx([math.sqrt(0.5)])
    assert len(own.speaker) == len(own.through_codec) == 2
    assert own.speaker != own.through_codec
    # All that is heard lies in the first direction, which is the known voice's.
    assert own.codec_is_nearest == [True, True]
    assert other.codec_is_nearest == [False]
    assert other.speaker == []
    assert len(other.through_codec) == 1
