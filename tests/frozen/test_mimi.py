"""The codec: whole recordings, streams, and files that are not what they should be."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from moshi.models import loaders
from torch import Tensor

from minimind_o.assets import Assets
from minimind_o.data.speech import VOICES, render
from minimind_o.errors import UserError
from minimind_o.frozen.mimi import NANO_MIMI, Mimi, load_mimi, save_mimi
from tests.frozen.tiny import small_mimi


@pytest.fixture(scope="module")
def mimi() -> Mimi:
    """The committed codec."""
    return load_mimi(Assets.find().mimi)


@pytest.fixture(scope="module")
def wave() -> Tensor:
    """(1, N): a spoken sentence of whole frames."""
    samples = render("The cat sleeps by the river.", "en-us", VOICES["ada"]).wave
    return torch.from_numpy(np.pad(samples, (0, -len(samples) % 1920)))[None]


@pytest.fixture(scope="module")
def codes(mimi: Mimi, wave: Tensor) -> Tensor:
    """(1, Q, T) of that sentence."""
    return mimi.encode(wave)


def test_eight_codebooks_at_twelve_and_a_half_frames_a_second(
    mimi: Mimi, wave: Tensor, codes: Tensor
) -> None:
    assert (mimi.sample_rate, mimi.frame_rate, mimi.frame_size) == (24_000, 12.5, 1920)
    assert (mimi.num_codebooks, mimi.num_codes) == (8, 512)
    assert codes.shape == (1, 8, wave.shape[1] // 1920)
    assert codes.dtype == torch.int64
    assert int(codes.min()) >= 0
    assert int(codes.max()) < 512
    assert mimi.decode(codes).shape == wave.shape


def test_what_comes_back_is_the_speech_that_went_in(
    mimi: Mimi, wave: Tensor, codes: Tensor
) -> None:
    def spectrum(samples: Tensor) -> Tensor:
        window = torch.hann_window(1024)
        power = torch.stft(samples, 1024, 480, window=window, return_complex=True)
        bands = power.abs()[:, :256].unflatten(1, (32, 8)).mean(dim=2)
        return bands.clamp(min=0.1).log().flatten()

    def likeness(samples: Tensor) -> float:
        pair = torch.stack([spectrum(samples), spectrum(wave)])
        return float(torch.corrcoef(pair)[0, 1])

    backwards = likeness(mimi.decode(codes.flip(2)))
    assert likeness(mimi.decode(codes)) > max(0.8, backwards + 0.3), backwards


@pytest.mark.parametrize("frames_a_call", [1, 3])
def test_a_stream_equals_decoding_all_codes_at_once(
    mimi: Mimi, codes: Tensor, frames_a_call: int
) -> None:
    offline = mimi.decode(codes)
    with mimi.streaming():
        pieces = [mimi.step(piece) for piece in codes.split(frames_a_call, dim=2)]
    assert pieces[0].shape == (1, 1920 * frames_a_call)
    assert torch.allclose(torch.cat(pieces, dim=1), offline, atol=1e-4)


def test_a_stream_of_two_rows_equals_the_rows_alone(mimi: Mimi, codes: Tensor) -> None:
    both = torch.cat([codes, codes.flip(2)])
    with mimi.streaming(2):
        streamed = torch.cat([mimi.step(piece) for piece in both.split(1, 2)], dim=1)
    for row, row_codes in zip(streamed, both, strict=True):
        assert torch.allclose(row, mimi.decode(row_codes[None])[0], atol=1e-4)


def test_rows_that_come_pause_and_go_are_what_each_is_alone() -> None:
    """Some for longer than the codec looks back, which is 125 frames."""
    mimi = small_mimi()
    codes_RQT = torch.randint(0, mimi.num_codes, (3, 8, 150))
    heard: dict[int, list[Tensor]] = {}
    over: list[tuple[int, list[Tensor]]] = []
    # Which rows there are, how many steps they take, and which of them has a pause.
    for rows, num_steps, pausing in [
        ([0], 130, None),
        ([0, 1], 7, None),
        ([0, 1, 2], 5, 0),
        ([0, 2], 3, None),
        ([0, 2], 4, 2),
        ([2], 20, None),
        ([2, 1], 9, None),  # row 1 begins again
        ([], 0, None),
    ]:
        there = list(heard)
        mimi.go_on([there.index(row) if row in there else None for row in rows])
        over += [(row, parts) for row, parts in heard.items() if row not in rows]
        heard = {row: heard.get(row, []) for row in rows}
        for _ in range(num_steps):
            next_RQ1 = torch.zeros(len(rows), 8, 1, dtype=torch.long)
            for index, row in enumerate(rows):
                if row != pausing:
                    next_RQ1[index, :, 0] = codes_RQT[row, :, len(heard[row])]
            due_B = torch.tensor([row != pausing for row in rows])
            wave_BN = mimi.step(next_RQ1, None if due_B.all() else due_B)
            for row, wave_N in zip(rows, wave_BN, strict=True):
                if row != pausing:
                    heard[row].append(wave_N)
    assert [(row, len(parts)) for row, parts in over] == [
        (1, 12), (0, 144), (2, 37), (1, 9),
    ]  # fmt: skip
    for row, parts in over:
        alone_N = mimi.decode(codes_RQT[row : row + 1, :, : len(parts)])[0]
        assert alone_N.abs().max() > 1e-2
        torch.testing.assert_close(torch.cat(parts), alone_N, atol=1e-4, rtol=0)


def test_a_stream_is_not_begun_over_another(mimi: Mimi, codes: Tensor) -> None:
    mimi.go_on([None])
    with pytest.raises(AssertionError, match="streaming already"):
        mimi.go_on([None])
    mimi.step(codes[:, :, :1])
    mimi.go_on([])
    assert not mimi.model.is_streaming


def test_a_stream_leaves_nothing_behind(mimi: Mimi, codes: Tensor) -> None:
    offline = mimi.decode(codes)
    with mimi.streaming():
        mimi.step(codes[:, :, :5])
        with pytest.raises(UserError):
            mimi.step(codes[:, :, :1] + 512)
    assert torch.equal(mimi.decode(codes), offline)
    with mimi.streaming():
        again = mimi.step(codes)
    assert torch.allclose(again, offline, atol=1e-4)


@pytest.mark.parametrize("code", [-1, 512, 514])
def test_a_code_outside_the_codebook_is_named(
    mimi: Mimi, codes: Tensor, code: int
) -> None:
    wrong = codes.clone()
    wrong[0, 3, 2] = code
    with pytest.raises(UserError, match=rf"must lie in 0…511, .* {code}\b"):
        mimi.decode(wrong)
    with mimi.streaming(), pytest.raises(UserError, match=r"0…511"):
        mimi.step(wrong)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The codec's folder, to be damaged."""
    return Path(shutil.copytree(Assets.find().mimi, tmp_path / "mimi"))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named_with_what_makes_it(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(
        UserError, match=rf"{name} is missing: run `minimind-o nano mimi`"
    ):
        load_mimi(copy)


def one_sentence(error: pytest.ExceptionInfo[UserError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


def test_truncated_weights_are_named(copy: Path) -> None:
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(UserError, match=r"model\.safetensors cannot be read") as error:
        load_mimi(copy)
    one_sentence(error)


def test_weights_of_another_codec_are_refused(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    config["quantizer"]["bins"] = 256
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="cannot be read as Mimi weights") as error:
        load_mimi(copy)
    one_sentence(error)


@pytest.mark.parametrize("text", ['{"seanet": {', "[]", "{}", '{"quantizer": 3}', ""])
def test_a_config_that_is_none_is_named(copy: Path, text: str) -> None:
    (copy / "config.json").write_text(text)
    with pytest.raises(UserError, match=r"config\.json is not a Mimi config") as error:
        load_mimi(copy)
    one_sentence(error)


def test_only_the_first_eight_codebooks_of_a_larger_codec_are_used(
    tmp_path: Path,
) -> None:
    config = NANO_MIMI | {"quantizer": NANO_MIMI["quantizer"] | {"n_q": 12}}
    save_mimi(loaders.get_mimi(None, config, "cpu", 12), config, tmp_path)
    mimi = load_mimi(tmp_path)
    assert mimi.num_codebooks == 8
    assert mimi.encode(torch.zeros(1, 1920)).shape == (1, 8, 1)


def test_saving_keeps_the_codes_and_leaves_no_scraps(
    mimi: Mimi, wave: Tensor, codes: Tensor, tmp_path: Path
) -> None:
    save_mimi(mimi.model, mimi.config, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "config.json",
        "model.safetensors",
    }
    assert torch.equal(load_mimi(tmp_path).encode(wave), codes)
