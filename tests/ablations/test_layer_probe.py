"""Probes and the lens find in a layer what is there."""

import pytest
import torch

from minimind_o import tokenizer as tokenizers
from minimind_o.ablations import live
from minimind_o.ablations.heteronyms import phrases
from minimind_o.ablations.layer_probe import (
    TokenStates,
    logit_lens,
    other_readings,
    reading_probe,
    token_probes,
    token_states,
)
from minimind_o.assets import Assets
from minimind_o.data.world import held_out_texts
from minimind_o.evaluation.thinker_probe import look_inside
from minimind_o.model import OmniModel
from tests.model.tiny import tiny_model


@pytest.fixture(scope="module")
def tokenizer():
    return tokenizers.load(Assets.find().tokenizer)


@pytest.fixture(scope="module")
def model(tokenizer) -> OmniModel:
    sizes = {"vocab_size": tokenizer.vocab_size, "max_position_embeddings": 512}
    return tiny_model(**sizes).eval()


def test_the_last_layer_under_the_lens_is_the_model_itself(model) -> None:
    ids = [40, 50, 60, 70]
    lens = logit_lens(model, look_inside(model, ids).states_LTD)
    with torch.inference_mode():
        _, last = model.thinker(model.thinker.embed_tokens(torch.tensor([ids])))
        expected = model.thinker.text_logits(last)[0]
    torch.testing.assert_close(lens[-1], expected)
    assert lens.shape[0] == model.config.num_hidden_layers + 1


def test_states_stand_at_the_answers_tokens(model, tokenizer) -> None:
    texts = held_out_texts("en", "test", 2)
    found = token_states(model, tokenizer, texts)
    assert found.states_LND.shape[1] == len(found.here_N) == len(found.next_N)
    said = tokenizer.decode(found.here_N.tolist(), skip_special=True)
    assert "".join(said.split()) == "".join(
        "".join(dialogue.answer.split()) for dialogue in texts
    )
    embedded = model.thinker.embed_tokens.weight[found.here_N]
    torch.testing.assert_close(found.states_LND[0], embedded)


def test_a_layer_that_holds_this_token_or_the_next_is_told() -> None:
    generator = torch.Generator().manual_seed(0)

    def states(count: int) -> TokenStates:
        here = torch.randint(5, (count,), generator=generator)
        after = torch.randint(5, (count,), generator=generator)
        one_hot = torch.nn.functional.one_hot(torch.stack([here, after]), 8).float()
        return TokenStates(states_LND=one_hot, here_N=here, next_N=after)

    here, after = token_probes(states(400), states(200))
    assert here[0] == after[1] == 1.0
    assert here[1] < 0.4
    assert after[0] < 0.4


def test_who_knows_the_word_alone_is_right_in_half(tokenizer, model) -> None:
    words = ("live", "tear")
    chosen = [phrase for phrase in phrases() if phrase.word in words]
    shares, count = reading_probe(model, tokenizer, chosen)
    assert count == len(chosen) == 16
    assert len(shares) == model.config.num_hidden_layers + 1
    assert shares[0] == 0.5


def test_a_reading_that_is_in_the_states_is_found(tokenizer, monkeypatch) -> None:
    from minimind_o.ablations import layer_probe

    chosen = [phrase for phrase in phrases() if phrase.word == "read"]
    sounds = sorted({phrase.sound for phrase in chosen})

    def state(model, tokenizer, phrase):
        known = torch.zeros(2, 3)
        known[:, 0] = 1.0
        known[1, 1] = 2.0 * sounds.index(phrase.sound) - 1
        return known

    monkeypatch.setattr(layer_probe, "_word_state", state)
    shares, _ = reading_probe(None, tokenizer, chosen)
    assert list(shares) == [0.5, 1.0]


def test_a_donor_has_the_same_word_and_the_other_reading() -> None:
    donors = other_readings()
    assert len(donors) == len(phrases())
    for phrase, donor in zip(phrases(), donors, strict=True):
        assert phrases()[donor].word == phrase.word
        assert phrases()[donor].sound != phrase.sound


def test_only_the_words_own_states_are_exchanged(bench, monkeypatch) -> None:
    from minimind_o.ablations import heteronyms, layer_probe

    lives = [phrase for phrase in phrases() if phrase.word == "live"]
    few = (lives[0], lives[-1])
    for module in (heteronyms, layer_probe):
        monkeypatch.setattr(module, "phrases", lambda: few)
    model = OmniModel.from_pretrained(bench.assets.omni).eval()
    prompt = bench.voices[0]
    run = live.shipped(model, bench, prompt)
    monkeypatch.setattr(live, "write_readings", None)  # not written twice
    assert live.shipped(model, bench, prompt).files == run.files
    takes = heteronyms.takes_of(run)
    assert [len(take) for take in takes] == [heteronyms.NUM_READINGS] * len(few)
    assert (takes[0][0].reference_codes == prompt.codes_QT).all()
    untouched = torch.stack(heteronyms.reading_losses(run))
    assert untouched.shape == (2, 2, 8)
    torch.testing.assert_close(
        torch.stack(layer_probe.swapped_losses(run, [0, 1])), untouched
    )
    assert layer_probe.other_readings() == [1, 0]
    swapped = torch.stack(layer_probe.swapped_losses(run, [1, 0]))
    assert not torch.allclose(swapped, untouched)
    torch.testing.assert_close(torch.stack(heteronyms.reading_losses(run)), untouched)
