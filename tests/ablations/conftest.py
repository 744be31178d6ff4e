"""Assets with tiny models and the nano world's tokenizer, codec and encoders."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from minimind_o.ablations.workbench import Workbench
from minimind_o.assets import Assets
from minimind_o.model import OmniModel
from tests.training.tiny import tiny_config

SHARED = ("tokenizer", "mimi", "sensevoice", "siglip2", "campplus", "voices")

NANO = {
    "num_codes": 512,
    "audio_vocab_size": 576,
    "audio_pad_token": 513,
    "audio_stop_token": 514,
    "audio_speaker_token": 515,
    "audio_hidden_size": 144,
    "image_hidden_size": 128,
    "speaker_embedding_size": 192,
}
"""What the frozen nano models ask for."""


@pytest.fixture(scope="session")
def tiny_assets(tmp_path_factory: pytest.TempPathFactory) -> Assets:
    root = tmp_path_factory.mktemp("assets")
    for name in SHARED:
        (root / name).symlink_to(Assets.find().path(name))
    config = tiny_config(max_position_embeddings=512, **NANO)
    model = OmniModel(config)
    model.init_weights(torch.Generator().manual_seed(5))
    model.save(root / "omni")
    model.save_thinker(root / "llm")
    return Assets(root)


@pytest.fixture
def bench(tiny_assets: Assets, tmp_path: Path) -> Iterator[Workbench]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Workbench(
        assets=tiny_assets, work=tmp_path / "work", device=torch.device("cpu")
    )
    torch.set_num_threads(threads)
