"""Speaker vectors of answers against those of their prompts."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from minimind_o.errors import UserError
from minimind_o.evaluation import voices
from minimind_o.evaluation.record import Recorder
from minimind_o.evaluation.voices import VoiceAnswer, compare, record_figures, table
from minimind_o.generation.voices import Voice
from minimind_o.model import OmniModel
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
    items = compare([voice("ada"), voice("leo")], centres, both, alone)
    assert [item.voice for item in items] == ["ada", "ada", "leo", "leo"]
    assert [item.seen for item in items] == [True, True, False, False]
    expected = [1.0, 1 / math.sqrt(5), 1.0, 0.0]
    assert [item.similarity for item in items] == pytest.approx(expected)
    assert [item.is_nearest for item in items] == [True, False, True, False]
    assert [item.codes_alone for item in items] == [0.0, 1.0, 1.0, 1.0]
    shown = table(items).splitlines()
    assert shown[2].split() == ["ada", "seen", "2", "0.72", "0.50", "0.22"]
    assert shown[3].split() == ["leo", "unseen", "2", "0.50", "0.50", "-0.50"]


@pytest.mark.parametrize(("use_moe", "suffix"), [(False, ""), (True, "_moe")])
def test_six_figures_are_recorded(tmp_path: Path, use_moe: bool, suffix: str) -> None:
    items = [
        VoiceAnswer(
            voice=name,
            seen=name == "ada",
            similarity=0.8,
            is_nearest=index % 4 > 0,
            codes_alone=0.7 if name == "ada" else 0.8 + 0.1 * (-1) ** index,
        )
        for name in ("ada", "leo")
        for index in range(40)
    ]
    file = tmp_path / "figures.json"
    model = OmniModel(tiny_config(use_moe=use_moe))
    record_figures(items, Recorder(model=model, command="command", path=file))
    entries = json.loads(file.read_text())
    records = {entry["name"].removesuffix(suffix): entry["figure"] for entry in entries}
    assert all(entry["name"].endswith(suffix) for entry in entries)
    assert all((" M active" in entry["note"]) == use_moe for entry in entries)
    assert records["voice_similarity_seen"] == pytest.approx(0.8)
    assert records["voice_nearest_unseen"] == pytest.approx(0.75)
    assert records["voice_gain_seen"] == pytest.approx(0.1)
    assert records["voice_gain_unseen"] < 0  # no gain on average: the end is below
    assert len(records) == 6


def test_too_few_questions_or_a_voice_without_a_vector_are_refused(assets) -> None:
    with pytest.raises(UserError, match="--num 3 is too few to record"):
        voices.run(assets.omni, assets, num=3, record_command="command")
    with pytest.raises(UserError, match="'ada' has no speaker vector"):
        voices.voice_vectors([voice("ada")])
