"""The recogniser's training: what is said and how, a few steps, resuming."""

import copy
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from minimind_o.data.facts import plain
from minimind_o.data.pictures import describe, random_scene
from minimind_o.data.world import fact_dialogues, held_out_answers
from minimind_o.nano.i2t import QUESTIONS
from minimind_o.nano.sensevoice import (
    PHONEME_RATE,
    Line,
    RecogniserTrainer,
    SenseVoiceRecipe,
    Utterances,
    asked_questions,
    draw_lines,
    fresh_model,
    synthesise,
)
from minimind_o.nano.sensevoice_directory import spaced, write_directory

RECIPE = SenseVoiceRecipe(
    utterances=8, steps=6, batch_size=2, width=16, num_blocks=1, num_top_blocks=1
)


@pytest.fixture(scope="module")
def speech() -> Utterances:
    """Four clean utterances, and four as they are asked."""
    return synthesise(draw_lines(0, 8, frozenset()), 0, asked_share=0.5)


def trainer(
    directory: Path, speech: Utterances, recipe: SenseVoiceRecipe = RECIPE
) -> RecogniserTrainer:
    texts = [spaced(text) for text in speech.texts]
    write_directory(
        directory,
        texts,
        width=recipe.width,
        num_blocks=recipe.num_blocks,
        num_top_blocks=recipe.num_top_blocks,
    )
    return RecogniserTrainer(recipe, fresh_model(recipe, directory, speech), speech)


def test_all_kinds_of_lines_are_said_and_nothing_that_is_held_out() -> None:
    exclude = held_out_answers("en") | held_out_answers("zh")
    lines = draw_lines(0, 2000, exclude)
    said = {plain(line.marked) for line in lines}
    for language in ("en", "zh"):
        training = fact_dialogues(language, "train")
        tested = {d.question for d in fact_dialogues(language, "test")}
        assert said & {d.question for d in training}
        assert said & {d.answer for d in training}
        assert said & set(QUESTIONS[language])
        assert not said & tested
    assert not said & exclude
    rng = np.random.default_rng(0)
    hidden = {describe(random_scene(rng, held_out=True)) for _ in range(500)}
    shown = {describe(random_scene(rng, held_out=False)) for _ in range(500)}
    assert said & shown
    assert not said & hidden
    share = np.mean([line.language == "zh" for line in lines])
    assert 0.2 < share < 0.3


def test_what_is_asked_for_the_figures_was_never_said_in_training() -> None:
    questions = {line.marked for line in asked_questions(11, "en", 50)}
    assert len(questions) == 50
    assert not questions & {line.marked for line in draw_lines(0, 2000, frozenset())}


def test_the_last_utterances_are_asked_in_rooms(speech: Utterances) -> None:
    def quietest(wave: np.ndarray) -> float:
        """The loudest sample of the quietest hundredth of a second."""
        return float(
            np.abs(wave[: len(wave) // 240 * 240].reshape(-1, 240)).max(1).min()
        )

    levels = [quietest(wave) for wave in speech.waves]
    assert max(levels[:4]) < 0.1 * min(levels[4:])  # a room is never silent
    for wave, labels in zip(speech.waves, speech.phonemes, strict=True):
        assert len(labels) == len(wave) * PHONEME_RATE // 24_000
        assert 0 < labels.max() < speech.num_phonemes


def test_marked_words_are_written_without_their_marks() -> None:
    line = Line(marked="They live{l'Iv} here.", language="en")
    assert synthesise([line], 0).texts == ["they live here"]


def test_a_resumed_training_is_the_one_that_never_stopped(
    tmp_path: Path, speech: Utterances
) -> None:
    whole = trainer(tmp_path, speech)
    state = copy.deepcopy(whole.state())
    losses = [whole.step()["loss"] for _ in range(6)]
    first = trainer(tmp_path, speech)
    first.load_state(state)
    again = [first.step()["loss"] for _ in range(3)]
    state = first.state()  # before building another draws from torch's generator
    second = trainer(tmp_path, speech)
    second.load_state(state)
    again += [second.step()["loss"] for _ in range(3)]
    assert again == pytest.approx(losses, rel=1e-5)


def test_a_few_sentences_are_learnt(tmp_path: Path, speech: Utterances) -> None:
    recipe = dataclasses.replace(RECIPE, steps=60)
    learner = trainer(tmp_path, speech, recipe)
    losses = [learner.step()["loss"] for _ in range(60)]
    assert np.mean(losses[-10:]) < 0.85 * np.mean(losses[:10])


def test_what_replaces_an_utterance_is_what_is_heard(
    tmp_path: Path, speech: Utterances
) -> None:
    learner = trainer(tmp_path, speech)
    before = [features.clone() for features in learner.features]
    learner.replace([np.zeros_like(speech.waves[0])])
    assert not np.allclose(learner.features[0], before[0])
    for same, old in zip(learner.features[1:], before[1:], strict=True):
        assert np.array_equal(same, old)
