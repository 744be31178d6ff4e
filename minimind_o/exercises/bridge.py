"""Chapter 5: answers and checkers for the logit lens, probes and preferences.

Shape legend: L layer, D width, V vocabulary, N position or phrase, K label, Q codebook.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from minimind_o.evaluation.thinker_probe import fit_probe
from minimind_o.exercises.marking import (
    MAX_DIFFERENCE,
    Function,
    Wrong,
    mark,
    same_numbers,
)

EPS = 1e-6
WORD_CODEBOOKS = 2


def read_layers(states_LD: Tensor, scale_D: Tensor, table_VD: Tensor) -> Tensor:
    """Each layer's logits of the next token, (L, V): the last norm, then the head."""
    return F.rms_norm(states_LD, scale_D.shape, scale_D, EPS) @ table_VD.T


def check_read_layers(answer: Function) -> Function:
    """Check the norm, its scale and the product with the table."""
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(3, 6, generator=generator) * 4
    scale = torch.rand(6, generator=generator) + 0.5
    table = torch.randn(5, 6, generator=generator)
    unit = F.rms_norm(states, scale.shape, None, EPS)
    faults = {
        "the states are not normalised": states @ table.T,
        "the states are scaled and not normalised": (states * scale) @ table.T,
        "the norm's scale is missing": unit @ table.T,
        "the mean square is taken over the layers; each state has its own": (
            (states / states.square().mean(dim=0).sqrt()) * scale @ table.T
        ),
        "you divide by the length of the state, not by its root mean square": (
            F.normalize(states, dim=1) * scale @ table.T
        ),
    }

    def examine(read: Function) -> None:
        found = read(states.clone(), scale.clone(), table.clone())
        same_numbers(found, read_layers(states, scale, table), faults)

    return mark(answer, read_layers, examine)


def check_fit_probe(answer: Function) -> Function:
    """Check the normal equations and the ridge."""
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(20, 4, generator=generator, dtype=torch.double)
    targets = torch.randn(20, 3, generator=generator, dtype=torch.double)
    plain = torch.linalg.solve(states.T @ states, states.T @ targets)
    everywhere = torch.linalg.solve(states.T @ states + 0.5, states.T @ targets)
    faults = {
        "the ridge is missing": plain,
        "the ridge is added to every cell; it belongs on the diagonal": everywhere,
        "the product is not solved for: X'y alone is no fit": states.T @ targets,
        "the ridge is subtracted": fit_probe(states, targets, -0.5),
    }

    def examine(fit: Function) -> None:
        found = fit(states.clone(), targets.clone(), 0.5)
        same_numbers(found, fit_probe(states, targets, 0.5), faults)

    return mark(answer, fit_probe, examine)


def share_preferred(right_NQ: Tensor, wrong_NQ: Tensor) -> float:
    """How often the first codebooks' codes of the right recording cost less."""
    right_N = right_NQ[:, :WORD_CODEBOOKS].sum(dim=1)
    wrong_N = wrong_NQ[:, :WORD_CODEBOOKS].sum(dim=1)
    return float((right_N < wrong_N).double().mean())


def check_share_preferred(answer: Function) -> Function:
    """Check the direction, the codebooks, and that a tie is no preference."""
    right = torch.tensor(
        [
            [1.0, 1.0, 9.0],
            [3.0, 0.5, 0.0],
            [2.0, 2.0, 2.0],
            [1.0, 3.0, 5.0],
            [2.0, 0.5, 5.0],
            [2.0, 2.0, 0.0],
        ]
    )
    wrong = torch.tensor(
        [
            [2.0, 1.0, 0.0],
            [1.0, 1.0, 9.0],
            [2.0, 2.0, 1.0],
            [2.0, 2.5, 0.0],
            [1.0, 2.0, 0.0],
            [3.0, 3.0, 9.0],
        ]
    )
    expected = share_preferred(right, wrong)

    def share(better: Tensor) -> float:
        return float(better.double().mean())

    both = right[:, :WORD_CODEBOOKS], wrong[:, :WORD_CODEBOOKS]
    faults = {
        share(both[0].sum(1) <= both[1].sum(1)): "equal costs are no preference",
        share(right.sum(1) < wrong.sum(1)): (
            "all codebooks are added up; only the first two carry the words"
        ),
        share(right[:, 0] < wrong[:, 0]): "codebook 0 alone is compared",
        share(both[0].sum(1) > both[1].sum(1)): (
            "the dearer recording is preferred; a likely code has a low loss"
        ),
    }

    def examine(prefer: Function) -> None:
        found = float(prefer(right.clone(), wrong.clone()))
        if abs(found - expected) > MAX_DIFFERENCE:
            reason = next(
                (text for value, text in faults.items() if abs(found - value) < 1e-6),
                f"it is {expected:.2f}",
            )
            raise Wrong(f"For six phrases you give {found:.2f}: {reason}.")

    return mark(answer, share_preferred, examine)
