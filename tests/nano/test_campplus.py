"""The speaker encoder's training: its loss, a few steps, resuming, its figures."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from minimind_o.assets import Assets
from minimind_o.data.speakers import draw_speakers
from minimind_o.data.speech import VOICES
from minimind_o.nano.campplus import (
    AngularMargin,
    CampPlusRecipe,
    SpeakerSpeech,
    SpeakerTrainer,
    speak,
    told_apart,
    train_campplus,
)

RECIPE = CampPlusRecipe(
    speakers=3, utterances=3, steps=6, batch_size=6, crop_frames=60, warmup_steps=2
)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads share convolutions this small so badly that minutes are lost."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def speech() -> SpeakerSpeech:
    """Three utterances of each of three speakers."""
    return speak(draw_speakers(0, 3), 3, 0, Assets.find().mimi)


def test_every_utterance_has_its_speaker(speech: SpeakerSpeech) -> None:
    assert speech.speakers.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert len({tuple(frames.shape) for frames in speech.recorded}) > 3
    assert {frames.shape[1] for frames in speech.recorded} == {80}


def test_every_utterance_is_there_through_the_codec_frame_for_frame(
    monkeypatch: pytest.MonkeyPatch, speech: SpeakerSpeech, tmp_path: Path
) -> None:
    for recorded, recoded in zip(speech.recorded, speech.recoded, strict=True):
        assert recorded.shape == recoded.shape
        assert float(F.cosine_similarity(recorded, recoded).mean()) > 0.3

    def run_codec(
        directory: Path, waves: list[np.ndarray], operation: str
    ) -> list[np.ndarray]:
        assert (directory, operation) == (tmp_path, "recode")
        return [np.zeros_like(wave) for wave in waves]

    monkeypatch.setattr("minimind_o.nano.campplus.run_codec", run_codec)
    silenced = speak(draw_speakers(0, 3), 3, 0, tmp_path)
    # A codec of zeros leaves the noise alone.
    assert all(
        float(noise.std()) < 0.8 * float(voice.std())
        for noise, voice in zip(silenced.recoded, silenced.recorded, strict=True)
    )


def test_the_two_versions_of_an_utterance_are_drawn_towards_each_other(
    speech: SpeakerSpeech,
) -> None:
    def apart(weight: float) -> float:
        recipe = dataclasses.replace(RECIPE, steps=40, pair_weight=weight)
        trainer = SpeakerTrainer(recipe, speech)
        return float(np.mean([trainer.step()["apart"] for _ in range(40)][-10:]))

    assert apart(8.0) < apart(0.0)


def test_without_a_margin_the_loss_is_that_of_scaled_cosines() -> None:
    torch.manual_seed(0)
    loss = AngularMargin(4, 3, scale=10, margin=0)
    vectors, labels = torch.randn(5, 4), torch.tensor([0, 1, 2, 0, 1])
    cosines = F.normalize(vectors) @ F.normalize(loss.weight_CS.detach()).T
    value, share = loss(vectors, labels)
    assert value.item() == pytest.approx(float(F.cross_entropy(10 * cosines, labels)))
    assert float(share) == pytest.approx(
        float((cosines.argmax(1) == labels).float().mean())
    )
    wider = AngularMargin(4, 3, scale=10, margin=0.3)
    wider.load_state_dict(loss.state_dict())
    assert wider(vectors, labels)[0].item() > value.item()


def test_three_speakers_are_learnt_in_forty_steps(speech: SpeakerSpeech) -> None:
    trainer = SpeakerTrainer(dataclasses.replace(RECIPE, steps=40), speech)
    steps = [trainer.step() for _ in range(40)]
    losses, named = ([step[name] for step in steps] for name in ("loss", "named"))
    assert np.mean(losses[-10:]) < 0.95 * np.mean(losses[:10])
    assert np.mean(named[-10:]) > 0.5  # a third is chance


def test_a_resumed_training_is_the_one_that_never_stopped(
    speech: SpeakerSpeech,
) -> None:
    whole = SpeakerTrainer(RECIPE, speech)
    losses = [whole.step()["loss"] for _ in range(6)]
    first = SpeakerTrainer(RECIPE, speech)
    for _ in range(3):
        first.step()
    second = SpeakerTrainer(RECIPE, speech)
    second.load_state(first.state())
    again = [second.step()["loss"] for _ in range(3)]
    assert again == pytest.approx(losses[3:], rel=1e-3)


def test_a_directory_is_written_with_its_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {name: VOICES[name] for name in ("ada", "ben")}
    monkeypatch.setattr("minimind_o.nano.campplus.VOICES", few)
    figures = train_campplus(
        RECIPE, Assets.find().mimi, tmp_path / "work", tmp_path / "out"
    )
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "config.yaml", "configuration.json", "model.pt"
    }  # fmt: skip
    apart = {"same_voice", "other_voice", "nearest_right"}
    more = {f"{name}_{how}" for name in apart for how in ("recoded", "across")}
    assert {"loss", "apart", "named", *apart, *more} <= set(figures)


def test_voices_that_are_far_apart_are_told_apart() -> None:
    vectors = torch.eye(3)[:, None].expand(3, 4, 3)
    assert told_apart(vectors, vectors) == {
        "same_voice": 1, "other_voice": 0, "nearest_right": 1
    }  # fmt: skip
    # Heard through something that turns every voice into the next one.
    assert told_apart(vectors.roll(1, dims=0), vectors) == {
        "same_voice": 0, "other_voice": 0.5, "nearest_right": 0
    }  # fmt: skip


def test_an_utterance_is_not_compared_with_itself() -> None:
    lonely = torch.eye(4).view(2, 2, 4)  # no two utterances have anything in common
    assert told_apart(lonely, lonely)["same_voice"] == 0
