"""Random weights, and the Talker's warm start."""

import math

import torch
from torch import Tensor, nn

from minimind_o.config import OmniConfig
from minimind_o.model.blocks import Block
from minimind_o.model.talker import CodeEmbedding, CodeHeads, Talker
from minimind_o.model.thinker import Thinker


def init_weights(model: nn.Module, generator: torch.Generator | None = None) -> None:
    """Draw every weight matrix anew; norms, biases and scales keep their values.

    Linear layers: normal of variance 1 / (3·inputs). The last layer of a residual
    branch is divided by √(2·blocks), so that depth does not grow the residual stream.
    The text embedding is small because it is the text head, too.
    """

    def draw(weight: Tensor, std: float) -> None:
        nn.init.normal_(weight, std=std, generator=generator)

    def draw_linear(weight: Tensor, scale: float = 1.0) -> None:
        draw(weight, scale / math.sqrt(3 * weight.shape[-1]))

    for module in model.modules():
        if isinstance(module, nn.Linear):
            draw_linear(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            draw(module.weight, 0.02)
        elif isinstance(module, CodeEmbedding):
            for table in (module.shared, module.tables):
                if table is not None:
                    draw(table, 1.0)
            if module.adapters is not None:
                draw_linear(module.adapters)
        elif isinstance(module, CodeHeads):
            for weight in (module.shared, module.projections, module.adapters):
                if weight is not None:
                    draw_linear(weight)
    for module in model.modules():
        if isinstance(module, Thinker | Talker):
            _shrink_residual_outputs(module.layers)


@torch.no_grad()
def _shrink_residual_outputs(layers: nn.ModuleList) -> None:
    scale = 1 / math.sqrt(2 * len(layers))
    for name, weight in layers.named_parameters():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            weight.mul_(scale)


@torch.no_grad()
def warm_start_talker(config: OmniConfig, thinker: Thinker, talker: Talker) -> bool:
    """Copy the last Thinker blocks into the Talker where the widths agree.

    Returns whether it copied: a Talker of another width, or with more blocks than the
    Thinker, keeps its weights. An ablation over widths must count with that.
    """
    count = config.num_talker_hidden_layers
    if config.talker_hidden_size != config.hidden_size:
        return False
    if count > config.num_hidden_layers:
        return False
    sources = list(thinker.layers)[config.num_hidden_layers - count :]
    for source, target in zip(sources, talker.layers, strict=True):
        assert isinstance(source, Block)
        target.load_state_dict(source.state_dict())
    return True
