"""The vision and voice suites end to end: shipped assets, few and short answers."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from minimind_o.assets import Assets
from minimind_o.evaluation import vision, voices
from minimind_o.evaluation.consistency import ConsistencyRun
from minimind_o.evaluation.voices import VoicesRun
from minimind_o.generation.batch import BatchSampling
from minimind_o.generation.sampling import GREEDY

SAMPLING = BatchSampling(text=GREEDY, audio=GREEDY, max_frames=9, max_text_tokens=40)


def silent(text: str) -> None:
    """Show nothing."""


def loudness(waves: list[np.ndarray], sample_rate: int) -> list[str]:
    """A transcriber that tells waves apart, whatever they say."""
    return [f"red {np.abs(wave).sum():.3f}" for wave in waves]


def test_pictures_are_described_and_every_table_is_written(tmp_path: Path) -> None:
    assets = Assets.find()
    options = ConsistencyRun(
        model=assets.omni,
        data=assets.sft_i2t / "test.parquet",
        out=tmp_path,
        num=2,
        kinds=("picture",),
    )
    found = vision.run(
        options, assets, sampling=SAMPLING, transcriber=loudness, show=silent
    )
    table = pq.read_table(tmp_path / "vision.parquet").to_pylist()
    assert [row["text"] for row in table] == [one.item.hearing.text for one in found]
    assert all(one.floor is not None and one.ceiling is not None for one in found)
    assert all(one.floor != one.ceiling for one in found)
    assert [row["written_reference_cer"] for row in table] == [
        one.written.characters.rate for one in found
    ]
    summary = (tmp_path / "vision.md").read_text("utf-8")
    assert "transcriber `loudness`" in summary
    assert "| written | 2 |" in summary
    pictures = (tmp_path / "vision_pictures.md").read_text("utf-8")
    assert all(one.item.hearing.heard in pictures for one in found)


def few_voices(folder: Path) -> Assets:
    """The shipped assets with two seen voices and an unseen one."""
    for shipped in Assets.find().root.iterdir():
        if shipped.name != "voices":
            (folder / shipped.name).symlink_to(shipped)
    (folder / "voices").mkdir()
    for name in ("ada", "ben", "gina"):
        shutil.copy(Assets.find().voices / f"{name}.json", folder / "voices")
    return Assets(folder)


def test_every_voice_answers_every_question(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    assets = few_voices(tmp_path / "assets")
    options = VoicesRun(
        model=assets.omni, data=assets.sft_t2a / "test.parquet", out=tmp_path, num=1
    )
    found = voices.run(options, assets, sampling=SAMPLING, show=silent)
    table = pq.read_table(tmp_path / "voices.parquet").to_pylist()
    assert [row["voice"] for row in table] == list(found.yardsticks)
    assert len({row["prompt"] for row in table}) == 1
    assert len({row["similarity"] for row in table}) == len(table) == 3
    measured = found.yardsticks.values()
    assert {len(one.others) for one in measured} == {2}
    before = np.mean([one.speaker for one in measured])
    after = np.mean([one.through_codec for one in measured])
    assert before > after > np.mean([one.others for one in measured])
    assert "| **all unseen** | 1 |" in (tmp_path / "voices.md").read_text("utf-8")
