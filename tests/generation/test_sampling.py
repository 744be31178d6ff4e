"""Batched sampling draws what each limit allows, and as often as it should."""

import pytest
import torch

from minimind_o.errors import UserError
from minimind_o.generation.sampling import GREEDY, SamplingConfig, sample


def draw(logits: torch.Tensor, config: SamplingConfig, **options) -> torch.Tensor:
    """2,000 draws per row, (N, 2000)."""
    generator = torch.Generator().manual_seed(0)
    rows = logits.repeat_interleave(2000, dim=0)
    ids = sample(rows, config, generator=generator, **options)
    return ids.view(logits.shape[0], 2000)


def test_greedy_takes_the_likeliest_in_every_row() -> None:
    logits = torch.tensor([[0.0, 3.0, 1.0], [2.0, -1.0, 1.0]])
    assert sample(logits, GREEDY).tolist() == [1, 0]


@pytest.mark.parametrize("top_k", [0, 3])
@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_frequencies_follow_the_softmax(top_k: int, temperature: float) -> None:
    logits = torch.tensor([[1.0, 0.0, -1.0], [0.0, 1.0, 1.0]])
    config = SamplingConfig(temperature=temperature, top_k=top_k)
    ids = draw(logits, config)
    frequencies = torch.stack([torch.bincount(row, minlength=3) for row in ids]) / 2000
    expected = (logits / temperature).softmax(-1)
    assert torch.allclose(frequencies, expected, atol=0.04)


def test_top_k_and_top_p_keep_only_the_likeliest() -> None:
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05], [0.05, 0.15, 0.3, 0.5]]).log()
    best_two = [{0, 1}, {2, 3}]
    for config in (SamplingConfig(top_k=2), SamplingConfig(top_p=0.7)):
        assert [set(row.tolist()) for row in draw(logits, config)] == best_two
    # The id that crosses p is kept: one at least remains.
    tiny = SamplingConfig(top_p=1e-6)
    assert [set(row.tolist()) for row in draw(logits, tiny)] == [{0}, {3}]


def test_more_than_all_ids_is_all_ids() -> None:
    ids = draw(torch.zeros(1, 3), SamplingConfig(top_k=50))
    assert set(ids[0].tolist()) == {0, 1, 2}


@pytest.mark.parametrize(
    "config", [SamplingConfig(), SamplingConfig(top_k=2), SamplingConfig(top_p=0.9)]
)
def test_forbidden_ids_are_never_drawn(config: SamplingConfig) -> None:
    forbidden = torch.tensor([0.0, -torch.inf, 0.0])
    ids = draw(torch.tensor([[0.0, 9.0, 0.0]]), config, forbidden_NV=forbidden)
    assert set(ids[0].tolist()) == {0, 2}
    assert sample(torch.tensor([[0.0, 9.0, 1.0]]), GREEDY, forbidden_NV=forbidden) == 2


def test_the_penalty_makes_recent_ids_less_likely_whatever_their_sign() -> None:
    config = SamplingConfig(temperature=0, repetition_penalty=2.0)
    logits = torch.tensor([[4.0, 3.0], [-4.0, -7.0]])
    recent = torch.tensor([[0, 0, 0], [0, 0, 0]])
    assert sample(logits, config, recent_NK=recent).tolist() == [1, 1]
    # once, however often the id came
    strong = torch.tensor([[7.0, 3.0]])
    assert sample(strong, config, recent_NK=recent[:1]).tolist() == [0]


def test_equal_seeds_draw_equal_ids() -> None:
    logits = torch.zeros(8, 500)
    config = SamplingConfig(top_k=50)

    def with_seed(seed: int) -> list[int]:
        generator = torch.Generator().manual_seed(seed)
        return sample(logits, config, generator=generator).tolist()

    assert with_seed(1) == with_seed(1) != with_seed(2)


@pytest.mark.parametrize(
    "field",
    [
        {"temperature": -1.0},
        {"temperature": float("nan")},
        {"top_k": -1},
        {"top_p": 0.0},
        {"top_p": 1.5},
        {"repetition_penalty": 0.0},
    ],
)
def test_impossible_values_are_named(field: dict) -> None:
    with pytest.raises(UserError, match=next(iter(field))):
        SamplingConfig(**field)
