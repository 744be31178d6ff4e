"""The one map between the released parameter names and ours, strict both ways.

Files hold the released names, so a released checkpoint and one of ours are read by the
same code. One of our parameters is one released parameter, or the stack of the 8
parameters of the codebooks (the 8 run as one matrix product here). The ablations' whole
tables (`minimind_o.config.FULL`) have names beside the released ones: no released model
has them, and the released code refuses a file that does.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from minimind_o.config import FULL, OmniConfig
from minimind_o.errors import UserError
from minimind_o.model.name_lists import differences

TIED_HEAD = "lm_head.weight"
TEXT_EMBEDDING = "model.embed_tokens.weight"
"""The text head is the text embedding; a file may hold it under both names."""

NameMap = dict[str, tuple[str, ...]]


def _norm_and_attention(ours: str, released: str) -> NameMap:
    names = {
        f"{ours}.attention_norm.weight": f"{released}.input_layernorm.weight",
        f"{ours}.feed_forward_norm.weight": (
            f"{released}.post_attention_layernorm.weight"
        ),
    }
    for part in ("q_proj", "k_proj", "v_proj", "o_proj", "q_norm", "k_norm"):
        names[f"{ours}.attention.{part}.weight"] = f"{released}.self_attn.{part}.weight"
    return {name: (other,) for name, other in names.items()}


def _feed_forward(ours: str, released: str) -> NameMap:
    return {
        f"{ours}.{part}.weight": (f"{released}.{part}.weight",)
        for part in ("gate_proj", "up_proj", "down_proj")
    }


def _blocks(config: OmniConfig, count: int, ours: str, released: str) -> NameMap:
    names: NameMap = {}
    for layer in range(count):
        mine, theirs = f"{ours}.layers.{layer}", f"{released}.layers.{layer}"
        names |= _norm_and_attention(mine, theirs)
        if not config.use_moe:
            names |= _feed_forward(f"{mine}.feed_forward", f"{theirs}.mlp")
            continue
        names[f"{mine}.feed_forward.gate.weight"] = (f"{theirs}.mlp.gate.weight",)
        for expert in range(config.num_experts):
            names |= _feed_forward(
                f"{mine}.feed_forward.experts.{expert}",
                f"{theirs}.mlp.experts.{expert}",
            )
    return names


def thinker_names(config: OmniConfig) -> NameMap:
    """The language model's part: our name -> released names."""
    return {
        "thinker.embed_tokens.weight": (TEXT_EMBEDDING,),
        **_blocks(config, config.num_hidden_layers, "thinker", "model"),
        "thinker.norm.weight": ("model.norm.weight",),
    }


def _codebooks(
    config: OmniConfig, ours: str, parts: tuple[str, str], released: str, rank: int
) -> NameMap:
    """A shared table and its adapters, that table alone, or whole tables.

    `parts`: our names of the adapters' first and second matrices.
    """

    def each(ending: str) -> tuple[str, ...]:
        numbers = range(config.num_codebooks)
        return tuple(f"talker.{released}.{ending.format(q)}.weight" for q in numbers)

    if rank == FULL:
        whole = "tables" if "tables" in parts else "adapters"
        return {f"talker.{ours}.{whole}": each("tables.{}")}
    names: NameMap = {f"talker.{ours}.shared": (f"talker.{released}.base.weight",)}
    if rank:
        names |= {
            f"talker.{ours}.{part}": each(f"adapters.{{}}.{index}")
            for part, index in zip(parts, (0, 2), strict=True)
        }
    return names


def _talker_names(config: OmniConfig) -> NameMap:
    names: NameMap = {
        "talker.text_scale": ("talker.text_scale",),
        "talker.audio_scale": ("talker.audio_scale",),
        **_codebooks(
            config,
            "code_embedding",
            ("tables", "adapters"),
            "embed_tokens",
            config.talker_embedding_rank,
        ),
        **_codebooks(
            config,
            "code_heads",
            ("projections", "adapters"),
            "lm_head",
            config.talker_head_rank,
        ),
        "talker.speaker_proj.weight": ("talker.spk_proj.weight",),
        "talker.norm.weight": ("talker.norm.weight",),
        **_blocks(config, config.num_talker_hidden_layers, "talker", "talker"),
    }
    for module in ("embed_proj", "codec_proj"):
        for part in ("0.weight", "0.bias", "2.weight", "2.bias", "3.weight"):
            names[f"talker.{module}.{part}"] = (f"talker.{module}.{part}",)
    return names


def _projector_names(ours: str, released: str) -> NameMap:
    parts = {"norm": 0, "input_proj": 1, "output_proj": 3}
    return {
        f"{ours}.{part}.{kind}": (f"{released}.mlp.{index}.{kind}",)
        for part, index in parts.items()
        for kind in ("weight", "bias")
    }


def omni_names(config: OmniConfig) -> NameMap:
    """The whole model: our name -> released names."""
    return {
        **thinker_names(config),
        **_talker_names(config),
        **_projector_names("audio_projector", "audio_proj"),
        **_projector_names("image_projector", "vision_proj"),
    }


def to_released(names: NameMap, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename (and split) our tensors; the tied text head is not repeated."""
    released: dict[str, Tensor] = {}
    for ours, theirs in names.items():
        parts = tensors[ours].unbind() if len(theirs) > 1 else (tensors[ours],)
        released.update(zip(theirs, parts, strict=True))
    return released


def from_released(
    names: NameMap,
    tensors: Mapping[str, Tensor],
    shapes: Mapping[str, torch.Size],
    source: str,
) -> dict[str, Tensor]:
    """Rename (and stack) released tensors to ours; `shapes` are those of our tensors.

    Raises:
        UserError: as `check_names`.
    """
    check_names(names, tensors, shapes, source)
    return {
        ours: torch.stack([tensors[name] for name in theirs])
        if len(theirs) > 1
        else tensors[theirs[0]]
        for ours, theirs in names.items()
    }


def released_shapes(
    names: NameMap, shapes: Mapping[str, torch.Size]
) -> dict[str, torch.Size]:
    """Shapes of the released parameters, given ours."""
    return {
        released: shapes[ours][1:] if len(theirs) > 1 else shapes[ours]
        for ours, theirs in names.items()
        for released in theirs
    }


def check_names(
    names: NameMap,
    tensors: Mapping[str, Tensor],
    shapes: Mapping[str, torch.Size],
    source: str,
) -> None:
    """Every name there, none besides, each of its shape; `shapes` are of ours.

    Raises:
        UserError: names that are missing, unexpected or of another shape, all of them
            in one message; or a text head that is not the text embedding.
    """
    expected = released_shapes(names, shapes)
    expected[TIED_HEAD] = expected[TEXT_EMBEDDING]
    problems = differences(expected, tensors, optional=[TIED_HEAD])
    if problems:
        raise UserError(
            f"{source} does not hold the parameters its config describes; {problems}."
        )
    if TIED_HEAD in tensors and not torch.equal(
        tensors[TIED_HEAD], tensors[TEXT_EMBEDDING]
    ):
        raise UserError(
            f"{source}: {TIED_HEAD} differs from {TEXT_EMBEDDING}, but the two are one "
            "table in this model."
        )
