"""The judges of heteronyms tell the readings apart, on recordings known to differ."""

import numpy as np
import pytest
import torch

from minimind_o.ablations import heteronyms
from minimind_o.ablations.experiment import Setting, Trained, WorldFiles
from minimind_o.ablations.heteronyms import phrases
from minimind_o.data.facts import plain
from minimind_o.data.schema import BadRows, read_rows
from minimind_o.data.writing import NewRow
from minimind_o.generation.batch import BatchAnswer
from minimind_o.model import OmniModel

WORDS = ("read", "地")


@pytest.fixture
def few(monkeypatch):
    """Two phrases of each reading of two words: one to learn, one held out."""
    chosen = []
    for word in WORDS:
        own = [phrase for phrase in phrases() if phrase.word == word]
        for sound in dict.fromkeys(phrase.sound for phrase in own):
            same = [phrase for phrase in own if phrase.sound == sound]
            chosen += [same[0], same[-1]]
    monkeypatch.setattr(heteronyms, "phrases", lambda: tuple(chosen))
    return chosen


def test_right_and_wrong_are_one_text_in_two_readings_and_each_is_held_out_once():
    readings = {(phrase.word, phrase.sound) for phrase in phrases()}
    held_out = [(p.word, p.sound) for p in phrases() if p.is_held_out]
    assert sorted(held_out) == sorted(readings)
    for phrase in phrases():
        assert plain(phrase.right) == plain(phrase.wrong)
        assert phrase.right != phrase.wrong
        assert any(
            other.word == phrase.word and f"{{{other.sound}}}" in phrase.wrong
            for other in phrases()
        )
    assert {("地", "de5"), ("地", "di4"), ("read", "r'Ed")} <= readings


def _trained(bench, folder) -> Trained:
    model = OmniModel.from_pretrained(bench.assets.omni).eval()
    return Trained(
        model=model,
        setting=Setting(name="x", what="x"),
        seed=0,
        bench=bench,
        files=WorldFiles(
            train=folder / "train.parquet",
            validation=folder / "v.parquet",
            questions=folder / "q.parquet",
        ),
        data={},
    )


@pytest.mark.parametrize("says", ["right", "wrong"])
def test_speech_is_judged_by_the_reading_it_holds(
    bench, tmp_path, monkeypatch, few, says
):
    prompt = NewRow(
        turns=[],
        reference_codes=np.zeros((8, 3), int),
        speaker=np.ones(bench.config.speaker_embedding_size, np.float32),
    )
    heteronyms.write_readings(bench, tmp_path, "ada", prompt)
    path = tmp_path / heteronyms.READINGS
    rows = list(read_rows(path, bench.row_format, BadRows("fatal")))
    assert len(rows) == heteronyms.NUM_READINGS * len(few)
    spoken = {
        rows[index].turns[1]["content"]: rows[index + (says == "wrong")].answer_codes
        for index in range(0, len(rows), heteronyms.NUM_READINGS)
    }
    monkeypatch.setattr(
        heteronyms,
        "answer",
        lambda run, cases: [
            BatchAnswer(
                text=case.answer, codes_QF=spoken[case.answer], is_finished=True
            )
            for case in cases
        ],
    )
    found = heteronyms.judge(_trained(bench, tmp_path), most_seen=4)
    expected = 1.0 if says == "right" else 0.0
    assert found["heteronym_heard_held_out"] == expected
    assert found["heteronym_heard_seen"] == expected
    assert len(found["heard_held_out_right"]) == len(few) // 2
    assert len(found["probe_right"]) == 2 * len(few)
    assert found["heteronym_probe"] >= 0.75


def test_preference_is_the_likelier_recording(bench, tmp_path, monkeypatch, few):
    losses = torch.tensor([[1.0, 2.0], [2.0, 2.0]] * len(few))
    monkeypatch.setattr(heteronyms, "code_losses", lambda run, rows: losses)
    takes = [[None] * heteronyms.NUM_READINGS] * len(few)
    run = _trained(bench, tmp_path)
    assert heteronyms._preferred(run, takes) == [1] * len(few)
    losses = losses.flip(0)
    assert heteronyms._preferred(run, takes) == [0] * len(few)
