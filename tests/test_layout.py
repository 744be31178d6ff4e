"""The layout's invariants, and the released layout to the integer."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from minimind_o import tokenizer
from minimind_o.chat import add_media
from minimind_o.errors import UserError
from minimind_o.layout import (
    IGNORE,
    LayoutSpec,
    build_example,
    build_prompt,
    example_length,
    frame_position,
    read_codes,
)

SPEC = LayoutSpec()
NUM_ROWS = 7
MAX_LENGTH = 256


def build_golden(shared, row_number):
    """Build one row of the golden Parquet as its makers did."""
    row = pq.read_table(shared / "golden/layout.parquet").to_pylist()[row_number]
    expected = {
        name.split(".", 1)[1]: array
        for name, array in load_file(shared / "golden/layout.safetensors").items()
        if name.startswith(f"{row_number}.")
    }
    turns = json.loads(row["conversations"])
    audio_frames = int(expected["num_audio_frames"][0])
    image_tokens = 64 if row["image_bytes"] else 0
    content = turns[-2]["content"]
    turns[-2]["content"] = add_media(content, audio_frames, image_tokens)
    text = tokenizer.load(shared / "released").encode_conversation(turns)
    answers, reference = row["answer_audios"], row["ref_audios"]
    example = build_example(
        SPEC,
        text.text_ids,
        text.assistant_start,
        np.reshape(answers[-1], (-1, 8)).T if answers else None,
        np.reshape(reference, (-1, 8)).T if reference else None,
        has_speaker=bool(row["spk_emb"]),
        label_start=text.label_start,
        max_length=MAX_LENGTH,
        pad_to=MAX_LENGTH,
        half_frames="keep",
    )
    return example, expected


@pytest.mark.parametrize("row_number", range(NUM_ROWS))
def test_reproduces_the_released_layout_to_the_integer(shared, row_number):
    example, expected = build_golden(shared, row_number)
    for name in ("input_ids", "text_labels", "audio_labels"):
        np.testing.assert_array_equal(getattr(example, name), expected[name], name)


def test_golden_truncation_is_reported_and_by_default_leaves_no_half_frame(shared):
    example, _ = build_golden(shared, 6)
    assert example.text_truncated
    assert example.audio_truncated
    assert not example.stop_labelled
    assert example.num_frames + example.dropped_frames == 400
    labelled = (example.audio_labels != IGNORE).sum(axis=1)
    assert labelled[0] > labelled[7] == example.num_frames


@st.composite
def layouts(draw):
    """Arguments of build_example, any sizes, with and without speech and voice."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    text_length = draw(st.integers(2, 40))
    start = draw(st.integers(1, text_length))

    def maybe_codes(most):
        frames = draw(st.none() | st.integers(0, most))
        return None if frames is None else rng.integers(0, 2048, (8, frames))

    return {
        "text_ids": rng.integers(1, 6400, text_length),
        "assistant_start": start,
        "answer_codes": maybe_codes(30),
        "reference_codes": maybe_codes(50),
        "has_speaker": draw(st.booleans()),
    }


lengths = st.none() | st.integers(2, 80)
specs = st.sampled_from([0, 1, 2, 3]).map(lambda d: LayoutSpec(codebook_delay=d))
"""The released delay and others."""


@given(layouts(), lengths, st.sampled_from(["drop", "keep"]))
def test_every_label_is_the_next_input(arguments, max_length, half_frames):
    example = build_example(
        SPEC, **arguments, max_length=max_length, half_frames=half_frames
    )
    labels = np.vstack([example.audio_labels, example.text_labels])
    labelled = labels != IGNORE
    np.testing.assert_array_equal(labels[labelled], example.grid[:, 1:][labelled])
    assert example.input_ids.shape == labels.shape


@given(layouts(), lengths, specs)
def test_only_answer_codes_and_their_stop_are_audio_targets(
    arguments, max_length, spec
):
    example = build_example(
        spec, **arguments, max_length=max_length, half_frames="keep"
    )
    start, length = arguments["assistant_start"], example.grid.shape[1]
    answer = arguments["answer_codes"]
    for q in range(8):
        positions = np.flatnonzero(example.audio_labels[q] != IGNORE)
        if answer is None:
            assert len(positions) == 0
            continue
        first = spec.frame_position(start, q, 0) - 1
        last = min(spec.frame_position(start, q, answer.shape[1]), length - 1) - 1
        np.testing.assert_array_equal(positions, np.arange(first, last + 1))
    assert not (example.audio_labels == SPEC.audio_speaker_token).any()
    assert not (example.audio_labels == SPEC.audio_pad_token).any()


@given(layouts())
def test_layer_q_is_delayed_by_q_plus_one_and_pad_before(arguments):
    example = build_example(SPEC, **arguments)
    start, answer = arguments["assistant_start"], arguments["answer_codes"]
    if answer is None:
        return
    frames = answer.shape[1]
    for q in range(8):
        stream = example.grid[q]
        assert (stream[start : start + q + 1] == SPEC.audio_pad_token).all()
        begin = start + q + 1
        np.testing.assert_array_equal(stream[begin : begin + frames], answer[q])
        assert stream[begin + frames] == SPEC.audio_stop_token
        assert (stream[begin + frames + 1 :] == SPEC.audio_pad_token).all()


@given(layouts())
def test_voice_prompt_is_right_aligned_and_leaves_the_speakers_place(arguments):
    grid = build_example(SPEC, **arguments).grid
    start, reference = arguments["assistant_start"], arguments["reference_codes"]
    room = 0 if reference is None else min(reference.shape[1], start - 1)
    if room:
        np.testing.assert_array_equal(
            grid[:8, start - room : start], reference[:, -room:]
        )
    before = grid[:8, : start - room]
    speakers = np.argwhere(before == SPEC.audio_speaker_token)
    if arguments["has_speaker"]:
        assert {int(p) for _, p in speakers} == {start - room - 1}
        assert len(speakers) == 8
        before = before[:, :-1]
    else:
        assert len(speakers) == 0
    assert (before == SPEC.audio_pad_token).all()


@given(layouts())
def test_text_is_learned_from_the_answer_on_and_followed_by_unlearned_pad(arguments):
    example = build_example(SPEC, **arguments)
    text, start = arguments["text_ids"], arguments["assistant_start"]
    np.testing.assert_array_equal(example.grid[8, : len(text)], text)
    assert (example.grid[8, len(text) :] == SPEC.pad_token_id).all()
    positions = np.flatnonzero(example.text_labels != IGNORE)
    np.testing.assert_array_equal(positions, np.arange(start - 1, len(text) - 1))


@given(layouts(), specs)
def test_another_delay_moves_each_layer_by_its_own_number_of_steps(arguments, spec):
    released = build_example(SPEC, **arguments)
    other = build_example(spec, **arguments)
    answer, start = arguments["answer_codes"], arguments["assistant_start"]
    if answer is None:
        np.testing.assert_array_equal(other.grid, released.grid)
        return
    sounds = answer.shape[1] + 1  # the stop among them
    for q in range(8):
        here, there = (s.frame_position(start, q, 0) for s in (spec, SPEC))
        assert here - there == (spec.codebook_delay - 1) * q
        np.testing.assert_array_equal(
            other.grid[q, here : here + sounds],
            released.grid[q, there : there + sounds],
        )
        assert (other.grid[q, start:here] == SPEC.audio_pad_token).all()


@given(layouts(), specs)
def test_reading_back_inverts_building(arguments, spec):
    example = build_example(spec, **arguments)
    answer = arguments["answer_codes"]
    codes = read_codes(spec, example.grid, example.assistant_start)
    expected = np.empty((8, 0)) if answer is None else answer
    np.testing.assert_array_equal(codes, expected)
    assert example.num_frames == expected.shape[1]
    assert example.dropped_frames == 0
    assert example.stop_labelled == (answer is not None)
    assert not example.text_truncated
    assert not example.audio_truncated


@given(layouts(), st.integers(2, 80), specs)
def test_truncation_keeps_whole_frames_and_says_what_it_dropped(
    arguments, max_length, spec
):
    example = build_example(spec, **arguments, max_length=max_length)
    uncut = build_example(spec, **arguments)
    assert example.grid.shape[1] <= max_length
    np.testing.assert_array_equal(
        example.grid, uncut.grid[:, : example.grid.shape[1]], "not a prefix"
    )
    counts = (example.audio_labels != IGNORE).sum(axis=1)
    assert len(set(counts.tolist())) == 1, "a half-labelled frame"
    assert counts[0] == example.num_frames + example.stop_labelled
    assert example.num_frames + example.dropped_frames == uncut.num_frames
    codes = read_codes(spec, example.grid, example.assistant_start)
    assert codes.shape[1] == example.num_frames
    assert example.text_truncated == (len(arguments["text_ids"]) > max_length)
    fits = uncut.grid.shape[1] <= max_length
    assert fits <= (not example.audio_truncated and not example.text_truncated)


@given(layouts())
def test_a_prompt_is_the_example_up_to_the_answer(arguments):
    start = arguments["assistant_start"]
    example = build_example(SPEC, **arguments)
    prompt = build_prompt(
        SPEC,
        arguments["text_ids"][:start],
        arguments["reference_codes"],
        arguments["has_speaker"],
    )
    np.testing.assert_array_equal(prompt, example.grid[:, :start])


@given(layouts(), st.integers(0, 90), specs)
@settings(max_examples=50)
def test_example_length_is_the_uncut_length(arguments, pad_to, spec):
    answer = arguments["answer_codes"]
    frames = None if answer is None else answer.shape[1]
    length = example_length(
        spec, len(arguments["text_ids"]), arguments["assistant_start"], frames
    )
    grid = build_example(spec, **arguments, pad_to=pad_to).grid
    assert grid.shape[1] == max(length, pad_to)


def test_bad_arguments_are_named():
    codes = np.zeros((8, 2), int)
    with pytest.raises(UserError, match=r"assistant_start is 0; it must lie in 1\.\.3"):
        build_example(SPEC, [1, 2, 3], 0, codes)
    with pytest.raises(UserError, match=r"answer codes hold 2048; .* 0\.\.2047"):
        build_example(SPEC, [1, 2, 3], 2, codes + 2048)
    with pytest.raises(UserError, match=r"reference codes have shape \(4, 2\)"):
        build_example(SPEC, [1, 2, 3], 2, codes, codes[:4])


def test_reading_back_refuses_a_special_inside_the_answer():
    grid = build_example(SPEC, [1, 2, 3], 2, np.zeros((8, 4), int)).grid
    grid[3, frame_position(2, 3, 1)] = SPEC.audio_speaker_token
    with pytest.raises(UserError, match="read-back codes hold 2051"):
        read_codes(SPEC, grid, 2)
