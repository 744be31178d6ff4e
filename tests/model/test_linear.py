"""A matrix read by all threads gives what one thread gives."""

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F

from minimind_o.model.linear import MIN_WEIGHTS, Linear, linear


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("shape", [(512,), (1, 512), (1, 1, 512), (3, 512), (0, 512)])
@pytest.mark.parametrize("num_out", [768, 770])  # 770: not for 3 threads
@pytest.mark.parametrize("has_bias", [False, True])
def test_it_is_a_linear_layer(threads, shape, num_out, has_bias) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(shape), torch.randn(num_out, 512)
    assert weight.numel() >= MIN_WEIGHTS
    bias = torch.randn(num_out) if has_bias else None
    expected = F.linear(x, weight, bias)
    found = linear(x, weight, bias)
    assert found.shape == expected.shape
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)


def test_it_has_the_gradients_of_a_linear_layer(threads) -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 1, 512, requires_grad=True)
    layer = Linear(512, 768)
    grads = torch.autograd.grad(layer(x).sin().sum(), [x, layer.weight, layer.bias])
    again = F.linear(x, layer.weight, layer.bias).sin().sum()
    for found, expected in zip(
        grads, torch.autograd.grad(again, [x, layer.weight, layer.bias]), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_numbers_go_the_usual_way(threads, dtype) -> None:
    x, weight = torch.randn(1, 512, dtype=dtype), torch.randn(768, 512, dtype=dtype)
    assert torch.equal(linear(x, weight), F.linear(x, weight))


def test_under_autocast_it_leaves_in_the_dtype_of_the_products(threads) -> None:
    x, weight = torch.randn(1, 512), torch.randn(768, 512)
    with torch.autocast("cpu", torch.bfloat16):
        assert linear(x, weight).dtype == torch.bfloat16
