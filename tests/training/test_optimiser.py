"""Which parameters decay or stand still, and how the learning rate goes."""

import itertools

import pytest
import torch
from torch import nn

from minimind_o.errors import UserError
from minimind_o.model.omni import OmniModel
from minimind_o.training.muon import Muon, orthogonal, owners
from minimind_o.training.optimiser import (
    Optimisers,
    build_optimiser,
    freeze_others,
    learning_rate_at,
    set_learning_rate,
)
from minimind_o.training.processes import ALONE
from tests.training.tiny import tiny_config, tiny_recipe


@pytest.fixture
def model() -> OmniModel:
    """A tiny model."""
    return OmniModel(tiny_config())


def test_matrices_decay_and_norms_scales_and_embeddings_do_not(
    model: OmniModel,
) -> None:
    optimiser = build_optimiser(model, tiny_recipe())
    decays = {
        id(parameter): group["weight_decay"]
        for group in optimiser.param_groups
        for parameter in group["params"]
    }
    named = dict(model.named_parameters())
    assert len(decays) == len(named)
    decay = {name: decays[id(parameter)] for name, parameter in named.items()}
    assert decay["thinker.layers.0.attention.q_proj.weight"] == 0.05
    assert decay["talker.code_heads.shared"] == 0.05
    assert decay["thinker.embed_tokens.weight"] == 0
    assert decay["talker.code_embedding.tables"] == 0
    assert decay["talker.text_scale"] == 0
    assert decay["thinker.norm.weight"] == 0
    for name, parameter in named.items():
        if parameter.ndim < 2:
            assert decay[name] == 0, name


def test_what_does_not_learn_is_frozen_and_left_out(model: OmniModel) -> None:
    freeze_others(model, ("thinker", "talker"))
    frozen = {
        n.split(".")[0] for n, p in model.named_parameters() if not p.requires_grad
    }
    assert frozen == {"audio_projector", "image_projector"}
    freeze_others(model, ("thinker",))
    trained = {n.split(".")[0] for n, p in model.named_parameters() if p.requires_grad}
    assert trained == {"thinker"}
    optimiser = build_optimiser(model, tiny_recipe())
    count = sum(len(group["params"]) for group in optimiser.param_groups)
    assert count == len(list(model.thinker.parameters()))


def test_the_rate_warms_up_and_follows_a_cosine() -> None:
    rates = [learning_rate_at(step, 1000, 2.0, 100) for step in range(1001)]
    assert rates[0] == pytest.approx(0.02)
    assert rates[49] == pytest.approx(1.0)
    assert rates[99] == pytest.approx(2.0)
    assert max(rates) == pytest.approx(2.0)
    assert rates[550] == pytest.approx(2.0 * (0.02 + 0.98 * 0.5))
    assert rates[1000] == pytest.approx(0.04)
    assert all(a < b for a, b in itertools.pairwise(rates[:100]))
    assert all(a >= b for a, b in itertools.pairwise(rates[100:]))


def test_a_schedule_without_warm_up_begins_at_its_peak() -> None:
    assert learning_rate_at(0, 10, 1.0, 0) == pytest.approx(1.0)
    assert learning_rate_at(20, 10, 1.0, 0) == pytest.approx(0.02)


def test_every_group_gets_the_rate(model: OmniModel) -> None:
    optimiser = build_optimiser(model, tiny_recipe())
    set_learning_rate(optimiser, 0.5)
    assert [group["lr"] for group in optimiser.param_groups] == [0.5, 0.5]
    before = model.thinker.norm.weight.detach().clone()
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimiser.step()
    step = (before - model.thinker.norm.weight.detach()).mean()
    assert float(step) == pytest.approx(0.5, rel=1e-3)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_steps": 0}, "num_steps is 0; it must be at least 1"),
        ({"log_every": 0}, "log_every is 0"),
        ({"learning_rate": -1.0}, r"learning_rate is -1\.0; it must be above 0"),
        (
            {"precision": "fp8"},
            "precision is 'fp8'; it must be one of auto, bf16, fp32",
        ),
        ({"optimiser": "sgd"}, "optimiser is 'sgd'; it must be one of adamw, muon"),
        (
            {"learning": ("thinker", "listener")},
            "learning names 'listener'; the parts are thinker, talker, audio_projector",
        ),
        ({"learning": ()}, "learning is empty; name at least one part"),
    ],
)
def test_a_recipe_that_cannot_be_run_is_refused(changes: dict, words: str) -> None:
    with pytest.raises(UserError, match=words):
        tiny_recipe(**changes)


def test_the_thinker_may_learn_more_slowly(model: OmniModel) -> None:
    optimiser = build_optimiser(model, tiny_recipe(thinker_rate=0.25))
    set_learning_rate(optimiser, 0.8)
    rates = {
        id(parameter): group["lr"]
        for group in optimiser.param_groups
        for parameter in group["params"]
    }
    for name, parameter in model.named_parameters():
        expected = 0.2 if name.startswith("thinker.") else 0.8
        assert rates[id(parameter)] == pytest.approx(expected), name


def test_muon_takes_the_matrices_of_the_blocks_and_nothing_else() -> None:
    model = OmniModel(tiny_config(use_moe=True))
    optimiser = build_optimiser(model, tiny_recipe(optimiser="muon"))
    muon, adamw = optimiser.optimisers
    names = {id(p): name for name, p in model.named_parameters()}

    def taken(one: torch.optim.Optimizer) -> set[str]:
        return {names[id(p)] for group in one.param_groups for p in group["params"]}

    assert isinstance(muon, Muon)
    assert taken(muon) | taken(adamw) == set(names.values())
    assert "talker.layers.0.attention.q_proj.weight" in taken(muon)
    for name in taken(muon):
        assert ".layers." in name, name
        assert name.endswith("_proj.weight"), name
    gates = {name for name in names.values() if name.endswith(".gate.weight")}
    assert gates
    assert gates <= taken(adamw)


def test_two_optimisers_go_on_as_one_would_have(model: OmniModel) -> None:
    recipe = tiny_recipe(optimiser="muon")

    def steps(optimiser: Optimisers, count: int) -> None:
        for parameter in model.parameters():
            parameter.grad = torch.full_like(parameter, 0.1)
        for _ in range(count):
            optimiser.step()

    start = {name: value.clone() for name, value in model.state_dict().items()}
    steps(build_optimiser(model, recipe), 3)
    whole = {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(start)
    first = build_optimiser(model, recipe)
    steps(first, 1)
    second = build_optimiser(model, recipe)
    second.load_state_dict(first.state_dict())
    steps(second, 2)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, whole[name], msg=name)
    with pytest.raises(ValueError, match="shorter"):
        second.load_state_dict(first.state_dict()[:1])


@pytest.mark.parametrize("shape", [(8, 24), (24, 8), (16, 16)])
def test_an_orthogonal_update_keeps_the_directions(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    matrix = torch.randn(shape)
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    got = orthogonal(matrix)
    assert torch.linalg.svdvals(got).sub(1).abs().max() < 0.4
    across = left.T @ got @ right.T
    assert (across - across.diag().diag()).abs().max() < 1e-4


def test_muon_does_what_torch_does() -> None:
    torch.manual_seed(0)
    start = [torch.randn(shape) for shape in ((12, 40), (40, 12), (16, 16))]
    ours, theirs = ([nn.Parameter(p.clone()) for p in start] for _ in range(2))
    groups = [{"params": ours, "weight_decay": 0.1}]
    optimisers = (
        Muon(groups, 0.02, ALONE),
        torch.optim.Muon(
            theirs, lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"
        ),
    )
    for _ in range(5):
        for one, other in zip(ours, theirs, strict=True):
            one.grad = torch.randn_like(one)
            other.grad = one.grad.clone()
        for optimiser in optimisers:
            optimiser.step()
    for before, one, other in zip(start, ours, theirs, strict=True):
        way = (other - before).norm()  # torch's goes there in bfloat16
        assert float((one - other).detach().norm() / way.detach()) < 0.02


def test_the_work_of_muon_is_shared_evenly() -> None:
    shapes = [torch.Size(s) for s in ((832, 256), (256, 832), (256, 256), (128, 256))]
    shapes *= 4
    found = owners(shapes, 2)
    work = [min(s) ** 2 * (2 * max(s) + min(s)) for s in shapes]
    shares = [
        sum(w for w, o in zip(work, found, strict=True) if o == r) for r in (0, 1)
    ]
    assert max(shares) < 1.05 * min(shares)
    assert owners(shapes, 1) == [0] * 16
