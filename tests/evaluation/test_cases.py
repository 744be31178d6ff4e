"""Rows become prompts of the right kind, language and voice."""

from pathlib import Path

import numpy as np
import pytest

from minimind_o.assets import Assets
from minimind_o.data.schema import RowFormat
from minimind_o.errors import UserError
from minimind_o.evaluation.cases import Case, KnownVoice, read_cases, select
from minimind_o.generation.voices import load_voice
from tests.evaluation.conftest import VOICE

ROWS = RowFormat(num_codes=32)


@pytest.fixture
def voices(assets: Assets) -> list[KnownVoice]:
    codes = load_voice(assets.voices, VOICE).codes_QT
    return [("someone else", (codes + 7) % 32), (VOICE, codes)]


@pytest.fixture
def cases(assets: Assets, voices: list[KnownVoice]) -> list[Case]:
    return read_cases(assets.sft_t2a / "test.parquet", ROWS, voices)


def test_kind_language_and_texts_are_those_of_the_dialogue(cases, dialogues) -> None:
    kinds = {"fact": "fact", "read": "read_aloud"}
    for case, dialogue in zip(cases, dialogues, strict=True):
        assert case.kind == kinds[dialogue.kind]
        assert case.language == dialogue.language
        assert (case.prompt, case.answer) == (dialogue.question, dialogue.answer)


def test_voice_is_named_though_some_codes_were_rounded_otherwise(
    assets, voices, cases
) -> None:
    assert {case.voice for case in cases} == {VOICE}
    name, codes = voices[1]
    rng = np.random.default_rng(1)
    nearly = np.where(rng.random(codes.shape) < 0.2, (codes + 1) % 32, codes)
    again = read_cases(assets.sft_t2a / "test.parquet", ROWS, [(name, nearly)])
    assert {case.voice for case in again} == {VOICE}


def test_an_unknown_voice_has_no_name(assets, voices) -> None:
    cases = read_cases(assets.sft_t2a / "test.parquet", ROWS, voices[:1])
    assert {case.voice for case in cases} == {""}


def test_selection_is_of_one_kind_seeded_and_in_file_order(cases) -> None:
    drawn = select(cases, "read_aloud", 2, seed=1)
    assert drawn == select(cases, "read_aloud", 2, seed=1)
    assert {case.kind for case in drawn} == {"read_aloud"}
    assert cases.index(drawn[0]) < cases.index(drawn[1])
    draws = {
        tuple(map(cases.index, select(cases, "fact", 2, seed=s))) for s in range(9)
    }
    assert len(draws) > 1


def test_asking_for_more_than_there_are_is_refused(cases) -> None:
    with pytest.raises(UserError, match=r"test\.parquet has 3 prompts.*'fact'.*4"):
        select(cases, "fact", 4, source="test.parquet")


def test_codes_outside_the_model_are_refused_with_their_row(assets: Assets) -> None:
    path: Path = assets.sft_t2a / "test.parquet"
    with pytest.raises(UserError, match=r"row 0.*must lie in 0"):
        read_cases(path, RowFormat(num_codes=4))
