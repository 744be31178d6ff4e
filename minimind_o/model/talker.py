"""The Talker: from bridge states and the codes so far to the next 8 codes.

The 8 codebooks share one embedding and one head; each adds an adapter of low rank to
both (paper, section 3; the ranks are the subject of figure 8). The adapters are
stacked parameters, so that the 8 run as one matrix product. For ablations the two ends
of that figure are here, too: no adapters (rank 0), and a whole table and a whole head
of its own for each codebook (rank `FULL`); no released model is of these.

Shapes: B batch, Q codebook, T position, D width, V audio vocabulary, R rank, N any
number of positions.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minimind_o.config import FULL, OmniConfig
from minimind_o.model.blocks import Block, Captured, RMSNorm, RotaryEmbedding
from minimind_o.model.cache import KVCache
from minimind_o.model.linear import Linear, linear

INITIAL_TEXT_SCALE = 3.0
INITIAL_AUDIO_SCALE = 1.0


def _parameter(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.empty(*shape))


class CodeEmbedding(nn.Module):
    """Mean over the codebooks of shared table + adapter(GELU(own table))."""

    offsets_Q: Tensor

    def __init__(self, config: OmniConfig) -> None:
        super().__init__()
        self.config = config
        num_codebooks, rank = config.num_codebooks, config.talker_embedding_rank
        vocab_size, width = config.audio_vocab_size, config.talker_hidden_size
        self.shared = _parameter(vocab_size, width) if rank != FULL else None
        self.tables: nn.Parameter | None = None
        self.adapters: nn.Parameter | None = None
        if rank == FULL:
            self.tables = _parameter(num_codebooks, vocab_size, width)
        elif rank:
            self.tables = _parameter(num_codebooks, vocab_size, rank)
            self.adapters = _parameter(num_codebooks, width, rank)
        self.reset()

    def reset(self) -> None:
        """Compute where each codebook begins in the full table."""
        first = torch.arange(self.config.num_codebooks) * self.config.audio_vocab_size
        self.register_buffer("offsets_Q", first, persistent=False)

    def full_table(self) -> Tensor:
        """What every code of every codebook adds to the mean, (Q·V, D).

        A table costs less than running the adapters on every position of a training
        batch, and one table serves a whole generation.
        """
        num_codebooks = self.config.num_codebooks
        if self.shared is None:
            assert self.tables is not None
            table_QVD: Tensor = self.tables
        elif self.tables is None or self.adapters is None:
            table_QVD = self.shared.expand(num_codebooks, -1, -1)
        else:
            table_QVD = self.shared + F.gelu(self.tables) @ self.adapters.mT
        return table_QVD.flatten(0, 1) / num_codebooks

    def forward(self, codes_BQT: Tensor, full_table: Tensor | None = None) -> Tensor:
        """Embed (B, Q, T) codes to (B, T, D)."""
        table = self.full_table() if full_table is None else full_table
        batch_size, _, length = codes_BQT.shape
        rows_NQ = codes_BQT.transpose(1, 2).flatten(0, 1) + self.offsets_Q
        embedded_ND = F.embedding_bag(rows_NQ, table, mode="sum")
        return embedded_ND.view(batch_size, length, -1)


class CodeHeads(nn.Module):
    """Logits of each codebook: shared head + adapter(GELU(own projection))."""

    def __init__(self, config: OmniConfig) -> None:
        super().__init__()
        num_codebooks, rank = config.num_codebooks, config.talker_head_rank
        vocab_size, width = config.audio_vocab_size, config.talker_hidden_size
        self.num_codebooks = num_codebooks
        self.shared = _parameter(vocab_size, width) if rank != FULL else None
        self.projections: nn.Parameter | None = None
        self.adapters: nn.Parameter | None = None
        if rank == FULL:
            self.adapters = _parameter(num_codebooks, vocab_size, width)
        elif rank:
            self.projections = _parameter(num_codebooks, rank, width)
            self.adapters = _parameter(num_codebooks, vocab_size, rank)

    def forward(self, states_ND: Tensor) -> Tensor:
        """Logits (Q, N, V) of all codebooks at N positions."""
        if self.shared is None:
            assert self.adapters is not None
            return states_ND @ self.adapters.mT
        shared_NV = linear(states_ND, self.shared)
        shared_QNV = shared_NV.expand(self.num_codebooks, -1, -1)
        if self.projections is None or self.adapters is None:
            return shared_QNV
        num_codebooks, rank, _ = self.projections.shape
        projected = F.gelu(linear(states_ND, self.projections.flatten(0, 1)))
        projected_QNR = projected.view(-1, num_codebooks, rank).transpose(0, 1)
        return torch.baddbmm(shared_QNV, projected_QNR, self.adapters.mT)


def projection(config: OmniConfig, width: int) -> nn.Sequential:
    """Linear, GELU, Linear, RMSNorm: one way into the Talker."""
    out = config.talker_hidden_size
    return nn.Sequential(
        Linear(width, out),
        nn.GELU(),
        Linear(out, out),
        RMSNorm(out, config.rms_norm_eps),
    )


class Talker(nn.Module):
    """Blocks over `embed_proj(bridge)`·text_scale + `codec_proj(codes)`·audio_scale."""

    def __init__(self, config: OmniConfig) -> None:
        super().__init__()
        width = config.talker_hidden_size
        self.speaker_token = config.audio_speaker_token
        self.code_embedding = CodeEmbedding(config)
        self.speaker_proj = nn.Linear(config.speaker_embedding_size, width, bias=False)
        self.embed_proj = projection(config, config.hidden_size)
        self.codec_proj = projection(config, width)
        self.text_scale = nn.Parameter(torch.tensor(INITIAL_TEXT_SCALE))
        self.audio_scale = nn.Parameter(torch.tensor(INITIAL_AUDIO_SCALE))
        self.layers = nn.ModuleList(
            Block(config, width, config.talker_intermediate_size)
            for _ in range(config.num_talker_hidden_layers)
        )
        self.norm = RMSNorm(width, config.rms_norm_eps)
        self.code_heads = CodeHeads(config)
        self.rotary = RotaryEmbedding(config, width // config.num_attention_heads)

    def forward(
        self,
        codes_BQT: Tensor,
        bridge_BTD: Tensor,
        *,
        speaker_embedding: Tensor | None = None,
        cache: KVCache | None = None,
        code_table: Tensor | None = None,
        capture: dict[int, Tensor] | None = None,
    ) -> Tensor:
        """Normalised states (B, T, D) from which `code_heads` reads the next codes.

        `capture` asks for the attention of the layers that are its keys.
        """
        embedded_BTD = self.code_embedding(codes_BQT, code_table)
        if speaker_embedding is not None:
            speaker_B1D = self.speaker_proj(speaker_embedding).unsqueeze(1)
            is_speaker_BT1 = (codes_BQT[:, 0] == self.speaker_token).unsqueeze(-1)
            embedded_BTD = torch.where(is_speaker_BT1, speaker_B1D, embedded_BTD)
        elif self.training and self.speaker_proj.weight.requires_grad:
            # A zero that gives the projection its gradient, which data-parallel
            # training waits for.
            none_0E = self.speaker_proj.weight.new_zeros(
                0, self.speaker_proj.in_features
            )
            embedded_BTD = embedded_BTD + self.speaker_proj(none_0E).sum()
        text_BTD = self.embed_proj(bridge_BTD) * self.text_scale
        x_BTD = text_BTD + self.codec_proj(embedded_BTD) * self.audio_scale
        rotary = self.rotary(cache.length if cache is not None else 0, x_BTD.shape[1])
        for index, block in enumerate(self.layers):
            is_wanted = capture is not None and index in capture
            kept = Captured() if is_wanted else None
            x_BTD = block(x_BTD, rotary, cache, index, kept)
            if capture is not None and kept:
                (capture[index],) = kept
        if cache is not None:
            cache.advance(x_BTD.shape[1])
        return self.norm(x_BTD)
