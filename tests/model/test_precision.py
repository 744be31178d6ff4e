"""Fewer bits: nearly the same answers, a fraction of the bytes."""

import pytest
import torch
from torch import nn

from minimind_o.errors import UserError
from minimind_o.model.omni import OmniModel
from minimind_o.model.precision import Int8Linear, to_precision, weight_bytes
from tests.model.tiny import tiny_config


@pytest.mark.parametrize("bias", [False, True])
def test_an_integer_layer_computes_nearly_what_the_layer_did(bias: bool) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(64, 96, bias=bias)
    x_BTK = torch.randn(2, 5, 64)
    with torch.inference_mode():
        wanted, got = layer(x_BTK), Int8Linear(layer)(x_BTK)
    assert got.shape == wanted.shape
    assert got.dtype == wanted.dtype
    assert float((got - wanted).norm() / wanted.norm()) < 0.02


def test_integers_are_at_most_half_a_step_from_the_weights() -> None:
    layer = nn.Linear(32, 16, bias=False)
    rounded = Int8Linear(layer)
    steps = (layer.weight.abs().amax(dim=1) / 127)[:, None]
    back = rounded.weight_OK.float() * steps
    assert ((back - layer.weight).abs() <= 0.501 * steps).all()


@pytest.mark.parametrize("use_moe", [False, True])
@pytest.mark.parametrize(("precision", "error"), [("bf16", 0.05), ("int8", 0.1)])
def test_a_model_in_fewer_bits_gives_nearly_the_same_logits(
    precision: str, error: float, use_moe: bool
) -> None:
    torch.manual_seed(0)
    model = OmniModel(tiny_config(use_moe=use_moe, num_experts_per_token=2)).eval()
    ids = torch.randint(0, 20, (1, 9, 12))
    columns = torch.randint(0, 20, (1, 9, 1))

    def logits(model: OmniModel) -> list[torch.Tensor]:
        cache = model.new_cache(1, 20)
        with torch.inference_mode():
            model.step(ids, cache)
            return [x.float() for x in model.step(columns, cache) if x is not None]

    wanted, before = logits(model), weight_bytes(model)
    got = logits(to_precision(model, precision))
    for one, other in zip(got, wanted, strict=True):
        assert float((one - other).norm() / other.norm()) < error
    assert weight_bytes(model) < 0.6 * before
    assert model.thinker.rotary.cos_TE.dtype == torch.float32


def test_an_unknown_precision_is_named() -> None:
    with pytest.raises(UserError, match="'fp4'; it must be one of fp32, bf16, int8"):
        to_precision(OmniModel(tiny_config()), "fp4")
