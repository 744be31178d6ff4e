"""Configs read back as written, and refuse what cannot be."""

import json
from pathlib import Path

import pytest

from minimind_o.config import OmniConfig
from minimind_o.errors import UserError
from minimind_o.model.omni import OmniModel


def test_load_reads_what_save_wrote(tmp_path: Path) -> None:
    config = OmniConfig(hidden_size=256, talker_hidden_size=128, bridge_layer=2)
    config.save(tmp_path)
    assert OmniConfig.load(tmp_path) == config


def test_released_fields_are_understood() -> None:
    config = OmniConfig.from_dict(
        {
            "model_type": "minimind-o",
            "architectures": ["MiniMindOmni"],
            "image_token_len": 4,
            "audio_vocab_size": 192,
            "audio_pad_token": 129,
            "audio_stop_token": 130,
            "audio_spk_token": 131,
        }
    )
    assert config.num_image_tokens == 4
    assert config.audio_speaker_token == 131
    assert config.num_codes == 128


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"bridge_layer": 8}, "nor -1, its embedding"),
        ({"bridge_layer": -2}, "from -1 to 127"),
        ({"talker_head_rank": -2}, "from -1 to 32768"),
        ({"codebook_delay": -1}, "codebook_delay=-1 must be a whole number from 0"),
    ],
)
def test_what_no_ablation_can_be_is_refused(change: dict, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        OmniConfig(**change)


def test_intermediate_sizes_follow_the_widths() -> None:
    config = OmniConfig(talker_hidden_size=256)
    assert config.thinker_intermediate_size == 2432
    assert config.talker_intermediate_size == 832


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"hidden_size": 100}, "hidden_size=100"),
        ({"num_key_value_heads": 3}, "num_key_value_heads=3"),
        ({"bridge_layer": 8}, "bridge_layer=8"),
        ({"num_experts_per_token": 5}, "num_experts_per_token=5"),
        ({"audio_stop_token": 2049}, "three different ids"),
        ({"audio_stop_token": 7}, "three different ids"),
    ],
)
def test_impossible_values_are_named(fields: dict, named: str) -> None:
    with pytest.raises(UserError, match=named):
        OmniConfig(**fields)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"num_hidden_layers": 10**9}, "num_hidden_layers=1000000000 must be a whole"),
        ({"hidden_size": 10**30}, "hidden_size=10+ must be a whole number from 1"),
        ({"hidden_size": 768.0}, r"hidden_size=768\.0 must be a whole number"),
        ({"num_attention_heads": 0}, "num_attention_heads=0 must be"),
        ({"num_experts": True}, "num_experts=True must be a whole number"),
        ({"rope_theta": float("nan")}, "rope_theta=nan must be a number"),
        ({"rms_norm_eps": float("inf")}, "rms_norm_eps=inf must be a number"),
        ({"use_moe": 1}, "use_moe=1 must be true or false"),
        ({"vocab_size": None}, "vocab_size=None must be a whole number"),
        (
            {
                "hidden_size": 32_768,
                "talker_hidden_size": 1_024,
                "num_hidden_layers": 128,
                "num_attention_heads": 512,
            },
            "billion parameters; the most is 20 billion",
        ),
        ({"max_position_embeddings": 1 << 20}, "rotary tables of 101 million numbers"),
    ],
)
def test_absurd_sizes_are_refused_before_anything_is_built(
    fields: dict, named: str
) -> None:
    with pytest.raises(UserError, match=named):
        OmniConfig(**fields)
    with pytest.raises(UserError, match=r"some/config.json (describes no model|gives)"):
        OmniConfig.from_dict(fields, source="some/config.json")


def test_the_count_of_parameters_is_nearly_that_of_the_model() -> None:
    for config in (OmniConfig(), OmniConfig(use_moe=True)):
        shapes = OmniModel.parameter_shapes(config)
        whole = sum(shape.numel() for shape in shapes.values())
        assert 0.8 * whole < config.least_num_parameters <= whole


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", "not valid JSON"),
        ("[]", "one JSON object"),
        (json.dumps({"hidden_sise": 64}), "hidden_sise"),
        (json.dumps({"hidden_size": "64"}), "hidden_size as '64'"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UserError, match=named) as error:
        OmniConfig.load(tmp_path)
    assert "config.json" in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"config\.json"):
        OmniConfig.load(tmp_path / "nowhere")
