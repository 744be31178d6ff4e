"""Decoding position by position gives what the full pass gives."""

import pytest
import torch
from torch import Tensor

from minimind_o.errors import UserError
from tests.model.tiny import random_ids, tiny_model


def close(ours: Tensor, theirs: Tensor) -> bool:
    return torch.allclose(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("use_moe", [False, True])
@pytest.mark.parametrize("chunks", [[5, 1, 1, 1, 1, 1], [10], [4, 3, 1, 2], [1] * 10])
@torch.inference_mode()
def test_cached_steps_equal_the_full_pass(use_moe: bool, chunks: list[int]) -> None:
    model = tiny_model(use_moe=use_moe, talker_hidden_size=16)
    ids = random_ids(2, 10)
    full = model(ids)
    cache, end = model.new_cache(2, 10), 0
    for size in chunks:
        text, audio = model.step(ids[:, :, end : end + size], cache)
        end += size
        assert close(text, full.text_logits[:, end - 1])
        assert close(audio, full.audio_logits[:, :, end - 1])
        assert cache.length == end


@torch.inference_mode()
def test_media_enter_with_the_prompt() -> None:
    model, ids = tiny_model(), random_ids(2, 9)
    ids[:, 8, 2:5] = 16
    ids[:, :8, 4] = 35
    media = {
        "audio_states": torch.randn(2, 3, 12),
        "speaker_embedding": torch.randn(2, 6),
    }
    full = model(ids, **media)
    cache = model.new_cache(2, 9)
    model.step(ids[:, :, :7], cache, **media)
    for position in (7, 8):
        text, audio = model.step(ids[:, :, position : position + 1], cache)
        assert close(text, full.text_logits[:, position])
        assert close(audio, full.audio_logits[:, :, position])


@torch.inference_mode()
def test_without_text_the_audio_is_the_same() -> None:
    model, ids = tiny_model(), random_ids(1, 8)
    full = model(ids)
    cache = model.new_cache(1, 8)
    model.step(ids[:, :, :5], cache)
    for position in range(5, 8):
        ids_11 = ids[:, :, position : position + 1]
        text, audio = model.step(ids_11, cache, with_text=False)
        assert text is None
        assert close(audio, full.audio_logits[:, :, position])


@torch.inference_mode()
def test_a_truncated_cache_goes_on_as_if_the_rest_had_not_been() -> None:
    model, ids, others = tiny_model(), random_ids(1, 8), random_ids(1, 8, seed=1)
    cache = model.new_cache(1, 16)
    model.step(torch.cat([ids[:, :, :5], others], dim=2), cache)
    cache.truncate(5)
    text, audio = model.step(ids[:, :, 5:], cache)
    full = model(ids)
    assert close(text, full.text_logits[:, -1])
    assert close(audio, full.audio_logits[:, :, -1])


@torch.inference_mode()
def test_a_full_cache_says_so() -> None:
    model = tiny_model()
    cache = model.new_cache(1, 4)
    with pytest.raises(UserError, match="max_length=4"):
        model.step(random_ids(1, 5), cache)
    with pytest.raises(UserError, match="129 positions"):
        model.new_cache(1, 129)
