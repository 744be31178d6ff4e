"""The `config.json` of the released model, in and out.

Known facts (github.com/jingyaogong/minimind-o, `model/model_omni.py`, class OmniConfig,
and github.com/jingyaogong/minimind, `model/model_minimind.py`, class MiniMindConfig):
the names of the fields below, their defaults, `model_type` `minimind-o` for the omni
model and `minimind` for the language model, and what the code fixes whatever the config
says (`FIXED` and `fixed_otherwise`). transformers writes the fields with
`save_pretrained`; its own (`architectures`, `dtype`, ...) say nothing about the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from minimind_o.errors import UserError

if TYPE_CHECKING:
    from minimind_o.config import OmniConfig

OMNI_TYPE = "minimind-o"
LANGUAGE_MODEL_TYPE = "minimind"
SPECIAL_CODES = 64
"""Ids that the released audio vocabulary keeps free above the codes."""

# The released name -> ours, where they differ.
_RENAMED = {
    "num_experts_per_tok": "num_experts_per_token",
    "router_aux_loss_coef": "balance_loss_weight",
    "inference_rope_scaling": "yarn",
    "image_token_len": "num_image_tokens",
    "audio_spk_token": "audio_speaker_token",
    "spk_emb_size": "speaker_embedding_size",
}
# Lists there, of one id; one id here.
_LISTED = {"audio_ids": "audio_token_id", "image_ids": "image_token_id"}
# Both alike.
_LANGUAGE_MODEL = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "rms_norm_eps",
    "rope_theta",
    "max_position_embeddings",
    "use_moe",
    "num_experts",
)
_OMNI = (
    "num_talker_hidden_layers",
    "talker_hidden_size",
    "audio_vocab_size",
    "audio_pad_token",
    "audio_stop_token",
    "audio_hidden_size",
    "image_hidden_size",
)
FIXED: Mapping[str, Any] = {
    "talker_embedding_rank": 256,
    "talker_head_rank": 256,
    "num_codebooks": 8,
    "codebook_delay": 1,
    "stop_loss_weight": 10.0,
    "yarn_factor": 16.0,
    "yarn_beta_fast": 32.0,
    "yarn_beta_slow": 1.0,
    "yarn_original_max_position_embeddings": 2048,
    "pad_token_id": 0,
}
"""Our fields that the released config has not: the value that its code takes."""
# The released Talker is built from the defaults of these, whatever the config says.
_FIXED_IN_TALKER: Mapping[str, Any] = {
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "rms_norm_eps": 1e-6,
}
_FIXED_IN_TALKERS_EXPERTS: Mapping[str, Any] = {
    "num_experts": 4,
    "num_experts_per_token": 1,
}
_RELEASED_ONLY = {"model_type", *_RENAMED, *_LISTED}


def is_released(values: Mapping[str, Any]) -> bool:
    """Whether a config's fields are the released ones and not ours."""
    return not _RELEASED_ONLY.isdisjoint(values)


def from_released(values: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Our fields from the released ones; what is not about the model may be among them.

    A field of ours that the released config has not (`FIXED`) is taken where it is
    there, so that `to_released` loses nothing.

    Raises:
        UserError: the config describes a model that this package cannot be.
    """
    values = {name: value for name, value in values.items() if value is not None}
    _check(values, source)
    ours = {_RENAMED.get(name, name): value for name, value in values.items()}
    for theirs, name in _LISTED.items():
        if theirs in ours:
            ours[name] = ours.pop(theirs)[0]
    if isinstance(ours.get("audio_vocab_size"), int):
        ours.setdefault("num_codes", ours["audio_vocab_size"] - SPECIAL_CODES)
    return ours


def to_released(config: OmniConfig, language_model: bool = False) -> dict[str, Any]:
    """The released config of the same model, every field that its code reads in it.

    Args:
        config: ours.
        language_model: of the Thinker alone, as `MiniMindForCausalLM` reads it; what
            is said of the Talker that may come is nothing to it.
    """
    there = {ours: theirs for theirs, ours in _RENAMED.items()}

    def taken(*names: str) -> dict[str, Any]:
        return {there.get(name, name): getattr(config, name) for name in names}

    width = config.thinker_intermediate_size
    values = {
        "architectures": ["MiniMindForCausalLM" if language_model else "MiniMindOmni"],
        "model_type": LANGUAGE_MODEL_TYPE if language_model else OMNI_TYPE,
        **taken(*_LANGUAGE_MODEL, "yarn"),
        "head_dim": config.hidden_size // config.num_attention_heads,
        "hidden_act": "silu",
        "intermediate_size": width,
        "moe_intermediate_size": width,
        **taken("num_experts_per_token", "balance_loss_weight"),
        "norm_topk_prob": True,
        "tie_word_embeddings": True,
        **taken(*_OMNI),
        **taken("audio_speaker_token", "speaker_embedding_size", "num_image_tokens"),
        **{theirs: [getattr(config, ours)] for theirs, ours in _LISTED.items()},
        "bridge_layer": config.bridge_index,
    }
    unsaid = {**FIXED, "num_codes": config.audio_vocab_size - SPECIAL_CODES}
    departures = _departures(config, unsaid)
    return values | {name: value for name, (value, _) in departures.items()}


def fixed_otherwise(config: OmniConfig) -> list[str]:
    """Where an omni model departs from what the released code fixes.

    Each as `name=value (there value)`; none for a model that the released code can run.
    """
    from minimind_o.config import swiglu_width  # which imports this module

    fixed = {**FIXED, **_FIXED_IN_TALKER, "num_codes": 2048}
    if config.use_moe:
        fixed |= _FIXED_IN_TALKERS_EXPERTS
    departures = _departures(config, fixed)
    mine, theirs = (
        config.talker_intermediate_size,
        swiglu_width(config.talker_hidden_size),
    )
    if mine != theirs:
        departures["intermediate_size"] = (mine, theirs)
    return [
        f"{name}={mine} (there {theirs})" for name, (mine, theirs) in departures.items()
    ]


def _departures(
    config: OmniConfig, fixed: Mapping[str, Any]
) -> dict[str, tuple[Any, Any]]:
    """Name -> the config's value and the fixed one, where they differ."""
    return {
        name: (getattr(config, name), value)
        for name, value in fixed.items()
        if getattr(config, name) != value
    }


def _check(values: Mapping[str, Any], source: str) -> None:
    wanted: dict[str, Any] = {
        "hidden_act": "silu",
        "norm_topk_prob": True,
        "tie_word_embeddings": True,
    }
    width, heads = values.get("hidden_size", 768), values.get("num_attention_heads", 8)
    if isinstance(width, int) and isinstance(heads, int) and heads > 0:
        wanted["head_dim"] = width // heads
    if values.get("use_moe") and "intermediate_size" in values:
        wanted["moe_intermediate_size"] = values["intermediate_size"]
    for name, value in wanted.items():
        if values.get(name, value) != value:
            raise UserError(
                f"{source} gives {name} as {repr(values[name])[:40]}; this package's "
                f"model has {value!r}."
            )
    for name in _LISTED:
        ids = values.get(name, [0])
        if not isinstance(ids, list) or len(ids) != 1:
            raise UserError(
                f"{source} gives {name} as {repr(ids)[:40]}; it must be a list of one "
                "id."
            )
