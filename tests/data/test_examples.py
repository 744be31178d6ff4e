"""Rows become examples: codes, alignment, voice prompt, noise, cuts."""

import json
import logging

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from minimind_o import tokenizer
from minimind_o.data.examples import ExampleDataset, ExampleOptions
from minimind_o.data.schema import SCHEMA
from minimind_o.errors import UserError
from minimind_o.layout import IGNORE, LayoutSpec, build_example

SPEC = LayoutSpec()
WORDS = ["sky", "blue", "The", "is"]
ANSWER = "The sky is blue"
SPOKEN = [-1, 0, 1, 2, 4, 4, 6, 8, 9, 11, 12, 14, -1]
"""Which character of ANSWER each of the 13 frames speaks."""


@pytest.fixture(scope="session")
def text_tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer.train_bpe([ANSWER], 400, folder, whole_words=WORDS)
    return tokenizer.load(folder)


def row(seed=0, **changes):
    rng = np.random.default_rng(seed)
    turns = [
        {"role": "user", "content": "sky?"},
        {"role": "assistant", "content": ANSWER},
    ]
    return {
        "conversations": json.dumps(turns),
        "answer_audios": [rng.integers(0, 2048, 8 * len(SPOKEN)).tolist()],
        "ref_audios": rng.integers(0, 2048, 8 * 4).tolist(),
        "answer_alignment": SPOKEN,
    } | changes


@pytest.fixture
def dataset(tmp_path, text_tokenizer):
    def make(*rows, bad_rows="fatal", **options):
        path = tmp_path / "rows.parquet"
        pq.write_table(pa.Table.from_pylist(list(rows), schema=SCHEMA), path)
        return ExampleDataset(
            [path], text_tokenizer, SPEC, ExampleOptions(**options), bad_rows=bad_rows
        )

    return make


def codes_of(values):
    return np.reshape(values, (-1, 8)).T


def test_an_example_is_the_layout_of_its_row(dataset, text_tokenizer):
    source = row(spk_emb=[0.5] * 192)
    example = dataset(row(1), source)[1]
    encoded = text_tokenizer.encode_conversation(json.loads(source["conversations"]))
    expected = build_example(
        SPEC,
        encoded.text_ids,
        encoded.assistant_start,
        codes_of(source["answer_audios"][0]),
        codes_of(source["ref_audios"]),
        has_speaker=True,
    )
    np.testing.assert_array_equal(example.input_ids, expected.input_ids)
    np.testing.assert_array_equal(example.text_labels, expected.text_labels)
    np.testing.assert_array_equal(example.audio_labels, expected.audio_labels)
    assert example.speaker_embedding.tolist() == [0.5] * 192


def test_alignment_names_the_token_each_frame_speaks(dataset, text_tokenizer):
    example = dataset(row())[0]
    start = example.assistant_start
    spoken = []
    for frame, character in enumerate(SPOKEN):
        position = example.alignment[start + frame]
        assert example.audio_labels[0, start + frame] != IGNORE
        assert position <= start + frame
        if position < 0:
            spoken.append(None)
            continue
        token = text_tokenizer.tokens([example.input_ids[8, position]])[0]
        assert ANSWER[character] in token
        spoken.append(token.strip())
    words = ["The"] * 3 + ["sky"] * 3 + ["is"] * 2 + ["blue"] * 3
    assert spoken == [None, *words, None]
    others = np.delete(example.alignment, np.arange(start, start + len(SPOKEN)))
    assert (others == -1).all()


def test_alignment_never_names_a_position_ahead(dataset):
    fast = [14] * 2 + SPOKEN[2:]
    example = dataset(row(answer_alignment=fast))[0]
    start = example.assistant_start
    assert example.alignment[start : start + 2].tolist() == [-1, -1]
    assert (example.alignment <= np.arange(len(example.alignment))).all()


def test_rows_without_alignment_or_speech_are_text_only_there(dataset):
    examples = dataset(
        row(answer_alignment=None), row(answer_audios=[]) | {"answer_alignment": None}
    )
    assert (examples[0].alignment == -1).all()
    assert (examples[1].audio_labels == IGNORE).all()
    assert (examples[1].text_labels != IGNORE).any()


def test_the_voice_prompt_is_used_as_often_as_asked(dataset):
    rows = [row(seed) for seed in range(200)]

    def share(probability):
        examples = dataset(*rows, reference_probability=probability)
        used = [
            (example.input_ids[0, : example.assistant_start] < 2048).any()
            for example in map(examples.__getitem__, range(len(rows)))
        ]
        return np.mean(used)

    assert share(0.0) == 0
    assert share(1.0) == 1
    assert 0.35 < share(0.5) < 0.65


def test_noise_replaces_a_share_of_the_answers_input_codes_and_nothing_else(dataset):
    rows = [row(seed, spk_emb=[0.5] * 192) for seed in range(40)]
    clean, noisy = dataset(*rows), dataset(*rows, code_noise=0.2)
    changed = total = 0
    for index in range(len(rows)):
        before, after = clean[index], noisy[index]
        np.testing.assert_array_equal(before.audio_labels, after.audio_labels)
        np.testing.assert_array_equal(before.text_labels, after.text_labels)
        answer = np.zeros(before.input_ids.shape, bool)
        answer[:8, before.assistant_start :] = True
        answer &= before.input_ids < 2048
        answer[8] = False
        different = before.input_ids != after.input_ids
        assert not different[~answer].any()
        assert (after.input_ids[answer] < 2048).all()
        changed += different.sum()
        total += answer.sum()
    assert 0.17 < changed / total < 0.23


def test_noise_of_any_id_holds_specials_as_often_as_chance_has_them(dataset):
    rows = [row(seed) for seed in range(60)]
    noisy = dataset(*rows, code_noise=1.0, noise_specials=True)
    drawn = np.concatenate(
        [e.input_ids[:8, e.assistant_start + 8 : e.assistant_start + 10].ravel()
         for e in (noisy[index] for index in range(len(rows)))]
    )  # fmt: skip
    assert drawn.max() < SPEC.audio_vocab_size
    share = 1 - SPEC.num_codes / SPEC.audio_vocab_size
    assert share / 3 < (drawn >= SPEC.num_codes).mean() < 3 * share


def test_draws_repeat_within_an_epoch_and_differ_between_epochs(dataset):
    examples = dataset(row(), code_noise=0.5)
    first = examples[0].input_ids
    np.testing.assert_array_equal(first, examples[0].input_ids)
    examples.set_epoch(1)
    assert (first != examples[0].input_ids).any()
    examples.set_epoch(0)
    np.testing.assert_array_equal(first, examples[0].input_ids)


def test_lengths_are_those_of_the_examples_and_cuts_are_reported(dataset, caplog):
    rows = [row(), row(answer_audios=[[0] * 8], answer_alignment=[0])]
    examples = dataset(*rows)
    for index in range(2):
        assert examples.lengths[index] == len(examples[index].text_labels)
    assert examples.num_truncated == 0
    with caplog.at_level(logging.WARNING):
        cut = dataset(*rows, max_length=int(examples.lengths[0]))
    assert cut.num_truncated == 1
    assert "1 of 2 rows are longer than max_length" in caplog.text
    assert cut.lengths[0] == len(cut[0].text_labels) == examples.lengths[0] - 1
    labelled = (cut[0].audio_labels != IGNORE).sum(axis=1)
    assert len(set(labelled.tolist())) == 1


@pytest.mark.parametrize(
    ("changes", "options", "sentence"),
    [
        ({"ref_audios": [5000] * 8}, {}, "ref_audios holds the code 5000"),
        ({"image_bytes": [b"x"]}, {}, "the row has speech or image input"),
        ({}, {"max_length": 5}, "the answer starts at position"),
    ],
)
def test_a_bad_row_is_fatal_or_reported_and_skipped(
    dataset, changes, options, sentence
):
    long = json.dumps(
        [
            {"role": "user", "content": "sky? " * 9},
            {"role": "assistant", "content": ANSWER},
        ]
    )
    start = dataset(row())[0].assistant_start
    options = options and {"max_length": start + 3}
    bad = row(**changes) if changes else row(conversations=long)
    with pytest.raises(UserError, match=rf"rows\.parquet row 1: .*{sentence}"):
        dataset(row(), bad, **options)
    kept = dataset(row(), bad, row(), bad_rows="skip", **options)
    assert len(kept) == 2
    assert len(kept.bad_rows.messages) == 1
    with pytest.raises(UserError, match="has no row to train on"):
        dataset(bad, bad_rows="skip", **options)


def test_options_out_of_range_are_named():
    with pytest.raises(UserError, match=r"code_noise is 5; it must lie in 0\.\.1"):
        ExampleOptions(code_noise=5)
