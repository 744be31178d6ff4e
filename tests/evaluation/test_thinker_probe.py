"""What is kept of the Thinker is what it computes; probes read what is there."""

import numpy as np
import pytest
import torch

from minimind_o import tokenizer as tokenizers
from minimind_o.assets import Assets
from minimind_o.errors import UserError
from minimind_o.evaluation.thinker_probe import (
    SpokenWord,
    chosen_experts,
    heteronyms,
    look_inside,
    probe_layers,
)
from minimind_o.model import OmniModel
from tests.model.tiny import tiny_model


@pytest.fixture(scope="module")
def model() -> OmniModel:
    vocab_size = tokenizers.load(Assets.find().tokenizer).vocab_size
    return tiny_model(vocab_size=vocab_size, max_position_embeddings=512).eval()


def test_the_last_states_are_those_of_the_forward_pass(model: OmniModel) -> None:
    ids = [40, 50, 60, 70, 80]
    inside = look_inside(model, ids)
    num_layers = model.config.num_hidden_layers
    assert inside.states_LTD.shape[:2] == (num_layers + 1, 5)
    with torch.inference_mode():
        embedded = model.thinker.embed_tokens(torch.tensor([ids]))
        bridge, last = model.thinker(embedded)
    bridge_layer = model.config.bridge_index + 1
    torch.testing.assert_close(inside.states_LTD[bridge_layer], bridge[0])
    torch.testing.assert_close(model.thinker.norm(inside.states_LTD[-1]), last[0])
    attention = inside.attention_LHTT
    assert attention.shape == (num_layers, model.config.num_attention_heads, 5, 5)
    torch.testing.assert_close(attention.sum(-1), torch.ones(attention.shape[:-1]))
    assert (attention.triu(1) == 0).all()


def test_the_experts_are_those_that_a_position_goes_to() -> None:
    model = tiny_model(use_moe=True).eval()
    ids = [4, 5, 6, 7, 8]
    chosen = chosen_experts(model, ids)
    assert chosen.shape == (model.config.num_hidden_layers, 5)
    before = look_inside(model, ids).states_LTD
    used = set(chosen[0].tolist())
    assert 0 < len(used) < model.config.num_experts, "or the test says little"
    for index in range(model.config.num_experts):
        expert = model.thinker.layers[0].feed_forward.experts[index]
        weight = expert.down_proj.weight.detach().clone()
        with torch.no_grad():
            expert.down_proj.weight.mul_(2)
        moved = (look_inside(model, ids).states_LTD[1] != before[1]).any(dim=-1)
        assert moved.tolist() == [one == index for one in chosen[0]]
        with torch.no_grad():
            expert.down_proj.weight.copy_(weight)


def test_a_model_without_experts_is_told(model: OmniModel) -> None:
    with pytest.raises(UserError, match="no experts"):
        chosen_experts(model, [40, 50])


def test_heteronyms_come_with_their_sounds_in_both_readings(model: OmniModel) -> None:
    tokenizer = tokenizers.load(Assets.find().tokenizer)
    found = heteronyms(model, tokenizer, ("live", "close"), 40, seed=0)
    assert len(found) == 40
    assert {word.word for word in found} == {"live", "close"}
    sounds = {word.sound for word in found if word.word == "live"}
    assert len(sounds) == 2
    width = model.config.hidden_size
    assert found[0].states_LD.shape == (model.config.num_hidden_layers + 1, width)
    with pytest.raises(UserError, match="hold 0 of the words xylophone"):
        heteronyms(model, tokenizer, ("xylophone",), 1, seed=0)


def test_a_probe_finds_what_a_layer_knows_and_nothing_else() -> None:
    rng = np.random.default_rng(0)

    def words(count: int) -> list[SpokenWord]:
        out = []
        for _ in range(count):
            kind = int(rng.integers(2))
            states = torch.from_numpy(rng.normal(size=(2, 8))).float()
            states[1, 0] = 3.0 * (2 * kind - 1)
            out.append(SpokenWord(word="w", sound="ab"[kind], states_LD=states))
        return out

    shares = probe_layers(words(300), words(300))
    assert 0.35 < shares[0] < 0.65
    assert shares[1] > 0.95
