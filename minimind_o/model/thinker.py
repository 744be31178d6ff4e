"""The Thinker: a small language model whose middle layer the Talker listens to.

Shapes: B batch, T position, D width, V text vocabulary, N any number of positions.
"""

from torch import Tensor, nn

from minimind_o.config import OmniConfig
from minimind_o.model.blocks import Block, RMSNorm, RotaryEmbedding
from minimind_o.model.cache import KVCache
from minimind_o.model.linear import linear


class Thinker(nn.Module):
    """Text embedding, blocks, norm; the embedding's table is the text head, too."""

    def __init__(self, config: OmniConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.num_lower_layers = config.bridge_index + 1
        self.embed_tokens = nn.Embedding(config.vocab_size, width)
        self.layers = nn.ModuleList(
            Block(config, width, config.thinker_intermediate_size)
            for _ in range(config.num_hidden_layers)
        )
        self.norm = RMSNorm(width, config.rms_norm_eps)
        self.rotary = RotaryEmbedding(config, width // config.num_attention_heads)

    def forward(
        self,
        x_BTD: Tensor,
        cache: KVCache | None = None,
        num_text_positions: int | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Bridge states (B, T, D) and the last layer's normalised states.

        The layers above the bridge serve the text alone. Attention is causal, so with
        `num_text_positions` they run on that many first positions and the second result
        has only these; the bridge states are always complete.
        """
        start = cache.length if cache is not None else 0
        rotary = self.rotary(start, x_BTD.shape[1])
        for index in range(self.num_lower_layers):
            x_BTD = self.layers[index](x_BTD, rotary, cache, index)
        bridge_BTD = x_BTD
        if num_text_positions is not None:
            x_BTD = x_BTD[:, :num_text_positions].contiguous()
            rotary = (rotary[0][:num_text_positions], rotary[1][:num_text_positions])
        if x_BTD.shape[1]:
            for index in range(self.num_lower_layers, len(self.layers)):
                x_BTD = self.layers[index](x_BTD, rotary, cache, index)
        if cache is not None:
            cache.advance(bridge_BTD.shape[1])
        return bridge_BTD, self.norm(x_BTD)

    def text_logits(self, states_ND: Tensor) -> Tensor:
        """Logits (..., V) of the next text token."""
        return linear(states_ND, self.embed_tokens.weight)
