"""The transformer block that Thinker and Talker share.

Pre-norm; grouped-query attention with RMSNorm on every query and key head before the
rotary embedding; SwiGLU, or experts in the MoE variant.

Shapes: B batch, T position, D width, H query heads, K key/value heads, E width of a
head, S cached and new positions, X experts, N positions of the batch in one row.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from minimind_o.config import OmniConfig
from minimind_o.model.cache import JoinedKVCache, KVCache
from minimind_o.model.linear import Linear

MAX_EXPLICIT_POSITIONS = 512
"""Longest sequence whose attention is trained through its explicit matrix on a CPU."""


def matmul_dtype(x: Tensor) -> torch.dtype:
    """The dtype in which the next linear layer will read `x`."""
    if torch.is_autocast_enabled(x.device.type):
        return torch.get_autocast_dtype(x.device.type)
    return x.dtype


class Captured(list[Tensor]):
    """What a block is to leave behind; a plain list would be copied on its way into a
    sharded one.
    """


class RMSNorm(nn.Module):
    """Scale to unit root mean square, in float32 whatever comes in.

    The result leaves in the dtype of the coming matrix products: under autocast the
    several layers that read it would otherwise each convert it.
    """

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise over the last dimension."""
        weight = self.weight.float()
        normalised = F.rms_norm(x.float(), weight.shape, weight, self.eps)
        return normalised.to(matmul_dtype(x))


class RotaryEmbedding(nn.Module):
    """Cosines and sines of every position, rotating the two halves of a head."""

    cos_TE: Tensor
    sin_TE: Tensor

    def __init__(self, config: OmniConfig, head_size: int) -> None:
        super().__init__()
        self.config = config
        self.head_size = head_size
        self.reset()

    def reset(self) -> None:
        """Compute the tables anew, on the default device."""
        positions = torch.arange(self.config.max_position_embeddings).float()
        angles = torch.outer(positions, self._frequencies())
        self.register_buffer("cos_TE", angles.cos(), persistent=False)
        self.register_buffer("sin_TE", angles.sin(), persistent=False)

    def _frequencies(self) -> Tensor:
        """Radians per position of every pair (E/2,), stretched where YaRN is on."""
        config, size = self.config, self.head_size
        frequencies = config.rope_theta ** -(torch.arange(0, size, 2).float() / size)
        original = config.yarn_original_max_position_embeddings
        if not config.yarn or config.max_position_embeddings <= original:
            return frequencies

        def pair_turning(num_turns: float) -> float:
            wavelength = original / (num_turns * 2 * math.pi)
            return size * math.log(wavelength) / (2 * math.log(config.rope_theta))

        low = max(math.floor(pair_turning(config.yarn_beta_fast)), 0)
        high = min(math.ceil(pair_turning(config.yarn_beta_slow)), size // 2 - 1)
        pairs = torch.arange(size // 2).float()
        stretched = ((pairs - low) / max(high - low, 1e-3)).clamp(0, 1)
        return frequencies * (1 - stretched + stretched / config.yarn_factor)

    def forward(self, start: int | Tensor, length: int) -> tuple[Tensor, Tensor]:
        """Tables (length, E/2) of the positions from `start` on, a number or (1,).

        Of rows that start at different positions, (B, 1, 1): (B, 1, length, E/2).
        """
        if isinstance(start, Tensor):
            positions = start + torch.arange(length, device=start.device)
            return self.cos_TE[positions], self.sin_TE[positions]
        end = start + length
        return self.cos_TE[start:end], self.sin_TE[start:end]


def rotate(x_BHTE: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
    """Turn the two halves of every head by the angles of its position, in float32."""
    cos, sin = rotary
    first, second = x_BHTE.float().chunk(2, dim=-1)
    turned = (first * cos - second * sin, second * cos + first * sin)
    return torch.cat(turned, dim=-1)


class Attention(nn.Module):
    """Causal grouped-query attention."""

    def __init__(self, config: OmniConfig, width: int) -> None:
        super().__init__()
        self.num_heads = config.num_attention_heads
        self.num_kv_heads = config.num_key_value_heads
        self.head_size = width // self.num_heads
        kv_width = self.num_kv_heads * self.head_size
        self.q_proj = Linear(width, width, bias=False)
        self.k_proj = Linear(width, kv_width, bias=False)
        self.v_proj = Linear(width, kv_width, bias=False)
        self.o_proj = Linear(width, width, bias=False)
        self.q_norm = RMSNorm(self.head_size, config.rms_norm_eps)
        self.k_norm = RMSNorm(self.head_size, config.rms_norm_eps)

    def forward(
        self,
        x_BTD: Tensor,
        rotary: tuple[Tensor, Tensor],
        cache: KVCache | None = None,
        layer: int = 0,
        capture: Captured | None = None,
    ) -> Tensor:
        """Attend to this and earlier positions.

        To `capture` the probabilities (B, H, T, S), in float32, are appended; that path
        keeps them, so it is slower.
        """
        heads = (*x_BTD.shape[:2], -1, self.head_size)
        q_BHTE = self.q_norm(self.q_proj(x_BTD).view(heads)).transpose(1, 2)
        k_BKTE = self.k_norm(self.k_proj(x_BTD).view(heads)).transpose(1, 2)
        v_BKTE = self.v_proj(x_BTD).view(heads).transpose(1, 2)
        q_BHTE, k_BKTE = rotate(q_BHTE, rotary), rotate(k_BKTE, rotary)
        if isinstance(cache, JoinedKVCache):
            out_BHTE = self._row_by_row(q_BHTE, k_BKTE, v_BKTE, cache, layer)
            return self.o_proj(out_BHTE.transpose(1, 2).flatten(2))
        if cache is not None:
            k_BKTE, v_BKTE = cache.extend(layer, k_BKTE, v_BKTE)
        if capture is not None:
            out_BHTE, probabilities = self._explicit(q_BHTE, k_BKTE, v_BKTE)
            capture.append(probabilities)
        elif self._is_explicit_faster(q_BHTE):
            out_BHTE, _ = self._explicit(q_BHTE, k_BKTE, v_BKTE)
        else:
            dtype = v_BKTE.dtype
            mask = None if cache is None else cache.mask
            out_BHTE = self._fused(q_BHTE.to(dtype), k_BKTE.to(dtype), v_BKTE, mask)
        return self.o_proj(out_BHTE.transpose(1, 2).flatten(2))

    @staticmethod
    def _is_explicit_faster(q_BHTE: Tensor) -> bool:
        """Measured: on a CPU the fused backward pass in bfloat16 takes 6 times as long
        as the explicit one at 60 positions; at many the score matrix is too large.
        """
        is_training = torch.is_grad_enabled() and q_BHTE.requires_grad
        return (
            is_training
            and q_BHTE.device.type == "cpu"
            and q_BHTE.shape[2] <= MAX_EXPLICIT_POSITIONS
        )

    def _row_by_row(
        self,
        q_BHTE: Tensor,
        k_BKTE: Tensor,
        v_BKTE: Tensor,
        cache: JoinedKVCache,
        layer: int,
    ) -> Tensor:
        """Each row as it would be alone: no padding, no mask, no copies of caches."""
        dtype = v_BKTE.dtype
        out = []
        for index, row in enumerate(cache.rows):
            here = slice(index, index + 1)
            k_1KSE, v_1KSE = row.extend(layer, k_BKTE[here], v_BKTE[here])
            q_1HTE = q_BHTE[here].to(dtype)
            out.append(self._fused(q_1HTE, k_1KSE.to(dtype), v_1KSE, None))
        return torch.cat(out)

    def _fused(
        self, q_BHTE: Tensor, k_BKSE: Tensor, v_BKSE: Tensor, mask_1S: Tensor | None
    ) -> Tensor:
        num_new, num_all = q_BHTE.shape[2], k_BKSE.shape[2]
        if num_new == 1:
            # The queries of one group see the same keys: as rows of one product they
            # need no copies of the cache.
            grouped = q_BHTE.unflatten(1, (self.num_kv_heads, -1)).flatten(2, 3)
            out = F.scaled_dot_product_attention(
                grouped, k_BKSE, v_BKSE, attn_mask=mask_1S
            )
            return out.reshape(q_BHTE.shape)
        num_groups = self.num_heads // self.num_kv_heads
        k_BHSE = k_BKSE.repeat_interleave(num_groups, dim=1)
        v_BHSE = v_BKSE.repeat_interleave(num_groups, dim=1)
        if num_new == num_all:
            return F.scaled_dot_product_attention(
                q_BHTE, k_BHSE, v_BHSE, is_causal=True
            )
        mask = causal_mask(num_new, num_all, q_BHTE)
        return F.scaled_dot_product_attention(q_BHTE, k_BHSE, v_BHSE, attn_mask=mask)

    def _explicit(
        self, q_BHTE: Tensor, k_BKSE: Tensor, v_BKSE: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Result (B, H, T, E) and probabilities (B, H, T, S), in float32."""
        batch_size, num_heads, num_new, _ = q_BHTE.shape
        num_all, num_groups = k_BKSE.shape[2], num_heads // self.num_kv_heads
        # All queries of a group are rows of one product with the group's keys.
        rows = (batch_size * self.num_kv_heads, num_groups * num_new, self.head_size)
        with torch.autocast(q_BHTE.device.type, enabled=False):
            scaled = (q_BHTE.float() / math.sqrt(self.head_size)).reshape(rows)
            keys = k_BKSE.float().flatten(0, 1)
            mask = causal_mask(num_new, num_all, scaled).repeat(num_groups, 1)
            probabilities = torch.baddbmm(mask, scaled, keys.mT).softmax(dim=-1)
            out = torch.bmm(probabilities.to(v_BKSE.dtype), v_BKSE.flatten(0, 1))
        heads = (batch_size, num_heads, num_new)
        return out.view(*heads, -1), probabilities.view(*heads, num_all)


def causal_mask(num_new: int, num_all: int, like: Tensor) -> Tensor:
    """0 where a new position (row) may look (column), -inf where not."""
    mask = like.new_full((num_new, num_all), -torch.inf)
    return mask.triu(diagonal=num_all - num_new + 1)


class FeedForward(nn.Module):
    """SwiGLU: down(silu(gate(x)) · up(x))."""

    def __init__(self, width: int, intermediate_size: int) -> None:
        super().__init__()
        self.gate_proj = Linear(width, intermediate_size, bias=False)
        self.up_proj = Linear(width, intermediate_size, bias=False)
        self.down_proj = Linear(intermediate_size, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Transform every position by itself."""
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Experts(nn.Module):
    """Feed-forwards of which a gate picks the best few for every position.

    After a forward pass with gradients `balance_loss` holds X·Σ load·probability,
    which is 1 where all are used evenly (Switch Transformer, arXiv 2101.03961, eq. 4).
    """

    def __init__(self, config: OmniConfig, width: int, intermediate_size: int) -> None:
        super().__init__()
        self.num_chosen = config.num_experts_per_token
        self.gate = nn.Linear(width, config.num_experts, bias=False)
        self.experts = nn.ModuleList(
            FeedForward(width, intermediate_size) for _ in range(config.num_experts)
        )
        self.balance_loss: Tensor | None = None

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Transform every position by its chosen experts, weighted to sum to 1."""
        x_ND = x_BTD.flatten(0, 1)
        probabilities_NX = self.gate(x_ND).float().softmax(dim=-1)
        weights, chosen = probabilities_NX.topk(self.num_chosen, dim=-1, sorted=False)
        weights = weights / weights.sum(dim=-1, keepdim=True)
        out_ND = torch.zeros_like(x_ND)
        for index, expert in enumerate(self.experts):
            position, slot = (chosen == index).nonzero(as_tuple=True)
            # With gradients an idle expert still runs on no rows: every parameter then
            # has a gradient, which data-parallel training waits for.
            if position.numel() or torch.is_grad_enabled():
                result = expert(x_ND[position]) * weights[position, slot, None]
                out_ND = out_ND.index_add(0, position, result.to(out_ND.dtype))
        if torch.is_grad_enabled():
            self.balance_loss = self._balance(probabilities_NX, chosen)
        return out_ND.view_as(x_BTD)

    @staticmethod
    def _balance(probabilities_NX: Tensor, chosen: Tensor) -> Tensor:
        num_experts = probabilities_NX.shape[-1]
        load = F.one_hot(chosen, num_experts).sum(dim=1).float().mean(dim=0)
        return num_experts * (load * probabilities_NX.mean(dim=0)).sum()


class Block(nn.Module):
    """Attention, then feed-forward, each behind a norm and added to its input.

    `recomputes`: in training its inner results are not kept but computed again for the
    gradient, a third more work for a fraction of the memory.
    """

    recomputes = False

    def __init__(self, config: OmniConfig, width: int, intermediate_size: int) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(width, config.rms_norm_eps)
        self.attention = Attention(config, width)
        self.feed_forward_norm = RMSNorm(width, config.rms_norm_eps)
        self.feed_forward: FeedForward | Experts = (
            Experts(config, width, intermediate_size)
            if config.use_moe
            else FeedForward(width, intermediate_size)
        )

    def forward(
        self,
        x_BTD: Tensor,
        rotary: tuple[Tensor, Tensor],
        cache: KVCache | None = None,
        layer: int = 0,
        capture: Captured | None = None,
    ) -> Tensor:
        """Transform (B, T, D); the other arguments are those of `Attention`."""
        if self.recomputes and torch.is_grad_enabled() and capture is None:
            out_BTD: Tensor = checkpoint(
                self._transform, x_BTD, rotary, use_reentrant=False
            )
            return out_BTD
        return self._transform(x_BTD, rotary, cache, layer, capture)

    def _transform(
        self,
        x_BTD: Tensor,
        rotary: tuple[Tensor, Tensor],
        cache: KVCache | None = None,
        layer: int = 0,
        capture: Captured | None = None,
    ) -> Tensor:
        normalised = self.attention_norm(x_BTD)
        x_BTD = x_BTD + self.attention(normalised, rotary, cache, layer, capture)
        return x_BTD + self.feed_forward(self.feed_forward_norm(x_BTD))


def balance_loss(layers: nn.ModuleList) -> Tensor | None:
    """Sum of the experts' balance losses of the last forward pass; None: no experts."""
    losses = [
        layer.feed_forward.balance_loss
        for layer in layers
        if isinstance(layer, Block) and isinstance(layer.feed_forward, Experts)
    ]
    present = [loss for loss in losses if loss is not None]
    return torch.stack(present).sum() if present else None
