"""Everything runs on a tree of the released formats and widths, real media as input.

The weights are random and the layers few (`SHALLOW`; Mimi and CAM++ are whole), so what
is checked is that files are read, shapes fit, and numbers are in their ranges.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from minimind_o import cli
from minimind_o import demo as demo_module
from minimind_o.ablations.__main__ import build_parser as ablations_parser
from minimind_o.assets import ENVIRONMENT_VARIABLE, Assets
from minimind_o.data.command import build_parser as data_parser
from minimind_o.data.encoders import MediaEncoders
from minimind_o.demo import Asked, Speaking, demo
from minimind_o.evaluation import consistency, voices
from minimind_o.evaluation.run import build_parser as evaluate_parser
from minimind_o.frozen.campplus import load_campplus
from minimind_o.frozen.mimi import load_mimi
from minimind_o.generation.batch import BatchSampling
from minimind_o.generation.engine import Engine, Request
from minimind_o.generation.loading import load_engine
from minimind_o.generation.voices import list_voices, load_voice, seen_voices
from minimind_o.model.omni import OmniModel
from minimind_o.released.random_tree import (
    NUM_FRAMES,
    SHALLOW,
    media_files,
    write_random_tree,
)
from minimind_o.serve.models import Models
from minimind_o.training.__main__ import build_parser as train_parser
from minimind_o.training.__main__ import main as train

MAX_FRAMES, MAX_TEXT = 10, 6


@pytest.fixture(scope="module")
def reference(found_shared: Path | None) -> Path | None:
    """The released tokenizer, voices, recordings and pictures, where they are."""
    return None if found_shared is None else found_shared / "released"


@pytest.fixture(scope="module")
def tree(reference: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Assets:
    """The tree; without the released tokenizer and media with the embedded ones."""
    return write_random_tree(tmp_path_factory.mktemp("released"), SHALLOW, reference)


@pytest.fixture(scope="module")
def media(reference: Path | None) -> tuple[Path, Path]:
    """A recording and a picture: real ones (MP3, JPEG), where they are."""
    recordings, pictures = media_files(reference)
    if reference is not None:
        assert (recordings[0].suffix, pictures[0].suffix) == (".mp3", ".jpg")
    return recordings[0], pictures[0]


@pytest.fixture(scope="module")
def engine(tree: Assets) -> Engine:
    """Loaded as `say` loads it."""
    return load_engine(tree)


def test_every_asset_is_whole_under_the_released_names(tree: Assets) -> None:
    for name in ("tokenizer", "mimi", "sensevoice", "siglip2", "campplus",
                 "voices", "llm", "omni", "sft_t2a", "sft_a2a", "sft_i2t"):  # fmt: skip
        assert tree.checked(name).is_dir()
    names = {file.name for file in tree.root.rglob("*")}
    assert {"llm_768.pth", "pytorch_model.bin", "campplus_cn_common.bin", "voices.pt",
            "tokenizer-e351c8d8-checkpoint125.safetensors",
            "chn_jpn_yue_eng_ko_spectok.bpe.model"} <= names  # fmt: skip


def test_the_sizes_are_the_released_ones(
    tree: Assets, engine: Engine, reference: Path | None
) -> None:
    config = engine.model.config
    assert (config.hidden_size, config.vocab_size) == (768, 6400)
    assert engine.mimi.num_codes == config.num_codes == 2048
    assert load_campplus(tree.campplus).embedding_size == config.speaker_embedding_size
    assert len(list_voices(tree.voices)) == 12
    assert len(seen_voices(tree.voices)) == 5
    if reference is not None:
        assert engine.tokenizer.vocab_size == 6400
        assert seen_voices(tree.voices)[:3] == ["dylan", "eric", "serena"]


def test_real_media_become_states_of_the_released_widths(
    tree: Assets, media: tuple[Path, Path]
) -> None:
    recording, picture = media
    encoders = MediaEncoders(tree.sensevoice, tree.siglip2)
    (states,) = encoders.encode([[recording]], [[picture]])
    seconds = soundfile.info(recording).duration
    assert states.speech[0].shape[1] == 512
    assert abs(len(states.speech[0]) - seconds / 0.06) <= 2
    assert states.pictures[0].shape == (64, 768)
    assert np.isfinite(states.speech[0]).all()
    assert np.isfinite(states.pictures[0]).all()


@pytest.mark.parametrize("way", ["text", "speech", "picture"])
def test_a_question_is_answered_in_sound_and_in_time(
    tree: Assets, engine: Engine, media: tuple[Path, Path], way: str
) -> None:
    recording, picture = media
    name = list_voices(tree.voices)[0]
    answer = engine.answer(
        Request(
            question="" if way == "speech" else "What is it?",
            speech=recording if way == "speech" else None,
            picture=picture if way == "picture" else None,
            voice=load_voice(tree.voices, name, num_codes=2048),
            seed=0,
            max_frames=MAX_FRAMES,
            max_text_tokens=MAX_TEXT,
        )
    )
    codes_QF, timings = answer.end.codes_QF, answer.end.timings
    num_frames = codes_QF.shape[1]
    assert 1 <= num_frames <= MAX_FRAMES
    assert codes_QF.shape[0] == 8
    assert 0 <= codes_QF.min() <= codes_QF.max() < 2048
    assert len(answer.wave_N) == 1920 * num_frames
    assert np.isfinite(answer.wave_N).all()
    assert timings.audio_s == pytest.approx(0.08 * num_frames)
    assert timings.time_to_first_text_s is not None
    assert timings.time_to_first_audio_s is not None
    assert 0 < timings.time_to_first_text_s <= timings.time_to_first_audio_s
    assert timings.time_to_first_audio_s <= timings.total_s


def test_the_demo_asks_by_speech_and_tables_what_was_heard(
    tree: Assets,
    engine: Engine,
    media: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The loaded engine again, and short answers: 2 s would take half a minute here.
    stream = engine.stream
    monkeypatch.setattr(demo_module, "load_engine", lambda assets, **options: engine)
    monkeypatch.setattr(
        engine,
        "stream",
        lambda request, *rest: stream(
            replace(request, max_frames=MAX_FRAMES, max_text_tokens=MAX_TEXT), *rest
        ),
    )
    asked = [Asked(speech=media[0], label="a real recording")]
    table = demo(asked, tmp_path / "out", Speaking(mark="inaudible"), tree)
    assert "a real recording" in table
    (file,) = (tmp_path / "out").glob("*.wav")
    samples_N, rate = soundfile.read(file)
    assert (rate, len(samples_N) % 1920) == (24_000, 0)
    assert 0 < len(samples_N) <= 1920 * MAX_FRAMES


def test_the_evaluation_measures_written_and_spoken_questions(
    tree: Assets, tmp_path: Path
) -> None:
    for data, kind in (("sft_t2a", "fact"), ("sft_a2a", "spoken")):
        found = consistency.run(
            consistency.ConsistencyRun(
                model=tree.omni,
                data=tree.checked(data) / "test.parquet",
                out=tmp_path / data,
                num=1,
            ),
            tree,
            sampling=BatchSampling(max_frames=4, max_text_tokens=4),
            show=lambda _: None,
        )
        (item,) = found.items
        assert item.kind == kind
        assert item.hearing.characters.errors >= 0
        assert (tmp_path / data / "consistency.parquet").is_file()


def test_voices_are_measured_as_seen_and_unseen(tree: Assets, tmp_path: Path) -> None:
    found = voices.run(
        voices.VoicesRun(
            model=tree.omni,
            data=tree.sft_t2a / "test.parquet",
            out=tmp_path,
            num=1,
        ),
        tree,
        sampling=BatchSampling(max_frames=4, max_text_tokens=4),
        show=lambda _: None,
    )
    seen = [answer.voice for answer in found.answers if answer.seen]
    assert seen == seen_voices(tree.voices)
    assert len(found.answers) == 12


@pytest.fixture(scope="module")
def untrained(tree: Assets) -> dict[str, torch.Tensor]:
    """The omni model's parameters."""
    return OmniModel.from_pretrained(tree.omni).state_dict()


STAGES = (
    ("t2a", "sft_t2a", "llm"),
    ("audio_proj", "sft_a2a", "omni"),
    ("all", "sft_a2a", "omni"),
    ("vision_proj", "sft_i2t", "omni"),
    ("all", "sft_i2t", "omni"),
)


@pytest.mark.parametrize(("mode", "data", "init"), STAGES)
def test_a_step_of_each_stage_is_trained(
    tree: Assets,
    untrained: dict[str, torch.Tensor],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    mode: str,
    data: str,
    init: str,
) -> None:
    line: Sequence[object] = (
        "--assets", tree.root, "--init", tree.root / init, "--mode", mode,
        "--data", tree.root / data / "train.parquet",
        "--validation", tree.root / data / "validation.parquet",
        "--work", tmp_path, "--out", tmp_path / "model", "--num-steps", 1,
        "--warmup-steps", 1, "--batch-size", 1, "--max-length", 256,
        "--guidance-weight", 0, "--log-every", 1, "--precision", "fp32",
    )  # fmt: skip
    assert train([str(word) for word in line]) == 0
    capsys.readouterr()
    figures = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[0])
    # Untrained: that of guessing among 6,400 tokens; and among 2,112 codes, of which
    # the last of NUM_FRAMES + 1 is the stop and weighs ten.
    assert figures["text_loss"] == pytest.approx(np.log(6400), rel=0.2)
    if "audio_loss" in figures and mode != "vision_proj":
        guessing = np.log(2112) * (NUM_FRAMES + 10) / (NUM_FRAMES + 1)
        assert figures["audio_loss"] == pytest.approx(guessing, rel=0.1)
    # Models are written in fp16.
    if init == "omni":
        after = OmniModel.from_pretrained(tmp_path / "model").state_dict()
        changed = {
            name.split(".")[0]
            for name, tensor in after.items()
            if not torch.allclose(tensor, untrained[name], rtol=2e-3, atol=1e-4)
        }
        part = {"audio_proj": "audio_projector", "vision_proj": "image_projector"}
        if mode in part:
            assert changed == {part[mode]}
        else:
            assert {"thinker", "talker"} <= changed
    shutil.rmtree(tmp_path)  # a model and an optimiser of this width


@pytest.mark.parametrize(
    "line",
    [
        "say hello", "demo", "demo --all-ways", "ask --text hello", "voices",
        "voices list", "voices add me a.wav", "voices remove me", "serve", "assets",
        "evaluate --suite all", "data check a", "data stats a", "data build a b",
        "training --mode all", "ablations delay",
    ],
)  # fmt: skip
def test_every_command_that_reads_a_tree_takes_one(line: str) -> None:
    own = {
        "evaluate": evaluate_parser(), "data": data_parser(),
        "training": train_parser(), "ablations": ablations_parser(),
    }  # fmt: skip
    first, *rest = line.split()
    parser, words = (own[first], rest) if first in own else (cli.build_parser(), None)
    words = line.split() if words is None else words
    assert parser.parse_args([*words, "--assets", "a tree"]).assets == "a tree"


def test_one_variable_names_the_tree_for_every_command(
    tree: Assets, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tree.root))
    assert cli.main(["voices", "list"]) == 0
    listed = capsys.readouterr().out.split("\n")
    assert [line.split()[0] for line in listed if line] == list_voices(tree.voices)
    assert Models(Assets.find()).names == ["omni"]


def test_the_tree_says_that_nothing_was_learned(tree: Assets) -> None:
    assert tree.is_random


def test_the_codec_writes_many_codes(tree: Assets) -> None:
    samples_N, _ = soundfile.read(tree.examples / "question.wav", dtype="float32")
    codes_BQT = load_mimi(tree.mimi).encode(torch.from_numpy(samples_N)[None])
    assert all(len(codes_T.unique()) > 3 for codes_T in codes_BQT[0])


def test_kyutais_file_is_whole(tree: Assets) -> None:
    mimi = load_mimi(tree.mimi)
    codes_BQT = mimi.encode(torch.zeros(1, 1920 * 2))
    assert codes_BQT.shape == (1, 8, 2)
