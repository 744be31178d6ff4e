"""Chapter 6: answers and checkers for code embeddings, adapters and their ranks.

Shape legend: Q codebook, V audio vocabulary, D width, R rank, M any number.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from minimind_o.exercises.marking import (
    Function,
    Wrong,
    mark,
    same_number,
    same_numbers,
)


def embed_codes(
    codes_Q: Tensor, shared_VD: Tensor, tables_QVR: Tensor, adapters_QDR: Tensor
) -> Tensor:
    """One column of codes as one vector (D,)."""
    vectors = []
    for codebook, code in enumerate(codes_Q.tolist()):
        small_R = F.gelu(tables_QVR[codebook, code])
        vectors.append(shared_VD[code] + adapters_QDR[codebook] @ small_R)
    return torch.stack(vectors).mean(dim=0)


def check_embed_codes(answer: Function) -> Function:
    """Check the shared part, the adapters, the GELU and the mean."""
    generator = torch.Generator().manual_seed(0)
    codes = torch.tensor([3, 0, 3])
    shared = torch.randn(5, 4, generator=generator)
    tables = torch.randn(3, 5, 2, generator=generator)
    adapters = torch.randn(3, 4, 2, generator=generator)
    right = embed_codes(codes, shared, tables, adapters)
    rows = tables[torch.arange(3), codes]
    linear = torch.einsum("qdr,qr->qd", adapters, rows)
    own = torch.einsum("qdr,qr->qd", adapters, F.gelu(rows))
    first = torch.einsum("dr,qr->qd", adapters[0], F.gelu(tables[0, codes]))
    faults = {
        "the vectors are added up; take their mean": right * 3,
        "the GELU is missing": (shared[codes] + linear).mean(dim=0),
        "the adapters are missing": shared[codes].mean(dim=0),
        "the shared table is missing": own.mean(dim=0),
        "every codebook uses the adapter of codebook 0; each has its own": (
            (shared[codes] + first).mean(dim=0)
        ),
        "the GELU comes after the adapter": (
            (shared[codes] + F.gelu(linear)).mean(dim=0)
        ),
    }

    def examine(embed: Function) -> None:
        arguments = (codes, shared, tables, adapters)
        found = embed(*(argument.clone() for argument in arguments))
        same_numbers(found, right, faults)

    return mark(answer, embed_codes, examine)


def adapter_parameters(
    rank: int, vocab_size: int, width: int, num_codebooks: int
) -> int:
    """Numbers in the adapters of the embedding and of the heads together."""
    return 2 * num_codebooks * rank * (vocab_size + width)


def check_adapter_parameters(answer: Function) -> Function:
    """Check it for small numbers and for the released model's."""
    cases = (
        (0, 10, 4, 8, "a rank of 0 leaves no adapter"),
        (
            1,
            10,
            4,
            1,
            "10 + 4 numbers in the embedding, as many in the head",
        ),
        (3, 10, 4, 1, "three times as much as for rank 1"),
        (3, 10, 4, 8, "each of the 8 codebooks has its own"),
        (256, 2112, 768, 8, "2 · 8 · 256 · (2112 + 768)"),
    )

    def examine(count: Function) -> None:
        for *arguments, because in cases:
            rank, vocab_size, width, books = arguments
            question = (
                f"rank {rank}, {vocab_size} codes, width {width}, {books} codebooks"
            )
            right = adapter_parameters(rank, vocab_size, width, books)
            same_number(count(*arguments), right, question, because)

    return mark(answer, adapter_parameters, examine)


def effective_rank(singular_values: Tensor) -> float:
    """The exponential of the entropy of the values' shares (Roy and Vetterli 2007)."""
    shares = singular_values / singular_values.sum()
    return math.exp(float(torch.special.entr(shares).sum()))


def check_effective_rank(answer: Function) -> Function:
    """Check equal values, one value, and something between."""
    cases = (
        ("four equal values", torch.full((4,), 2.5)),
        ("one value and three zeros", torch.tensor([3.0, 0.0, 0.0, 0.0])),
        ("the values 4, 2, 1, 1", torch.tensor([4.0, 2.0, 1.0, 1.0])),
    )

    def examine(measure: Function) -> None:
        for question, values in cases:
            found, right = float(measure(values.clone())), effective_rank(values)
            if math.isnan(found):
                raise Wrong(f"For {question} you give nan; 0 · log 0 counts as 0.")
            if math.isclose(found, math.log(right), abs_tol=1e-4):
                raise Wrong(
                    f"For {question} you give {found:.2f}, the entropy; the rank is "
                    "its exponential."
                )
            squares = effective_rank(values.square())
            if not math.isclose(found, right, rel_tol=1e-4):
                hint = (
                    "; the shares are of the values, not of their squares"
                    if math.isclose(found, squares, rel_tol=1e-4)
                    else ""
                )
                raise Wrong(
                    f"For {question} you give {found:.2f}; it is {right:.2f}{hint}."
                )

    return mark(answer, effective_rank, examine)


def cut_rank(matrix_MD: Tensor, rank: int) -> Tensor:
    """The nearest matrix of that rank (Eckart and Young 1936)."""
    left, values, right = torch.linalg.svd(matrix_MD, full_matrices=False)
    return left[:, :rank] * values[:rank] @ right[:rank]


def check_cut_rank(answer: Function) -> Function:
    """Check which singular values are kept, and that no other matrix is nearer."""
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(6, 4, generator=generator)
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    faults = {
        "the smallest singular values are kept; keep the largest": (
            left[:, 2:] * values[2:] @ right[2:]
        ),
        "the singular values are missing": left[:, :2] @ right[:2],
        "nothing is cut off": matrix,
    }

    def examine(cut: Function) -> None:
        same_numbers(cut(matrix.clone(), 2), cut_rank(matrix, 2), faults)
        same_numbers(cut(matrix.clone(), 4), matrix, {})

    return mark(answer, cut_rank, examine)
