"""Text for the language model: the same batch whenever it is drawn."""

import itertools

import pytest
import torch

from minimind_o import tokenizer as tokenizers
from minimind_o.assets import Assets
from minimind_o.layout import LayoutSpec
from minimind_o.model.omni import OmniModel
from minimind_o.nano.llm import TextBatches, nano_config


@pytest.fixture(scope="module")
def batches() -> TextBatches:
    """Small batches of the committed tokenizer."""
    tokenizer = tokenizers.load(Assets.find().tokenizer)
    spec = LayoutSpec.from_config(nano_config(tokenizer.vocab_size))
    return TextBatches(tokenizer, spec, seed=3, batch_size=4, pool_batches=3)


def test_a_run_can_go_on_from_any_batch(batches: TextBatches) -> None:
    drawn = list(itertools.islice(batches.iterate(), 8))
    first = [batch for batch, _ in drawn]
    for start in (1, 3, 5):
        position = drawn[start - 1][1]
        later = itertools.islice(batches.iterate([position]), 8 - start)
        for one, (other, _) in zip(first[start:], later, strict=True):
            assert one.keys() == other.keys()
            assert all(torch.equal(one[name], other[name]) for name in one)
    assert len({batch["input_ids"].numpy().tobytes() for batch in first}) == 8


def test_labels_are_the_answers_and_the_next_inputs(batches: TextBatches) -> None:
    batch, _ = next(batches.iterate())
    text, labels = batch["input_ids"][:, 8], batch["text_labels"]
    assert batch["input_ids"].shape == (4, 9, text.shape[1])
    for row in range(4):
        labelled = torch.where(labels[row] >= 0)[0]
        assert len(labelled) > 1
        inner = labelled[labelled + 1 < text.shape[1]]
        following = text[row, inner + 1]
        real = following != 0  # the last label is beyond the inputs of a padded row
        assert torch.equal(labels[row, inner][real], following[real])
        shown = batches.tokenizer.decode(labels[row, labelled].tolist())
        question = batches.tokenizer.decode(text[row, : int(labelled[0])].tolist())
        assert shown
        assert "user" in question
    assert (batch["input_ids"][:, :8] == 513).all()


def test_the_experts_hold_more_and_use_less_than_the_dense_model() -> None:
    dense, experts = (
        OmniModel(nano_config(1396, use_moe=use_moe)).num_parameters()
        for use_moe in (False, True)
    )
    assert dense.total == dense.active
    assert dense.total < experts.total < 1.2 * dense.total
    assert experts.active < 0.6 * dense.active
