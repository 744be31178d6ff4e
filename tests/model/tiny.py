"""A model small enough for tests, and inputs for it."""

import torch
from torch import Tensor

from minimind_o.config import OmniConfig
from minimind_o.model import OmniModel


def tiny_config(**changes: object) -> OmniConfig:
    """Four Thinker and two Talker blocks of width 32."""
    fields: dict = {
        "vocab_size": 100,
        "hidden_size": 32,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 128,
        "num_talker_hidden_layers": 2,
        "talker_hidden_size": 32,
        "talker_embedding_rank": 8,
        "talker_head_rank": 8,
        "num_codes": 32,
        "audio_vocab_size": 40,
        "audio_pad_token": 33,
        "audio_stop_token": 34,
        "audio_speaker_token": 35,
        "audio_hidden_size": 12,
        "image_hidden_size": 10,
        "num_image_tokens": 4,
        "speaker_embedding_size": 6,
    }
    return OmniConfig(**{**fields, **changes})


def tiny_model(seed: int = 0, **changes: object) -> OmniModel:
    """A random model of `tiny_config`."""
    model = OmniModel(tiny_config(**changes))
    model.init_weights(torch.Generator().manual_seed(seed))
    return model


def random_ids(batch_size: int, length: int, seed: int = 0) -> Tensor:
    """(B, 9, T) ids without placeholders or special codes."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, 32, (batch_size, 9, length), generator=generator)
    ids[:, 8] += 20
    return ids
