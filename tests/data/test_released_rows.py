"""Rows in exactly the released schema are checked, measured and trained on."""

import io
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from minimind_o.assets import Assets
from minimind_o.data import stream
from minimind_o.data.check import Rules, check_files
from minimind_o.data.encoders import MediaEncoders
from minimind_o.data.row import RowFormat
from minimind_o.data.set_statistics import measure_files
from minimind_o.data.speech import VOICES, render
from minimind_o.data.stream import RowGroups
from minimind_o.listening import flac
from minimind_o.model.omni import OmniModel
from minimind_o.training.processes import ALONE
from minimind_o.training.recipe import MODES
from minimind_o.training.stage import StageData, StageInputs, train_stage
from tests.training.tiny import tiny_config, tiny_recipe

RELEASED_SCHEMA = pa.schema(
    [
        ("conversations", pa.string()),
        ("question_audios", pa.list_(pa.binary())),
        ("answer_audios", pa.list_(pa.list_(pa.int64()))),
        ("image_bytes", pa.list_(pa.binary())),
        ("ref_audios", pa.list_(pa.int64())),
        ("spk_emb", pa.list_(pa.float32())),
    ]
)


def released_row(seed: int, question: str, **changes: Any) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    turns = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": "<think>\n\n</think>\n\nIt is me."},
    ]
    return {
        "conversations": json.dumps(turns),
        "question_audios": [],
        "answer_audios": [rng.integers(0, 2048, 8 * 20).tolist()],
        "image_bytes": [],
        "ref_audios": rng.integers(0, 2048, 8 * 10).tolist(),
        "spk_emb": rng.normal(size=192).tolist(),
    } | changes


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of text, of speech and of a picture, in one row group."""
    picture = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(picture, "JPEG")
    speech = flac(render("Who is it?", "en-us", VOICES["leo"]).wave)
    rows = [
        released_row(0, "Who is it?"),
        released_row(1, "", question_audios=[speech]),
        released_row(
            2,
            "<image>\nWhat is it?",
            image_bytes=[picture.getvalue()],
            answer_audios=[],
            ref_audios=[],
            spk_emb=[],
        ),
        released_row(3, "And now?"),
    ]
    path = tmp_path_factory.mktemp("released") / "sft_omni.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema=RELEASED_SCHEMA), path)
    return path


def test_the_schema_is_that_of_the_reference_rows(shared: Path) -> None:
    found = pq.read_schema(shared / "golden" / "layout.parquet")
    assert found.remove_metadata().equals(RELEASED_SCHEMA)


def test_they_are_checked_and_measured(released: Path, shared: Path) -> None:
    tokenizer = shared / "released"
    rules = Rules(row_format=RowFormat(), tokenizer=tokenizer)
    files = [str(released), str(shared / "golden" / "layout.parquet")]
    reports = check_files(files, rules, num_processes=1, say=lambda _: None)
    assert [report.num_bad for report in reports] == [0, 0]
    # The reference examples are cut at 256; one of them needs more.
    assert reports[1].longest > 256
    measured = measure_files(files[:1], tokenizer, num_processes=1)[files[0]]
    assert measured.output_seconds == pytest.approx(3 * 20 / 12.5)
    assert measured.languages == {"English": 4}


@pytest.mark.parametrize("mode", ["t2a", "audio_proj", "vision_proj", "all"])
def test_one_step_of_each_stage_moves_what_it_should(
    mode: str, released: Path, tmp_path: Path
) -> None:
    assets = Assets.find()
    encoders = MediaEncoders(assets.sensevoice, assets.siglip2)
    config = tiny_config(
        num_codes=2048,
        audio_vocab_size=2112,
        audio_pad_token=2049,
        audio_stop_token=2050,
        audio_speaker_token=2051,
        speaker_embedding_size=192,
        audio_hidden_size=encoders.sensevoice.output_size,
        image_hidden_size=encoders.siglip2.hidden_size,
    )
    model = OmniModel(config)
    model.init_weights(torch.Generator().manual_seed(0))
    model.save(tmp_path / "init")
    recipe = tiny_recipe(
        num_steps=1, warmup_steps=0, guidance_weight=0.0, learning=MODES[mode]
    )
    figures = train_stage(
        recipe,
        StageData(train=[released], validation=[released], max_length=400),
        StageInputs(
            tokenizer_directory=assets.tokenizer,
            init=tmp_path / "init",
            encoders=encoders,
        ),
        work=tmp_path / "work",
        out=tmp_path / "model",
        processes=ALONE,
    )
    assert np.isfinite(list(figures.values())).all()
    assert ("audio_loss" in figures) == ("talker" in MODES[mode])
    before, after = (
        OmniModel.from_pretrained(tmp_path / n).state_dict() for n in ("init", "model")
    )
    # A step moves weights by the learning rate, 5e-3; what is written is rounded.
    moved = {
        name.split(".")[0]
        for name in before
        if not torch.allclose(before[name], after[name].float(), atol=2e-3, rtol=0)
    }
    assert (
        moved
        == {
            "t2a": {"thinker", "talker"},
            "audio_proj": {"audio_projector"},
            "vision_proj": {"image_projector"},
            "all": {"thinker", "talker", "audio_projector", "image_projector"},
        }[mode]
    )


def test_a_row_group_of_a_whole_set_is_warned_of(
    released: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        RowGroups([released])
        assert not caplog.messages
        monkeypatch.setattr(stream, "LARGE_GROUP_ROWS", 3)
        RowGroups([released])
    assert "stores 4 rows as one row group" in caplog.messages[0]
    assert "minimind-o data regroup" in caplog.messages[0]
