"""The spoken set: what is committed, and how rows come to be."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from minimind_o.assets import Assets
from minimind_o.data.facts import plain
from minimind_o.data.row import RowFormat
from minimind_o.data.schema import validate
from minimind_o.data.speech import SEEN_VOICES, VOICES, Utterance, render
from minimind_o.data.world import Dialogue
from minimind_o.frozen.mimi import Mimi, load_mimi
from minimind_o.nano.alignment import frame_alignment
from minimind_o.nano.answers import TAIL_VOICES, AnswerCoder, SpokenDialogue, speak
from minimind_o.nano.codec_pool import run_codec
from minimind_o.nano.llm import is_long
from minimind_o.nano.rows import DialogueRow, write_rows
from minimind_o.nano.t2a import draw_held_out, draw_training
from minimind_o.nano.voice_prompts import (
    VoicePrompt,
    reference_codes,
    reference_waves,
)

NANO_FORMAT = RowFormat(num_codes=512)


@pytest.fixture(scope="module")
def mimi() -> Mimi:
    """The committed codec."""
    return load_mimi(Assets.find().mimi)


def turns(split: str) -> list[tuple[str, str]]:
    """Question and answer of every row that is committed."""
    path = Assets.find().sft_t2a / f"{split}.parquet"
    column = pq.read_table(path, columns=["conversations"])["conversations"]
    rows = [json.loads(text) for text in column.to_pylist()]
    return [(row[0]["content"], row[1]["content"]) for row in rows]


def read_by_ada(marked: str) -> SpokenDialogue:
    """A request to read a text aloud, answered by Ada."""
    dialogue = Dialogue(
        question=f"Say: {plain(marked)}",
        answer=plain(marked),
        marked_answer=marked,
        language="en",
        kind="read",
        family="read",
    )
    return SpokenDialogue(dialogue=dialogue, voice="ada")


@pytest.mark.parametrize("split", ["validation", "test"])
def test_committed_rows_are_valid(split: str) -> None:
    assert validate(Assets.find().sft_t2a / f"{split}.parquet", NANO_FORMAT) == []


@pytest.mark.parametrize("split", ["validation", "test"])
def test_nothing_committed_for_testing_is_in_the_training_set(split: str) -> None:
    asked = {question.lower() for question, _ in turns("train")}
    answers = {answer for _, answer in turns("train")}
    held_out = turns(split)
    read_aloud = [a for q, a in held_out if q.startswith(("Say: ", "读："))]
    assert len(read_aloud) == len(held_out) // 2
    assert not asked & {question.lower() for question, _ in held_out}
    assert not answers & set(read_aloud)
    english = sum(answer.isascii() for _, answer in held_out)
    assert english == 3 * len(held_out) // 4


def test_held_out_facts_come_from_every_family() -> None:
    items = draw_held_out("test", 80, 40)
    assert len(items) == 120
    families = {(item.dialogue.language, item.dialogue.family) for item in items}
    assert len(families) == 16
    assert {item.voice for item in items} == set(SEEN_VOICES)
    assert items == draw_held_out("test", 80, 40)


def test_training_is_drawn_in_seen_voices_and_a_tail_of_random_ones() -> None:
    items = draw_training(3, 1000)
    voices = [item.voice for item in items]
    assert set(voices) <= {*SEEN_VOICES, *TAIL_VOICES}
    assert 150 < sum(voice in TAIL_VOICES for voice in voices) < 250
    assert len(set(voices)) >= 60
    reading = sum(item.dialogue.kind == "read" for item in items)
    assert 450 < reading < 650
    long = sum(
        item.dialogue.kind == "fact" and is_long(item.dialogue) for item in items
    )
    assert long > 40


def test_voice_prompts_are_two_seconds_of_different_recordings(mimi: Mimi) -> None:
    def codes(voice: str) -> list[np.ndarray]:
        return [reference_codes(mimi, wave) for wave in reference_waves(VOICES[voice])]

    prompts, others = codes("ada"), codes("ben")
    assert {prompt.shape for prompt in prompts} == {(8, 25)}
    assert len({prompt.tobytes() for prompt in prompts}) == len(prompts) == 4
    assert all((a != b).any() for a, b in zip(prompts, others, strict=True))


def test_the_pool_codes_as_the_codec_does_and_keeps_the_order(mimi: Mimi) -> None:
    texts = ("one", "a red cat sleeps", "two")
    waves = [render(text, "en-us", VOICES["ben"]).wave for text in texts]
    coded = run_codec(Assets.find().mimi, waves, "encode")
    for wave, codes in zip(waves, coded, strict=True):
        num_frames = -(-len(wave) // 1920)
        assert codes.shape == (8, num_frames)
        padded = np.pad(wave, (0, num_frames * 1920 - len(wave)))
        alone = mimi.encode(torch.from_numpy(padded)[None])[0].numpy()
        assert (codes == alone).mean() > 0.95  # batched sums differ in the last bit


def test_every_frame_names_the_letter_that_it_speaks() -> None:
    utterance = Utterance(
        wave=np.zeros(9 * 100, np.float32),
        words=((0, 0), (4, 300)),
        phonemes=(
            ("w", 0), ("V", 110), ("n", 200), ("_", 290),
            ("k", 310), ("a", 420), ("t", 610), ("_:", 700), ("_", 800),
        ),
    )  # fmt: skip
    alignment = frame_alignment(utterance, range(8), "one cats", 100)
    assert alignment == [0, 1, 2, 4, 5, 5, 6, -1, -1]


def test_words_that_share_an_event_share_its_sounds() -> None:
    utterance = Utterance(
        wave=np.zeros(700, np.float32),
        words=((0, 0), (7, 400)),
        phonemes=(("O", 0), ("n", 100), ("D", 200), ("@", 300), ("k", 450), ("a", 500)),
    )
    alignment = frame_alignment(utterance, range(10), "on the cab", 100)
    # `on the` has five letters; the silence before the k is the word's, not the e's.
    assert alignment == [0, 1, 3, 4, 7, 8, 8]


def test_a_forced_pronunciation_is_laid_over_its_word() -> None:
    item = read_by_ada("we live{l'Iv} here")
    utterance, origins = speak(item.dialogue, item.voice)
    alignment = frame_alignment(utterance, origins, item.dialogue.answer, 240)
    spoken = [c for c in alignment if c >= 0]
    assert spoken == sorted(spoken)
    assert set(spoken) <= {0, 1, 3, 4, 5, 6, 8, 9, 10, 11}
    assert {0, 3, 8} <= set(spoken)


def test_written_rows_are_valid_and_whole(tmp_path: Path) -> None:
    item = read_by_ada("one cat")
    coder = AnswerCoder(tmp_path)
    codes = np.arange(8 * 3, dtype=np.int16).reshape(8, 3)
    coder.done["one cat", "ada"] = (codes, [0, 4, -1])
    prompt = VoicePrompt(
        codes=np.ones((8, 2), np.int16), speaker=np.full(192, 0.5, np.float32)
    )
    prompts = {"ada": [prompt]}
    path = tmp_path / "sub" / "rows.parquet"
    row = DialogueRow(item=item, question=item.dialogue.question)
    write_rows(path, [row, row], coder, prompts, seed=0)
    assert validate(path, NANO_FORMAT) == []
    assert [file.name for file in path.parent.iterdir()] == ["rows.parquet"]
    row = pq.read_table(path).to_pylist()[1]
    # Frame-major: the eight codes of frame 0 come first.
    assert row["answer_audios"][0][:8] == codes[:, 0].tolist()
    assert row["answer_alignment"] == [0, 4, -1]
    assert row["ref_audios"] == [1] * 16
    assert row["spk_emb"] == [0.5] * 192
    assert json.loads(row["conversations"])[1] == {
        "role": "assistant",
        "content": "one cat",
    }


def test_an_interrupted_build_goes_on_from_what_is_coded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [read_by_ada(text) for text in ("one cat", "two red cats", "one cat")]
    first = AnswerCoder(Assets.find().mimi, tmp_path)
    first.add(items)
    assert len(first.done) == 2
    monkeypatch.setattr("minimind_o.nano.answers.run_codec", None)  # not called again
    second = AnswerCoder(Assets.find().mimi, tmp_path)
    second.add(items)
    for item in items:
        codes, alignment = first.get(item)
        np.testing.assert_array_equal(second.get(item)[0], codes)
        assert second.get(item)[1] == alignment
        assert len(alignment) == codes.shape[1]
