"""Guided attention: what it rewards, and what counts as aligned."""

import math

import pytest
import torch
from torch import Tensor

from minimind_o.training.guidance import (
    GuidedHead,
    alignment_accuracy,
    guidance_loss,
    guidance_sums,
    guided_target,
    lagged,
)

ALIGNMENT = torch.tensor([[-1, 0, 0, 1, 1, 2, -1], [-1, -1, 1, 1, 2, 3, 3]])


def lags(*values: int) -> tuple[GuidedHead, ...]:
    """Heads that look at what sounded so many steps ago."""
    return tuple(GuidedHead(lag=lag) for lag in values)


def looking_at(target_BT: Tensor, num_heads: int = 2) -> Tensor:
    """(B, H, T, T) attention wholly on the target, or on position 0 where none."""
    one_hot = torch.nn.functional.one_hot(target_BT.clamp(min=0), target_BT.shape[1])
    return one_hot.float().unsqueeze(1).expand(-1, num_heads, -1, -1).clone()


def test_perfect_attention_costs_nothing() -> None:
    loss = guidance_loss(looking_at(ALIGNMENT), ALIGNMENT, lags(0))
    assert float(loss) == pytest.approx(0, abs=1e-3)


def test_attention_elsewhere_costs_its_negative_log() -> None:
    length = ALIGNMENT.shape[1]
    uniform = torch.full((2, 2, length, length), 1 / length)
    loss = guidance_loss(uniform, ALIGNMENT, lags(0, 1))
    assert float(loss) == pytest.approx(math.log(length), abs=1e-2)
    nowhere = torch.zeros(2, 2, length, length)
    assert float(guidance_loss(nowhere, ALIGNMENT, lags(0))) == pytest.approx(
        -math.log(1e-4)
    )


def test_positions_that_speak_nothing_do_not_count() -> None:
    attention = looking_at(ALIGNMENT)
    changed = attention.clone()
    changed[:, :, 0] = 1 / 7  # nothing is spoken at position 0 in either row
    changed[0, :, 6] = 1 / 7
    assert guidance_loss(changed, ALIGNMENT, lags(0)) == guidance_loss(
        attention, ALIGNMENT, lags(0)
    )
    _, counts = guidance_sums(attention, ALIGNMENT, lags(0, 1))
    assert counts.tolist() == [10, 9]


def test_a_lag_looks_at_what_was_spoken_before() -> None:
    assert lagged(ALIGNMENT, 2).tolist() == [
        [-1, -1, -1, 0, 0, 1, 1],
        [-1, -1, -1, -1, 1, 1, 2],
    ]
    assert torch.equal(lagged(ALIGNMENT, 0), ALIGNMENT)
    late = looking_at(lagged(ALIGNMENT, 2))
    assert float(guidance_loss(late, ALIGNMENT, lags(2))) == pytest.approx(0, abs=1e-3)
    assert float(guidance_loss(late, ALIGNMENT, lags(0))) > 1


def test_a_head_may_look_a_token_ahead_but_not_at_what_is_yet_to_come() -> None:
    target = guided_target(ALIGNMENT, GuidedHead(ahead=1))
    assert target.tolist() == [[-1, 1, 1, 2, 2, 3, -1], [-1, -1, 2, 2, 3, 4, 4]]
    early = torch.tensor([[-1, 1, 2, 2]])
    assert guided_target(early, GuidedHead(ahead=1)).tolist() == [[-1, -1, -1, 3]]
    attention = looking_at(target)
    assert float(guidance_loss(attention, ALIGNMENT, (GuidedHead(ahead=1),))) < 1e-3
    assert float(guidance_loss(attention, ALIGNMENT, (GuidedHead(),))) > 1


def test_each_head_has_its_own_lag() -> None:
    attention = looking_at(ALIGNMENT)
    attention[:, 1] = looking_at(lagged(ALIGNMENT, 2))[:, 1]
    assert float(guidance_loss(attention, ALIGNMENT, lags(0, 2))) < 1e-3
    assert float(guidance_loss(attention, ALIGNMENT, lags(2, 0))) > 1


def test_the_gradient_pulls_attention_to_the_spoken_word() -> None:
    logits = torch.zeros(2, 1, 7, 7, requires_grad=True)
    guidance_loss(logits.softmax(-1), ALIGNMENT, lags(0)).backward()
    assert logits.grad is not None
    for row, position in zip(*torch.where(ALIGNMENT >= 0), strict=True):
        gradient = logits.grad[row, 0, position]
        assert int(gradient.argmin()) == int(ALIGNMENT[row, position])
        assert float(gradient.min()) < 0


def test_nothing_spoken_costs_nothing() -> None:
    silent = torch.full_like(ALIGNMENT, -1)
    assert float(guidance_loss(looking_at(silent), silent, lags(0, 2))) == 0


def test_accuracy_is_the_share_of_spoken_positions_that_look_right() -> None:
    attention = looking_at(ALIGNMENT)
    assert alignment_accuracy(attention, ALIGNMENT) == 1
    attention[0, 0, 1:6] = torch.nn.functional.one_hot(torch.tensor(6), 7).float()
    assert alignment_accuracy(attention, ALIGNMENT) == pytest.approx(0.5)
