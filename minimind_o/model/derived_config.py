"""A model's config from the shapes of its parameters, where no config.json says it.

The released `.pth` files are bare state dicts. What no shape tells (base of the rotary
embedding, context, bridge, experts per position, ids of the placeholders) is that of
the released model: the defaults of `OmniConfig`. The special audio codes follow the
codes, as there: the vocabulary is the codes and 64 ids more, of which pad, stop and
speaker are the second to the fourth.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from minimind_o.config import OmniConfig, swiglu_width
from minimind_o.errors import UserError
from minimind_o.model.names import TEXT_EMBEDDING
from minimind_o.released_config import SPECIAL_CODES

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class _Shapes:
    shapes: Mapping[str, Shape]
    source: str

    def of(self, name: str, num_dimensions: int = 2) -> Shape:
        shape = self.shapes.get(name, ())
        if len(shape) != num_dimensions or 0 in shape:
            found = f"has {name} of shape {shape}" if shape else f"lacks {name}"
            raise self.refused(f"it {found}")
        return shape

    def count(self, pattern: str) -> int:
        """How many different numbers stand where `pattern` has its group."""
        found = (re.match(pattern, name) for name in self.shapes)
        return len({match[1] for match in found if match})

    def refused(self, reason: str) -> UserError:
        return UserError(
            f"No config can be derived from the shapes in {self.source}: {reason}; put "
            "the model's config.json beside it, under the same name ending in .json."
        )


def config_from_shapes(
    shapes: Mapping[str, Shape], source: str, language_model: bool
) -> OmniConfig:
    """The config of the model whose parameters, in the released names, are so large.

    Args:
        shapes: released name -> shape.
        source: the file, for messages.
        language_model: the Thinker alone; the rest is that of the released model.

    Raises:
        UserError: the shapes do not tell, or contradict each other; says where.
    """
    known = _Shapes(shapes=shapes, source=source)
    fields = _thinker_fields(known)
    if not language_model:
        fields |= _talker_fields(known, fields)
        fields |= _media_fields(known)
    return OmniConfig(**fields)


def _thinker_fields(known: _Shapes) -> dict[str, Any]:
    vocab_size, width = known.of(TEXT_EMBEDDING)
    feed_forward, num_experts = "model.layers.0.mlp", None
    if f"{feed_forward}.gate.weight" in known.shapes:
        num_experts, _ = known.of(f"{feed_forward}.gate.weight")
        feed_forward += ".experts.0"
    inner, _ = known.of(f"{feed_forward}.gate_proj.weight")
    heads, key_value_heads = _heads(known, "model", width)
    fields = {
        "vocab_size": vocab_size,
        "hidden_size": width,
        "num_hidden_layers": known.count(r"model\.layers\.(\d+)\."),
        "num_attention_heads": heads,
        "num_key_value_heads": key_value_heads,
        "intermediate_size": None if inner == swiglu_width(width) else inner,
    }
    if num_experts is not None:
        fields |= {"use_moe": True, "num_experts": num_experts}
    return fields


def _talker_fields(known: _Shapes, thinker: Mapping[str, Any]) -> dict[str, Any]:
    (width,) = known.of("talker.norm.weight", 1)
    for name, found in zip(
        ("num_attention_heads", "num_key_value_heads"),
        _heads(known, "talker", width),
        strict=True,
    ):
        if found != thinker[name]:
            raise known.refused(
                f"{name} is {found} in the Talker and {thinker[name]} in the Thinker"
            )
    vocabulary, _ = known.of("talker.embed_tokens.base.weight")
    num_codes = vocabulary - SPECIAL_CODES
    if num_codes < 1:
        raise known.refused(
            f"an audio vocabulary of {vocabulary} is not codes and {SPECIAL_CODES} more"
        )
    return {
        "num_talker_hidden_layers": known.count(r"talker\.layers\.(\d+)\."),
        "talker_hidden_size": width,
        "talker_embedding_rank": known.of("talker.embed_tokens.adapters.0.0.weight")[1],
        "talker_head_rank": known.of("talker.lm_head.adapters.0.0.weight")[0],
        "num_codebooks": known.count(r"talker\.lm_head\.adapters\.(\d+)\."),
        "num_codes": num_codes,
        "audio_vocab_size": vocabulary,
        "audio_pad_token": num_codes + 1,
        "audio_stop_token": num_codes + 2,
        "audio_speaker_token": num_codes + 3,
        "speaker_embedding_size": known.of("talker.spk_proj.weight")[1],
    }


def _media_fields(known: _Shapes) -> dict[str, Any]:
    return {
        "audio_hidden_size": known.of("audio_proj.mlp.0.weight", 1)[0],
        "image_hidden_size": known.of("vision_proj.mlp.0.weight", 1)[0],
    }


def _heads(known: _Shapes, stack: str, width: int) -> tuple[int, int]:
    """Query heads, and those of keys and values; `q_norm` is as wide as one head."""
    attention = f"{stack}.layers.0.self_attn"
    (head_width,) = known.of(f"{attention}.q_norm.weight", 1)
    key_width, _ = known.of(f"{attention}.k_proj.weight")
    if width % head_width or key_width % head_width:
        raise known.refused(
            f"heads of width {head_width} fill neither {width} nor {key_width}"
        )
    return width // head_width, key_width // head_width
