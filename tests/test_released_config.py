"""The released config says the same model in other words, both ways."""

import json
from pathlib import Path

import pytest

from minimind_o.config import OmniConfig
from minimind_o.errors import UserError
from minimind_o.released_config import fixed_otherwise, to_released
from tests.model.tiny import tiny_config

RELEASED_FIELDS = {
    # MiniMindConfig
    "hidden_size": 768,
    "num_hidden_layers": 8,
    "use_moe": False,
    "vocab_size": 6400,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 96,
    "hidden_act": "silu",
    "intermediate_size": 2432,
    "max_position_embeddings": 32768,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1e6,
    "tie_word_embeddings": True,
    "inference_rope_scaling": False,
    "num_experts": 4,
    "num_experts_per_tok": 1,
    "moe_intermediate_size": 2432,
    "norm_topk_prob": True,
    "router_aux_loss_coef": 5e-4,
    # OmniConfig
    "num_talker_hidden_layers": 4,
    "talker_hidden_size": 768,
    "audio_ids": [16],
    "audio_hidden_size": 512,
    "audio_vocab_size": 2112,
    "audio_pad_token": 2049,
    "audio_stop_token": 2050,
    "audio_spk_token": 2051,
    "spk_emb_size": 192,
    "image_ids": [12],
    "image_hidden_size": 768,
    "image_token_len": 64,
    "bridge_layer": 3,
}
"""The defaults of the released code, under its names."""
NOT_OF_THE_MODEL = {
    "model_type": "minimind-o",
    "architectures": ["MiniMindOmni"],
    "auto_map": {"AutoConfig": "model_omni.OmniConfig"},
    "dropout": 0.0,
    "flash_attn": True,
    "rope_scaling": None,
    "pad_token_id": None,
    "think_end_ids": [26, 234, 234],
    "audio_special_token": "<|audio_pad|>",
    "transformers_version": "4.57.6",
}


def test_the_released_config_is_our_default() -> None:
    written = to_released(OmniConfig())
    assert {n: written[n] for n in RELEASED_FIELDS} == RELEASED_FIELDS
    assert set(written) - set(RELEASED_FIELDS) == {"model_type", "architectures"}
    read = OmniConfig.from_dict({**RELEASED_FIELDS, **NOT_OF_THE_MODEL})
    assert to_released(read) == written
    assert fixed_otherwise(read) == []
    assert read.pad_token_id == 0


@pytest.mark.parametrize(
    "config",
    [
        OmniConfig(use_moe=True, num_experts_per_token=2, balance_loss_weight=0.1),
        OmniConfig(yarn=True, yarn_factor=4.0, bridge_layer=5, num_image_tokens=16),
        OmniConfig(intermediate_size=1024, speaker_embedding_size=64, rope_theta=1e4),
        tiny_config(pad_token_id=3, stop_loss_weight=2.0, audio_token_id=5),
    ],
)
@pytest.mark.parametrize("language_model", [False, True])
def test_no_field_is_lost_on_the_way(config: OmniConfig, language_model: bool) -> None:
    written = json.loads(json.dumps(to_released(config, language_model)))
    read = OmniConfig.from_dict(written)
    explicit = {
        "bridge_layer": config.bridge_index,
        "intermediate_size": config.thinker_intermediate_size,
    }
    assert read.to_dict() == {**config.to_dict(), **explicit}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"hidden_act": "gelu"}, "hidden_act as 'gelu'"),
        ({"tie_word_embeddings": False}, "tie_word_embeddings as False"),
        ({"norm_topk_prob": False}, "norm_topk_prob as False"),
        ({"head_dim": 64}, "head_dim as 64.* 96"),
        (
            {"use_moe": True, "moe_intermediate_size": 100, "intermediate_size": 64},
            "moe_intermediate_size as 100",
        ),
        ({"audio_ids": [16, 17]}, r"audio_ids as \[16, 17\]"),
        ({"image_ids": 12}, "image_ids as 12"),
        ({"vocab_size": "many"}, "vocab_size as 'many'"),
    ],
)
def test_a_model_that_this_package_cannot_be_is_refused(
    fields: dict, named: str, tmp_path: Path
) -> None:
    values = {"model_type": "minimind-o", **fields}
    (tmp_path / "config.json").write_text(json.dumps(values))
    with pytest.raises(UserError, match=rf"config\.json gives {named}"):
        OmniConfig.load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"talker_head_rank": 64}, ["talker_head_rank=64 (there 256)"]),
        ({"num_attention_heads": 4}, ["num_attention_heads=4 (there 8)"]),
        ({"num_experts": 6}, []),
        ({"num_experts": 6, "use_moe": True}, ["num_experts=6 (there 4)"]),
        ({"intermediate_size": 64}, ["intermediate_size=64 (there 2432)"]),
        (
            {"num_codes": 2000},
            ["num_codes=2000 (there 2048)"],
        ),
    ],
)
def test_what_the_released_code_cannot_run_is_told(
    changes: dict, named: list[str]
) -> None:
    assert fixed_otherwise(OmniConfig(**changes)) == named
