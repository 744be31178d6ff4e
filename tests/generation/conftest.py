"""A tiny random model, tokenizer and codec, and a model that follows a script."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from minimind_o import tokenizer
from minimind_o.frozen.mimi import Mimi
from minimind_o.model import OmniModel
from minimind_o.tokenizer import Tokenizer
from tests.frozen.tiny import small_mimi
from tests.model.tiny import tiny_config, tiny_model


@pytest.fixture(scope="session")
def tiny_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer.train_bpe(["Say it: hello there. 你好，世界。"] * 4, 330, folder)
    return tokenizer.load(folder)


@pytest.fixture(scope="session")
def tiny_mimi() -> Mimi:
    """moshi's own class with random weights: what it says is noise, not silence."""
    return small_mimi()


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
