"""Steps of fixed shape are the steps of the growing cache."""

import pytest
import torch

from minimind_o.errors import UserError
from minimind_o.generation.fixed_step import FixedStep
from minimind_o.model.omni import OmniModel
from tests.model.tiny import tiny_config


def test_steps_of_fixed_shape_give_the_same_logits() -> None:
    torch.manual_seed(0)
    model = OmniModel(tiny_config()).eval()
    prompt = torch.randint(0, 20, (1, 9, 7))
    columns = torch.randint(0, 20, (5, 1, 9, 1))
    with torch.inference_mode():
        wanted_cache, cache = model.new_cache(1, 16), model.new_cache(1, 16)
        model.step(prompt, wanted_cache)
        model.step(prompt, cache)
        step = FixedStep(model, cache)
        for column in columns:
            wanted = model.step(column, wanted_cache)
            for one, other in zip(step(column), wanted, strict=True):
                torch.testing.assert_close(one, other)
    assert step.cache.talker.length.tolist() == [12]


def test_experts_have_no_fixed_shape() -> None:
    model = OmniModel(tiny_config(use_moe=True)).eval()
    with pytest.raises(UserError, match="use a dense one"):
        FixedStep(model, model.new_cache(1, 8))
