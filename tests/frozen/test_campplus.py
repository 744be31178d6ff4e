"""The speaker encoder: what it gives, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
import soxr
import torch

from minimind_o.errors import UserError
from minimind_o.frozen.campplus import (
    CampPlus,
    features,
    load_campplus,
    similarity,
)
from minimind_o.nano.campplus import NANO_CAMPPLUS, write_directory


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A nano-sized encoder with random weights."""
    from funasr.models.campplus.model import CAMPPlus

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("campplus")
    write_directory(CAMPPlus(**NANO_CAMPPLUS), folder)
    return folder


@pytest.fixture(scope="module")
def encoder(directory: Path) -> CampPlus:
    """The same, loaded."""
    return load_campplus(directory)


def wave(seconds: float, rate: int = 16_000, seed: int = 0) -> np.ndarray:
    """Noise that swells and fades."""
    size = int(seconds * rate)
    noise = np.random.default_rng(seed).normal(0, 0.1, size)
    return (noise * np.sin(np.arange(size) / rate * 5)).astype(np.float32)


def test_a_recording_of_any_length_gives_one_vector(encoder: CampPlus) -> None:
    vectors = encoder.embed([wave(1.0), wave(2.5, seed=1)], 16_000)
    assert vectors.shape == (2, encoder.embedding_size) == (2, 192)
    assert vectors.dtype == torch.float32
    alone = encoder.embed([wave(2.5, seed=1)], 16_000)
    assert torch.allclose(vectors[1:], alone, atol=1e-5)


def test_the_vector_is_the_librarys_own(directory: Path, encoder: CampPlus) -> None:
    from funasr import AutoModel

    threads = torch.get_num_threads()
    auto = AutoModel(
        model=str(directory), ncpu=threads, disable_update=True, disable_pbar=True
    )
    result = auto.generate(wave(1.5))[0]["spk_embedding"]
    assert torch.allclose(
        encoder.embed([wave(1.5)], 16_000), result.reshape(1, -1), atol=1e-4
    )


def test_rate_channels_and_loudness_hardly_matter(encoder: CampPlus) -> None:
    low = soxr.resample(wave(2), 16_000, 8_000)
    smooth = soxr.resample(low, 8_000, 16_000)
    reference = encoder.embed([smooth], 16_000)
    for changed, rate in (
        (soxr.resample(low, 8_000, 44_100), 44_100),
        (np.stack([smooth, smooth], axis=1), 16_000),
        (0.25 * smooth, 16_000),
    ):
        other = encoder.embed([changed], rate)
        assert float(similarity(reference, other)) > 0.98


def test_features_have_no_mean_over_time() -> None:
    frames = features(wave(1))
    assert frames.shape == (98, 80)
    assert torch.allclose(frames.mean(dim=0), torch.zeros(80), atol=1e-3)


def test_similarity_is_the_cosine() -> None:
    a = torch.tensor([[1.0, 0.0], [3.0, 4.0]])
    b = torch.tensor([[0.0, 2.0], [3.0, 4.0]])
    assert similarity(a, b).tolist() == pytest.approx([0, 1])


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (wave(0.3), "recording 0 lasts 0.30 s"),
        (np.zeros(0, np.float32), "lasts 0.00 s"),
        (np.full(16_000, np.nan, np.float32), "not finite"),
    ],
)
def test_a_recording_that_tells_nothing_is_refused(
    encoder: CampPlus, bad: np.ndarray, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        encoder.embed([bad], 16_000)


@pytest.mark.parametrize("name", ["config.yaml", "configuration.json", "model.pt"])
def test_a_missing_file_is_named(directory: Path, tmp_path: Path, name: str) -> None:
    for file in directory.iterdir():
        if file.name != name:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(UserError, match=rf"{name} is missing"):
        load_campplus(tmp_path)


def test_damaged_files_are_refused_in_one_sentence(
    directory: Path, tmp_path: Path
) -> None:
    whole = {file.name: file.read_bytes() for file in directory.iterdir()}
    state = torch.load(directory / "model.pt", weights_only=True)
    name = next(iter(state))
    torch.save({k: v for k, v in state.items() if k != name}, tmp_path / "less.pt")
    for file, content, message in (
        ("configuration.json", b"{}", "init_param"),
        ("config.yaml", b"model: SenseVoiceSmall\n", "CAM"),
        ("model.pt", whole["model.pt"][:2000], "CAM|model.pt"),
        ("model.pt", (tmp_path / "less.pt").read_bytes(), "no such parameter"),
    ):
        for original, data in whole.items():
            (tmp_path / original).write_bytes(data)
        (tmp_path / file).write_bytes(content)
        with pytest.raises(UserError, match=message) as error:
            load_campplus(tmp_path)
        assert "\n" not in str(error.value)


def test_a_directory_says_what_it_is(directory: Path) -> None:
    metas = json.loads((directory / "configuration.json").read_text())
    assert metas["file_path_metas"]["init_param"] == "model.pt"


def test_loading_leaves_torchs_threads_as_they_were(directory: Path) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        load_campplus(directory)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
