"""A tiny random model, tokenizer and codec, and a model that follows a script."""

import copy

import numpy as np
import pytest
import torch
from moshi.models import loaders
from numpy.typing import NDArray
from torch import Tensor

from minimind_o import tokenizer
from minimind_o.frozen.mimi import NANO_MIMI, Mimi
from minimind_o.model import OmniModel
from minimind_o.tokenizer import Tokenizer
from tests.model.tiny import tiny_config, tiny_model


@pytest.fixture(scope="session")
def tiny_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer.train_bpe(["Say it: hello there. 你好，世界。"] * 4, 330, folder)
    return tokenizer.load(folder)


@pytest.fixture(scope="session")
def tiny_mimi() -> Mimi:
    """moshi's own class with random weights: what it says is noise, not silence."""
    config = copy.deepcopy(NANO_MIMI)
    config["seanet"] |= {"n_filters": 2, "dimension": 32}
    config["transformer"] |= {
        "d_model": 32,
        "num_layers": 1,
        "dim_feedforward": 64,
        "input_dimension": 32,
        "output_dimensions": [32],
    }
    config["quantizer"] |= {
        "dimension": 16,
        "bins": 32,
        "input_dimension": 32,
        "output_dimension": 32,
    }
    torch.manual_seed(0)
    model = loaders.get_mimi(None, config)
    for name, buffer in model.quantizer.named_buffers():
        if name.endswith("embedding_sum"):
            buffer.normal_()
    return Mimi(model, config)


@pytest.fixture
def tiny_omni(tiny_tokenizer: Tokenizer) -> OmniModel:
    return tiny_model(vocab_size=tiny_tokenizer.vocab_size, max_position_embeddings=256)


class ScriptedModel(OmniModel):
    """Wants, at every position, the ids that a script has at the next one."""

    def __init__(self, vocab_size: int, script_ST: NDArray[np.int32]) -> None:
        super().__init__(
            tiny_config(vocab_size=vocab_size, max_position_embeddings=256)
        )
        self.script = torch.from_numpy(script_ST).long()
        self.read: list[Tensor] = []
        self.with_text: list[bool] = []
        self.speaker: Tensor | None = None

    def step(self, ids, cache, *, speaker_embedding=None, with_text=True):  # type: ignore[no-untyped-def,override]
        self.read.append(ids[0].clone())
        self.with_text.append(with_text)
        if speaker_embedding is not None:
            self.speaker = speaker_embedding
        position = sum(part.shape[1] for part in self.read)
        last = self.script.shape[1] - 1
        wanted = self.script[:, min(position, last)]
        text = torch.zeros(1, self.config.vocab_size)
        text[0, wanted[-1]] = 9.0
        audio = torch.zeros(1, 8, self.config.audio_vocab_size)
        audio[0, torch.arange(8), wanted[:-1]] = 9.0
        return (text if with_text else None), audio
