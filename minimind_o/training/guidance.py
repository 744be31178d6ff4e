"""Teaching the Talker where in the text it is: guided attention.

Text runs one token a step and is over long before the sound, so at every step some head
of the Talker must find, among earlier positions, the token being spoken. Left alone
this alignment emerges late (DESIGN, section 7). The synthesiser knows the alignment, so
some heads are told: the loss is the negative log of the attention that they pay to
their token. Codebook q at position p belongs to the frame q steps back, so heads differ
in their lag; how a token sounds hangs on the next one, so some look a token ahead.
(Guided attention: Tachibana et al. 2017, arXiv 1710.08969; here the target is the true
alignment, not the diagonal.) Model and layout stay as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class GuidedHead:
    """What one head looks at: the token `ahead` tokens after what sounded `lag` ago.

    layer: the Talker's layer; its guided heads are its first ones, in order.
    """

    layer: int = 0
    lag: int = 0
    ahead: int = 0


def lagged(alignment_BT: Tensor, lag: int) -> Tensor:
    """The alignment as codebook `lag` sees it: shifted right, -1 where none."""
    if lag == 0:
        return alignment_BT
    shifted = torch.full_like(alignment_BT, -1)
    shifted[:, lag:] = alignment_BT[:, :-lag]
    return shifted


def guided_target(alignment_BT: Tensor, head: GuidedHead) -> Tensor:
    """The key position that a head is to look at, -1 where there is none to see."""
    spoken_BT = lagged(alignment_BT, head.lag)
    target_BT = spoken_BT + head.ahead
    queries_T = torch.arange(alignment_BT.shape[1], device=alignment_BT.device)
    visible_BT = (spoken_BT >= 0) & (target_BT <= queries_T)
    return torch.where(visible_BT, target_BT, -1)


def guidance_sums(
    attention_BHTT: Tensor, alignment_BT: Tensor, heads: Sequence[GuidedHead]
) -> tuple[Tensor, Tensor]:
    """Negative log attention of the first heads on the tokens meant for them.

    Args:
        attention_BHTT: probabilities, query position before key position.
        alignment_BT: key position spoken at each query position, -1 where none.
        heads: what each guided head is to look at, counted from head 0.

    Returns:
        Per guided head the sum over all its positions, and their number.
    """
    target_BGT = torch.stack([guided_target(alignment_BT, head) for head in heads], 1)
    valid_BGT = target_BGT >= 0
    wanted_BGT1 = target_BGT.clamp(min=0).unsqueeze(-1)
    mass_BGT = attention_BHTT[:, : len(heads)].gather(3, wanted_BGT1).squeeze(-1)
    losses_BGT = -(mass_BGT + 1e-4).log() * valid_BGT
    return losses_BGT.sum(dim=(0, 2)), valid_BGT.sum(dim=(0, 2))


def guidance_counts(alignment_BT: Tensor, heads: Sequence[GuidedHead]) -> Tensor:
    """Per guided head the number of positions at which it is guided."""
    return torch.stack(
        [(guided_target(alignment_BT, head) >= 0).sum() for head in heads]
    )


def guidance_loss(
    attention_BHTT: Tensor, alignment_BT: Tensor, heads: Sequence[GuidedHead]
) -> Tensor:
    """Mean of `guidance_sums` over positions, then over heads."""
    sums, counts = guidance_sums(attention_BHTT, alignment_BT, heads)
    return (sums / counts.clamp(min=1)).mean()


@torch.no_grad()
def alignment_accuracy(attention_BHTT: Tensor, alignment_BT: Tensor) -> float:
    """Share of spoken positions where head 0 looks most at the token being spoken."""
    valid_BT = alignment_BT >= 0
    best_BT = attention_BHTT[:, 0].argmax(dim=-1)
    hits = (best_BT == alignment_BT) & valid_BT
    return float(hits.sum() / valid_BT.sum().clamp(min=1))
