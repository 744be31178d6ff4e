"""A cut adapter is the nearest of its rank, and a cut model runs as any other."""

import pytest
import torch
import torch.nn.functional as F

from minimind_o.errors import UserError
from minimind_o.evaluation.adapter_ranks import cut_adapters, singular_values
from minimind_o.model import OmniModel
from tests.model.tiny import random_ids, tiny_model


def added(model: OmniModel) -> torch.Tensor:
    embedding = model.talker.code_embedding
    return (F.gelu(embedding.tables) @ embedding.adapters.mT).detach()


@pytest.fixture
def model() -> OmniModel:
    return tiny_model(talker_embedding_rank=4, talker_head_rank=4).eval()


def logits(model: OmniModel) -> torch.Tensor:
    with torch.inference_mode():
        return model(random_ids(1, 6)).audio_logits


def test_at_the_whole_rank_nothing_changes(model: OmniModel) -> None:
    torch.testing.assert_close(logits(cut_adapters(model, 4, 4)), logits(model))


def test_what_a_cut_takes_off_is_the_smallest_singular_values(model) -> None:
    reading, writing = singular_values(model)
    cut = cut_adapters(model, 3, 1)
    lost = (added(model) - added(cut)).flatten(1).norm(dim=1)
    torch.testing.assert_close(lost, reading[:, 3:].norm(dim=1))
    heads, less = (m.talker.code_heads.adapters.detach() for m in (model, cut))
    lost = (heads - less).flatten(1).norm(dim=1)
    torch.testing.assert_close(lost, writing[:, 1:].norm(dim=1))


def test_a_rank_of_0_is_the_shared_table_alone_and_the_model_stays(model) -> None:
    before = added(model).clone()
    cut = cut_adapters(model, 0, 4)
    assert not added(cut).any()
    table = cut.talker.code_embedding.full_table().unflatten(0, (8, -1))
    torch.testing.assert_close(table[0], table[7])
    torch.testing.assert_close(added(model), before)


def test_a_model_without_adapters_is_refused() -> None:
    plain = tiny_model(talker_embedding_rank=0, talker_head_rank=0)
    with pytest.raises(UserError, match="have no adapters"):
        singular_values(plain)
