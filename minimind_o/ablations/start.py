"""The weights a run starts from: the same for all settings, as far as they can be.

Random weights are drawn once, for the shipped config; a setting takes them wherever its
tensors have the same shape, and draws only what it has alone. So two settings of a seed
differ in what is varied, and not by the luck of the draw.

Where the shipped model has a feed-forward and a setting has experts as wide, all of
them start as copies of it (sparse upcycling, arXiv 2212.05055): as long as they are
equal, such a model computes what the shipped one does, whichever expert is picked.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from minimind_o.ablations.experiment import Setting, Start
from minimind_o.ablations.workbench import Workbench
from minimind_o.config import OmniConfig
from minimind_o.model import OmniModel

PROJECTORS = ("audio_projector.", "image_projector.")
FEED_FORWARD = ".feed_forward."


def write_start(
    bench: Workbench, setting: Setting, start: Start, seed: int, directory: Path
) -> None:
    """Write the model that a run begins with.

    Raises:
        UserError: an asset is missing, or the setting's config is impossible.
    """
    build_start(bench, setting, start, seed).save(directory)


def build_start(
    bench: Workbench, setting: Setting, start: Start, seed: int
) -> OmniModel:
    """That model."""
    config = replace(bench.config, **setting.config)
    model = _drawn(config, seed)
    _take(model, _drawn(bench.config, seed).state_dict())
    if start == "language model":
        shipped = OmniModel.from_pretrained(bench.assets.llm)
        _take(model, _with_experts(shipped, config), ("thinker.",))
    elif start in ("omni", "whole"):
        shipped = OmniModel.from_pretrained(bench.assets.omni, must_speak=True)
        parts = ("thinker.", *PROJECTORS) if start == "omni" else ("",)
        _take(model, _with_experts(shipped, config), parts)
    if setting.warm_start and start not in ("random", "whole"):
        transplant(model)
    return model


def _drawn(config: OmniConfig, seed: int) -> OmniModel:
    model = OmniModel(config)
    model.init_weights(torch.Generator().manual_seed(seed))
    return model


def _with_experts(shipped: OmniModel, config: OmniConfig) -> dict[str, Tensor]:
    """The shipped tensors and, for a model with experts, each of them as a copy."""
    tensors = shipped.state_dict()
    if config.use_moe and not shipped.config.use_moe:
        for name in [name for name in tensors if FEED_FORWARD in name]:
            for expert in range(config.num_experts):
                copy = name.replace(FEED_FORWARD, f"{FEED_FORWARD}experts.{expert}.")
                tensors[copy] = tensors[name]
    return tensors


@torch.no_grad()
def _take(
    model: OmniModel, tensors: dict[str, Tensor], parts: tuple[str, ...] = ("",)
) -> None:
    """Copy what has the same name and shape and is of one of the parts."""
    for name, target in model.state_dict().items():
        found = tensors.get(name)
        fits = found is not None and found.shape == target.shape
        if fits and name.startswith(parts):
            target.copy_(found)


@torch.no_grad()
def transplant(model: OmniModel) -> None:
    """Start the Talker's blocks from the Thinker's last ones, whatever its width.

    At the same width this is the released warm start, a copy. At another it can be no
    copy: of every axis the leading dimensions are taken that both have (of queries,
    keys and values those of each head), and the rest stays random. Such a Talker
    computes nothing that the Thinker did; whether that is still worth something is what
    the width ablation asks.
    """
    if model.warm_start_talker():
        return
    heads = {"q_proj": "num_attention_heads", "o_proj": "num_attention_heads"}
    heads |= {"k_proj": "num_key_value_heads", "v_proj": "num_key_value_heads"}
    count = model.config.num_talker_hidden_layers
    sources = list(model.thinker.layers)[-count:]
    for source, target in zip(sources, model.talker.layers, strict=True):
        known = source.state_dict()
        for name, tensor in target.state_dict().items():
            projection = next((part for part in heads if part in name), None)
            num = getattr(model.config, heads[projection]) if projection else 1
            axis = 1 if projection == "o_proj" else 0
            _overlap(_by_head(tensor, num, axis), _by_head(known[name], num, axis))


def _by_head(weight: Tensor, num_heads: int, axis: int) -> Tensor:
    """A view with the axis of heads cut into heads and what a head has."""
    return weight.unflatten(axis, (num_heads, -1))


def _overlap(target: Tensor, source: Tensor) -> None:
    both = tuple(
        slice(min(mine, theirs))
        for mine, theirs in zip(target.shape, source.shape, strict=True)
    )
    target[both] = source[both]
