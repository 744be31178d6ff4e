"""The closed world is cut out of the shipped set, and asked in words that are new."""

import json

import pyarrow.parquet as pq
import pytest

from minimind_o.ablations.closed_world import (
    QUESTIONS,
    TRAIN,
    VALIDATION,
    Choice,
    asked_aloud,
    choose,
    families,
    write_world,
)
from minimind_o.ablations.workbench import Workbench
from minimind_o.assets import Assets
from minimind_o.errors import UserError

NUM_TRAINING_ROWS = 600


@pytest.fixture(scope="module")
def small(tiny_assets, tmp_path_factory) -> Workbench:
    """The shipped text-to-speech set, cut short."""
    import torch

    root = tmp_path_factory.mktemp("cut")
    for path in tiny_assets.root.iterdir():
        (root / path.name).symlink_to(path)
    (root / "sft_t2a").mkdir()
    for name, count in (
        ("train", NUM_TRAINING_ROWS),
        ("validation", 240),
        ("test", 480),
    ):
        table = pq.read_table(Assets.find().sft_t2a / f"{name}.parquet")
        pq.write_table(table.slice(0, count), root / "sft_t2a" / f"{name}.parquet")
    return Workbench(
        assets=Assets(root), work=root / "work", device=torch.device("cpu")
    )


@pytest.fixture(scope="module")
def world(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    write_world(small, folder, change=_aloud_if_asked)
    return {name: pq.read_table(folder / name).to_pylist() for name in FILES}


FILES = (TRAIN, VALIDATION, QUESTIONS)


def _aloud_if_asked(rows, name):
    return asked_aloud(rows, name) if name == VALIDATION else rows


def turns(row: dict) -> tuple[str, str]:
    question, answer = json.loads(row["conversations"])
    return question["content"], answer["content"]


def test_answers_are_short_facts_and_no_sums(world):
    answers = {turns(row)[1] for row in world[TRAIN]}
    assert len(answers) > 5
    for answer in answers:
        assert families()[answer] != "arithmetic"
        assert len(answer.split()) <= 8


def test_every_question_is_new_and_every_answer_known(world):
    learned = [turns(row) for row in world[TRAIN]]
    for row in world[QUESTIONS]:
        question, answer = turns(row)
        assert answer in {known for _, known in learned}
        assert question not in {known for known, _ in learned}


def test_questions_are_given_a_voice_of_the_world(world):
    known = {tuple(row["ref_audios"]) for row in world[TRAIN]}
    assert {tuple(row["ref_audios"]) for row in world[QUESTIONS]} <= known


def test_asked_aloud_the_question_is_in_the_sound_alone(world):
    for row in world[VALIDATION]:
        assert turns(row)[0] == ""
        assert row["question_audios"][0][:4] == b"OggS"
    assert not any(row["question_audios"] for row in world[TRAIN])


def test_a_world_without_rows_says_what_is_needed(small, tmp_path):
    with pytest.raises(UserError, match="no row of the closed world: English facts"):
        write_world(small, tmp_path, Choice(voices=("nobody",)))


def test_the_same_questions_are_chosen_for_every_run():
    cases = list(range(100))
    assert choose(cases, 10) == choose(cases, 10)
    assert len(set(choose(cases, 10))) == 10
    assert choose(cases[:3], 10) == cases[:3]
