"""Batches hold every example once, padded without labels, the same for a seed."""

import numpy as np
import pytest
import torch
from hypothesis import given, reject
from hypothesis import strategies as st

from minimind_o.data.collate import BucketSampler, collate, padded_length
from minimind_o.data.examples import TrainingExample
from minimind_o.errors import UserError
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


lengths = st.lists(st.integers(1, 200), min_size=8, max_size=80)
sizes = st.one_of(
    st.builds(lambda n: {"batch_size": n}, st.integers(2, 9)),
    st.builds(lambda n: {"max_positions": n}, st.integers(1, 900)),
)


@given(lengths, sizes, st.integers(1, 4), st.integers(0, 3), st.booleans())
def test_replicas_see_every_example_once_in_equally_many_batches(
    lengths, size, num_replicas, epoch, shuffle
):
    try:
        samplers = [
            BucketSampler(
                lengths, **size, rank=r, num_replicas=num_replicas, shuffle=shuffle
            )
            for r in range(num_replicas)
        ]
        for sampler in samplers:
            sampler.set_epoch(epoch)
    except UserError:  # nothing left to split, see test_bad_sizes_are_named
        reject()
    batches = [list(sampler) for sampler in samplers]
    assert len({len(own) for own in batches}) == 1
    seen = [index for own in batches for batch in own for index in batch]
    assert sorted(seen) == list(range(len(lengths)))
    for batch in (batch for own in batches for batch in own):
        longest = padded_length(max(lengths[index] for index in batch))
        if "batch_size" in size:
            assert len(batch) <= size["batch_size"]
        else:
            fits = len(batch) * longest <= size["max_positions"]
            assert fits or len(batch) == 1


def test_batches_are_of_similar_length():
    lengths = np.random.default_rng(0).integers(10, 200, 2000)
    sampler = BucketSampler(lengths, max_positions=2000)
    padded = sum(len(b) * padded_length(lengths[b].max()) for b in sampler)
    assert padded / lengths.sum() < 1.05


def test_order_repeats_for_a_seed_and_epoch_and_differs_otherwise():
    lengths = np.random.default_rng(0).integers(10, 60, 300)

    def order(seed, epoch):
        sampler = BucketSampler(lengths, batch_size=8, seed=seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(0, 1) == order(0, 1)
    assert order(0, 1) != order(0, 2)
    assert order(0, 1) != order(1, 1)


def test_an_epoch_can_go_on_where_it_stopped():
    sampler = BucketSampler([10] * 40, batch_size=4)
    sampler.set_epoch(3)
    whole = list(sampler)
    sampler.set_epoch(3, first_batch=6)
    assert list(sampler) == whole[6:]
    assert len(sampler) == 4


def test_bad_sizes_are_named():
    with pytest.raises(UserError, match="either max_positions or batch_size"):
        BucketSampler([1])
    with pytest.raises(UserError, match="at least 1"):
        BucketSampler([1], batch_size=0)
    with pytest.raises(UserError, match="1 examples for 2 processes"):
        BucketSampler([1], batch_size=1, num_replicas=2)
    with pytest.raises(UserError, match="use larger batches"):
        BucketSampler([1, 1, 1], batch_size=1, num_replicas=2)
