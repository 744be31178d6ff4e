"""Batches hold every example once, padded without labels."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from minimind_o.data.collate import collate, length_batches, padded_length
from minimind_o.data.examples import TrainingExample
from minimind_o.layout import LayoutSpec

SPEC = LayoutSpec()


def example(length, speaker=None):
    rng = np.random.default_rng(length)
    return TrainingExample(
        input_ids=rng.integers(0, 2048, (9, length), dtype=np.int32),
        text_labels=rng.integers(0, 2048, length, dtype=np.int32),
        audio_labels=rng.integers(0, 2048, (8, length), dtype=np.int32),
        alignment=rng.integers(-1, length, length, dtype=np.int32),
        assistant_start=length // 2,
        speaker_embedding=speaker,
    )


def test_padding_fills_to_a_multiple_of_eight_and_carries_no_label():
    examples = [example(13), example(18)]
    batch = collate(SPEC, examples)
    assert batch["input_ids"].shape == (2, 9, 24)
    assert batch["text_labels"].shape == batch["alignment"].shape == (2, 24)
    assert batch["audio_labels"].shape == (2, 8, 24)
    assert batch["lengths"].tolist() == [13, 18]
    assert batch["assistant_start"].tolist() == [6, 9]
    assert all(tensor.dtype == torch.int64 for tensor in batch.values())
    for row, source in enumerate(examples):
        length = len(source.text_labels)
        for name in ("input_ids", "text_labels", "audio_labels", "alignment"):
            kept = batch[name][row][..., :length].numpy()
            np.testing.assert_array_equal(kept, getattr(source, name), name)
        assert (batch["input_ids"][row, :8, length:] == SPEC.audio_pad_token).all()
        assert (batch["input_ids"][row, 8, length:] == SPEC.pad_token_id).all()
        assert (batch["text_labels"][row, length:] == -100).all()
        assert (batch["audio_labels"][row, :, length:] == -100).all()
        assert (batch["alignment"][row, length:] == -1).all()


def test_speakers_are_stacked_where_any_is_known():
    assert "speaker_embedding" not in collate(SPEC, [example(5)])
    known = example(6, np.full(192, 0.5, np.float32))
    speakers = collate(SPEC, [example(5), known])["speaker_embedding"]
    assert speakers.shape == (2, 192)
    assert speakers.sum(1).tolist() == [0, 96]


sizes = st.one_of(
    st.builds(lambda n: {"batch_size": n}, st.integers(1, 9)),
    st.builds(lambda n: {"max_positions": n}, st.integers(1, 900)),
)


@given(st.lists(st.integers(1, 200), max_size=80), sizes)
def test_batches_hold_every_example_once_and_no_more_than_they_may(lengths, size):
    batches = length_batches(lengths, **size)
    assert sorted(index for batch in batches for index in batch) == list(
        range(len(lengths))
    )
    for batch in batches:
        longest = padded_length(max(lengths[index] for index in batch))
        if "batch_size" in size:
            assert len(batch) <= size["batch_size"]
        else:
            fits = len(batch) * longest <= size["max_positions"]
            assert fits or len(batch) == 1


def test_batches_are_of_similar_length():
    lengths = np.random.default_rng(0).integers(10, 200, 2000)
    batches = length_batches(lengths, max_positions=2000)
    padded = sum(len(b) * padded_length(lengths[b].max()) for b in batches)
    assert padded / lengths.sum() < 1.05


def test_examples_of_one_length_keep_their_order():
    assert length_batches([5, 20, 6, 21, 7], batch_size=2) == [[0, 2], [4, 1], [3]]
