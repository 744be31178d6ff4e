"""The speaker encoder's training: its loss, a few steps, resuming, its figures."""

import dataclasses
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


@pytest.fixture(scope="module")
def speech() -> SpeakerSpeech:
    """Three utterances of each of three speakers."""
    return speak(draw_speakers(0, 3), 3, 0, Assets.find().mimi, recoded_share=0)


def test_every_utterance_has_its_speaker(speech: SpeakerSpeech) -> None:
    assert speech.speakers.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert len({tuple(frames.shape) for frames in speech.features}) > 3
    assert {frames.shape[1] for frames in speech.features} == {80}


def test_a_share_of_the_speech_comes_through_the_codec(
    monkeypatch: pytest.MonkeyPatch, speech: SpeakerSpeech, tmp_path: Path
) -> None:
    sent = []

    def run_codec(
        directory: Path, waves: list[np.ndarray], operation: str
    ) -> list[np.ndarray]:
        assert (directory, operation) == (tmp_path, "recode")
        sent.extend(waves)
        return [np.zeros_like(wave) for wave in waves]

    monkeypatch.setattr("minimind_o.nano.campplus.run_codec", run_codec)
    some = speak(draw_speakers(0, 3), 3, 0, tmp_path, recoded_share=0.5)
    pairs = zip(some.features, speech.features, strict=True)
    # The codec of this test leaves the noise alone.
    silent = [float(a.mean() - b.mean()) < -1 for a, b in pairs]
    assert 1 <= sum(silent) == len(sent) <= 8
    all_of_it = speak(draw_speakers(0, 3), 3, 0, tmp_path, recoded_share=1)
    assert len(sent) == sum(silent) + len(all_of_it.features)


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
    recoded = {f"{name}_recoded" for name in apart}
    assert {"loss", "named", *apart, *recoded} <= set(figures)


def test_voices_that_are_far_apart_are_told_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class ByNumber:
        """An encoder that tells the voices by a number in their waves."""

        def embed(self, waves: list[np.ndarray], rate: int) -> torch.Tensor:
            numbers = torch.tensor([int(wave[0]) for wave in waves])
            return F.one_hot(numbers, 3).float()

    class Rendered:
        def __init__(self, wave: np.ndarray) -> None:
            self.wave = wave

    names = list(VOICES)[:3]
    monkeypatch.setattr(
        "minimind_o.nano.campplus.VOICES", {name: VOICES[name] for name in names}
    )
    monkeypatch.setattr(
        "minimind_o.nano.campplus.render",
        lambda text, language, voice: Rendered(np.array([names.index(voice.name)])),
    )
    figures = told_apart(ByNumber(), 0, utterances=4)  # type: ignore[arg-type]
    assert figures == {"same_voice": 1, "other_voice": 0, "nearest_right": 1}
