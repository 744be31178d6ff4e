"""How much of their rank the Talker's adapters use, and what is left of less.

An adapter writes through one matrix: in the code embedding GELU(table) @ adapter, in a
head GELU(projection of the state) @ adapter. Cut to a lower rank, the adapter stays an
adapter, so a cut model runs as any other.

Shapes: Q codebook, V audio vocabulary, D width, R rank, K singular value.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor

from minimind_o.errors import UserError
from minimind_o.model import OmniModel
from minimind_o.model.talker import CodeEmbedding, CodeHeads


@torch.no_grad()
def singular_values(model: OmniModel) -> tuple[Tensor, Tensor]:
    """Of the code embedding's adapters and of the heads', (Q, K) each, falling.

    Those of the embedding are of what the adapters add to the shared table, codes by
    width; those of the heads of the matrices from rank to codes.

    Raises:
        UserError: the model has no adapters.
    """
    return (
        torch.linalg.svdvals(_added(model.talker.code_embedding)),
        torch.linalg.svdvals(_head_adapters(model.talker.code_heads)),
    )


@torch.no_grad()
def cut_adapters(model: OmniModel, embedding_rank: int, head_rank: int) -> OmniModel:
    """A copy whose adapters have at most these ranks: the nearest ones, by SVD.

    A rank of 0 leaves no adapter.

    Raises:
        UserError: the model has no adapters.
    """
    cut = copy.deepcopy(model)
    embedding, heads = cut.talker.code_embedding, cut.talker.code_heads
    added_QVD = _added(embedding)
    _, _, right_QKD = torch.linalg.svd(added_QVD, full_matrices=False)
    kept_QKD = right_QKD[:, :embedding_rank]
    assert embedding.adapters is not None
    # Projected on the kept directions, GELU(table) @ adapter is its own nearest
    # matrix of that rank.
    embedding.adapters.copy_(kept_QKD.mT @ kept_QKD @ embedding.adapters)
    left_QVK, values_QK, right_QKR = torch.linalg.svd(
        _head_adapters(heads), full_matrices=False
    )
    assert heads.adapters is not None
    heads.adapters.copy_(
        left_QVK[..., :head_rank]
        * values_QK[:, None, :head_rank]
        @ right_QKR[:, :head_rank]
    )
    return cut


def _added(embedding: CodeEmbedding) -> Tensor:
    """What each codebook adds to the shared table, (Q, V, D)."""
    if embedding.tables is None or embedding.adapters is None:
        raise UserError("this model's codebooks have no adapters to take apart.")
    return F.gelu(embedding.tables) @ embedding.adapters.mT


def _head_adapters(heads: CodeHeads) -> Tensor:
    """(Q, V, R)."""
    if heads.projections is None or heads.adapters is None:
        raise UserError("this model's codebooks have no adapters to take apart.")
    return heads.adapters
