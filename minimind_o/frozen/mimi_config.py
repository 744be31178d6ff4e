"""Mimi's configuration in moshi's words and in transformers'.

A codec directory of ours holds moshi's: the dictionary that
`moshi.models.loaders.get_mimi` takes. The published `kyutai/mimi` holds that of
`transformers.MimiConfig`, whose defaults are the published codec; kyutai's file has
none beside it and is the same codec.
"""

import inspect
import math
from collections.abc import Mapping
from typing import Any

from transformers import MimiConfig

from minimind_o.errors import UserError, first_line

MODEL_TYPE = "mimi"
# The most of what multiplies the number of layers; kyutai's has 8, 1, 32 and 4.
_MOST_LAYERS: Mapping[tuple[str, str], int] = {
    ("transformer", "num_layers"): 64,
    ("seanet", "n_residual_layers"): 16,
    ("quantizer", "n_q"): 64,
    ("seanet", "ratios"): 8,
}
_MOST = 1 << 20
"""Of any other number; a width of that size fits no weights."""
# Of a transformers configuration; all others are not about the codec, and some cost
# memory: `num_labels` makes a dictionary of so many names.
_KNOWN = frozenset(inspect.signature(MimiConfig).parameters)

# moshi's section and name -> transformers' name.
_RENAMED: Mapping[tuple[str, str], str] = {
    ("seanet", "channels"): "audio_channels",
    ("seanet", "dimension"): "hidden_size",
    ("seanet", "causal"): "use_causal_conv",
    ("seanet", "n_filters"): "num_filters",
    ("seanet", "n_residual_layers"): "num_residual_layers",
    ("seanet", "compress"): "compress",
    ("seanet", "dilation_base"): "dilation_growth_rate",
    ("seanet", "kernel_size"): "kernel_size",
    ("seanet", "residual_kernel_size"): "residual_kernel_size",
    ("seanet", "last_kernel_size"): "last_kernel_size",
    ("seanet", "pad_mode"): "pad_mode",
    ("seanet", "ratios"): "upsampling_ratios",
    ("quantizer", "dimension"): "codebook_dim",
    ("quantizer", "n_q"): "num_quantizers",
    ("quantizer", "bins"): "codebook_size",
    ("quantizer", "input_dimension"): "hidden_size",
    ("quantizer", "output_dimension"): "hidden_size",
    ("transformer", "d_model"): "hidden_size",
    ("transformer", "num_heads"): "num_attention_heads",
    ("transformer", "num_layers"): "num_hidden_layers",
    ("transformer", "layer_scale"): "layer_scale_initial_scale",
    ("transformer", "context"): "sliding_window",
    ("transformer", "max_period"): "rope_theta",
    ("transformer", "dim_feedforward"): "intermediate_size",
    ("transformer", "input_dimension"): "hidden_size",
}
# What transformers' class always does.
_FIXED: Mapping[str, Mapping[str, Any]] = {
    "seanet": {
        "activation": "ELU",
        "disable_norm_outer_blocks": 0,
        "norm": "none",
        "true_skip": True,
    },
    "quantizer": {},
    "transformer": {
        "causal": True,
        "conv_layout": True,
        "gating": "none",
        "norm": "layer_norm",
        "positional_embedding": "rope",
    },
}


def to_moshi_config(values: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The dictionary for `get_mimi` from the fields of a `MimiConfig`.

    Raises:
        UserError: a field is no `MimiConfig`'s, or moshi has no such codec.
    """
    try:
        return _to_moshi_config(values, source)
    except UserError:
        raise
    except Exception as error:  # the class checks little, and runs into the rest
        raise UserError(
            f"{source} is not a Mimi configuration ({first_line(error)[:200]})."
        ) from None


def _to_moshi_config(values: Mapping[str, Any], source: str) -> dict[str, Any]:
    fields = MimiConfig(**{n: v for n, v in values.items() if n in _KNOWN})
    config: dict[str, Any] = {
        "sample_rate": fields.sampling_rate,
        "channels": fields.audio_channels,
        "frame_rate": float(fields.frame_rate),
        **{section: dict(fixed) for section, fixed in _FIXED.items()},
    }
    stride = fields.encodec_frame_rate / fields.frame_rate
    if stride != 2:
        raise UserError(
            f"{source} has frames of {stride:g} encoder frames; transformers' codec "
            "always takes 2."
        )
    for (section, name), theirs in _RENAMED.items():
        config[section][name] = getattr(fields, theirs)
    config["transformer"]["output_dimensions"] = [fields.hidden_size]
    again = MimiConfig(**_fields(config)).to_dict()
    for name, value in fields.to_dict().items():
        if name in _DECIDING and again[name] != value:
            raise UserError(
                f"{source} gives {name} as {repr(value)[:40]}; moshi's codec has "
                f"{again[name]!r}."
            )
    return config


def check_moshi_config(config: Any, source: str) -> None:
    """Refuse, unbuilt, a dictionary for `get_mimi` of absurd sizes.

    Raises:
        UserError: naming the number and the most that it may be.
    """
    if not isinstance(config, Mapping):
        raise UserError(f"{source} is not a Mimi configuration: it is no JSON object.")
    for section, fields in (("", config), *config.items()):
        for name, value in fields.items() if isinstance(fields, Mapping) else ():
            most = _MOST_LAYERS.get((section, name), _MOST)
            numbers = value if isinstance(value, list) else [value]
            if isinstance(value, list) and (section, name) in _MOST_LAYERS:
                numbers = [len(value), *value]
            for number in numbers:
                is_number = isinstance(number, int | float)
                if is_number and not (math.isfinite(number) and abs(number) <= most):
                    raise UserError(
                        f"{source} is not a Mimi configuration: {section}.{name} is "
                        f"{str(number)[:40]}; the most is {most}."
                    )


def to_transformers_config(config: Mapping[str, Any], source: str) -> MimiConfig:
    """The `MimiConfig` of a dictionary for `get_mimi`.

    Raises:
        UserError: a value that transformers' class cannot have.
    """
    fields = _fields(config)
    again = to_moshi_config(fields, source)
    for section in _FIXED:
        for name, value in config[section].items():
            if again[section].get(name, value) != value:
                raise UserError(
                    f"{source} gives {section}.{name} as {value!r}; transformers' "
                    f"codec has {again[section][name]!r}."
                )
    return MimiConfig(**fields)


def _fields(config: Mapping[str, Any]) -> dict[str, Any]:
    fields = {theirs: config[s][name] for (s, name), theirs in _RENAMED.items()}
    return fields | {
        "sampling_rate": config["sample_rate"],
        "frame_rate": config["frame_rate"],
        "vector_quantization_hidden_dimension": fields["codebook_dim"],
        "num_key_value_heads": fields["num_attention_heads"],
        "upsample_groups": fields["hidden_size"],
    }


# Fields of transformers' that moshi's dictionary does not name, and that decide what
# the codec computes.
_DECIDING = (
    "vector_quantization_hidden_dimension",
    "num_semantic_quantizers",
    "num_key_value_heads",
    "upsample_groups",
    "use_conv_shortcut",
    "trim_right_ratio",
    "hidden_act",
    "norm_eps",
    "attention_bias",
    "head_dim",
)
