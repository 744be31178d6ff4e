"""Cross-entropies at labelled positions, as sums and counts.

Sums and counts let a trainer divide by the count of a whole step, over micro-batches
and processes. Logits are read in float32.

Shapes: B batch, Q codebook, T position, D width, N labelled positions, V vocabulary.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from minimind_o.config import OmniConfig
from minimind_o.model.talker import CodeHeads
from minimind_o.model.thinker import Thinker

IGNORE = -100
"""The label of a position that is not trained on."""


def text_loss(
    thinker: Thinker, states_BTD: Tensor, labels_BT: Tensor
) -> tuple[Tensor, Tensor]:
    """Sum of the text cross-entropy and the number of labels, both scalars."""
    is_labelled = labels_BT != IGNORE
    logits_NV = thinker.text_logits(states_BTD[is_labelled])
    labels_N = labels_BT[is_labelled]
    total = F.cross_entropy(logits_NV.float(), labels_N, reduction="sum")
    return total, is_labelled.sum()


def audio_loss(
    heads: CodeHeads, states_BTD: Tensor, labels_BQT: Tensor, config: OmniConfig
) -> tuple[Tensor, Tensor]:
    """Per codebook: sum of the cross-entropy and number of labels, both (Q,).

    A stop target weighs `stop_loss_weight` in the sum and 1 in the count. The loss is
    the mean over the codebooks of sum / count.

    The 8 layers are labelled at nearly the same positions (each one later than the
    layer before it), so the heads run on the positions where any layer has a label.
    """
    is_labelled = (labels_BQT != IGNORE).any(dim=1)
    logits_QNV = heads(states_BTD[is_labelled])
    labels_QN = labels_BQT.transpose(1, 2)[is_labelled].T
    losses_QN = F.cross_entropy(
        logits_QNV.flatten(0, 1).float(), labels_QN.flatten(), reduction="none"
    ).view(labels_QN.shape)
    weights_QN = torch.where(
        labels_QN == config.audio_stop_token, config.stop_loss_weight, 1.0
    )
    return (losses_QN * weights_QN).sum(dim=1), (labels_QN != IGNORE).sum(dim=1)
