"""Drawing the next ids of several streams in one batched call.

Shapes: N stream (1 of text, or the 8 codebooks), V vocabulary, K recent ids.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from minimind_o.errors import UserError


@dataclass(frozen=True, kw_only=True)
class SamplingConfig:
    """How freely ids are drawn.

    Raises:
        UserError: a value outside its range.
    """

    temperature: float = 1.0
    """Logits are divided by it; 0: always the likeliest id."""
    top_k: int = 0
    """Draw among the likeliest k ids; 0: among all."""
    top_p: float = 1.0
    """Draw among the fewest ids whose probabilities reach p; 1: among all."""
    repetition_penalty: float = 1.0
    """Makes recent ids less likely (CTRL, arXiv 1909.05858, section 4.1); 1: not."""

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < float("inf"):
            raise UserError(
                f"temperature={self.temperature} must be 0 (greedy) or a positive "
                "number."
            )
        if self.top_k < 0:
            raise UserError(f"top_k={self.top_k} must be 0 (all ids) or positive.")
        if not 0 < self.top_p <= 1:
            raise UserError(f"top_p={self.top_p} must be above 0 and at most 1.")
        if not 0 < self.repetition_penalty < float("inf"):
            raise UserError(
                f"repetition_penalty={self.repetition_penalty} must be positive; 1 "
                "changes nothing."
            )


TEXT_SAMPLING = SamplingConfig(temperature=0.7, top_p=0.85)
"""What the released inference uses for text."""
AUDIO_SAMPLING = SamplingConfig(temperature=0.2, top_k=50, repetition_penalty=1.05)
"""What the released inference uses for codes."""
GREEDY = SamplingConfig(temperature=0.0)
"""Always the likeliest id."""

NUM_RECENT = 3
"""How many last ids of a stream the repetition penalty looks at."""


def sample(
    logits_NV: Tensor,
    config: SamplingConfig,
    *,
    forbidden_NV: Tensor | None = None,
    recent_NK: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw one id per stream, (N,).

    Args:
        logits_NV: raw logits.
        config: temperature and limits, shared by the streams.
        forbidden_NV: 0, or -inf for an id that must not be drawn; may be (V,).
        recent_NK: recent ids of each stream, for the repetition penalty.
        generator: the source of randomness.
    """
    logits_NV = logits_NV.float()
    if recent_NK is not None and config.repetition_penalty != 1:
        logits_NV = _penalise(logits_NV, recent_NK, config.repetition_penalty)
    if forbidden_NV is not None:
        logits_NV = logits_NV + forbidden_NV
    if config.temperature == 0:
        return logits_NV.argmax(dim=-1)
    num_ids = logits_NV.shape[-1]
    if config.top_k == 0 and config.top_p == 1:
        probabilities_NV = (logits_NV / config.temperature).softmax(dim=-1)
        return torch.multinomial(probabilities_NV, 1, generator=generator)[:, 0]
    kept = min(config.top_k, num_ids) if config.top_k else num_ids
    # Sorted, best first: only these take part, so that one of 50 is drawn and not one
    # of thousands.
    best_NK, ids_NK = logits_NV.topk(kept, dim=-1)
    probabilities_NK = (best_NK / config.temperature).softmax(dim=-1)
    if config.top_p < 1:
        before_NK = probabilities_NK.cumsum(dim=-1) - probabilities_NK
        probabilities_NK = probabilities_NK.masked_fill(before_NK >= config.top_p, 0)
    drawn_N1 = torch.multinomial(probabilities_NK, 1, generator=generator)
    return ids_NK.gather(-1, drawn_N1)[:, 0]


def _penalise(logits_NV: Tensor, recent_NK: Tensor, penalty: float) -> Tensor:
    recent_logits_NK = logits_NV.gather(-1, recent_NK)
    # Dividing a negative logit would make its id likelier.
    penalised_NK = torch.where(
        recent_logits_NK > 0, recent_logits_NK / penalty, recent_logits_NK * penalty
    )
    return logits_NV.scatter(-1, recent_NK, penalised_NK)
