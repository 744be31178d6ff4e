"""Codes by hand equal the codec's, and muting is leaving entries out of a sum."""

import pytest
import torch

from minimind_o.assets import Assets
from minimind_o.errors import UserError
from minimind_o.frozen.codebooks import decode_kept, entries, latents, round_off
from minimind_o.frozen.mimi import load_mimi


@pytest.fixture(scope="module")
def mimi():
    return load_mimi(Assets.find().mimi)


@pytest.fixture(scope="module")
def wave_BN():
    seconds = torch.arange(24_000) / 24_000
    chirp = 0.4 * torch.sin(2 * torch.pi * (200 + 900 * seconds) * seconds)
    noise = torch.randn(24_000, generator=torch.Generator().manual_seed(0))
    return (chirp + 0.05 * noise)[None]


def test_rounding_by_hand_gives_the_codecs_codes(mimi, wave_BN):
    first_BTD, rest_BTD = latents(mimi, wave_BN)
    rest_books = torch.stack([entries(mimi, q) for q in range(1, 8)])
    by_hand = torch.cat(
        [
            round_off(first_BTD[0], entries(mimi, 0)[None]),
            round_off(rest_BTD[0], rest_books),
        ]
    )
    assert (by_hand == mimi.encode(wave_BN)[0]).float().mean() > 0.99


def test_all_codebooks_kept_is_plain_decoding(mimi, wave_BN):
    codes_BQT = mimi.encode(wave_BN)
    wave = decode_kept(mimi, codes_BQT, range(8))
    assert torch.allclose(wave, mimi.decode(codes_BQT), atol=1e-5)


def test_the_first_codebooks_kept_is_decoding_fewer_codes(mimi, wave_BN):
    codes_BQT = mimi.encode(wave_BN)
    for count in (1, 3):
        wave = decode_kept(mimi, codes_BQT, range(count))
        assert torch.allclose(wave, mimi.decode(codes_BQT[:, :count]), atol=1e-5)


@pytest.mark.parametrize("muted", [0, 1, 5])
def test_the_codes_of_a_muted_codebook_do_not_matter(mimi, wave_BN, muted):
    codes_BQT = mimi.encode(wave_BN)
    other_BQT = codes_BQT.clone()
    other_BQT[:, muted] = (other_BQT[:, muted] + 1) % mimi.num_codes
    kept = [q for q in range(8) if q != muted]
    wave, other = decode_kept(mimi, codes_BQT, kept), decode_kept(mimi, other_BQT, kept)
    assert torch.equal(wave, other)
    assert not torch.equal(wave, mimi.decode(codes_BQT))


def test_no_codebook_kept_sounds_the_same_whatever_the_codes(mimi):
    silent, other = torch.zeros(1, 8, 4).long(), torch.full((1, 8, 4), 9)
    assert torch.equal(decode_kept(mimi, silent, []), decode_kept(mimi, other, []))


def test_a_codebook_that_does_not_exist_is_named(mimi):
    with pytest.raises(UserError, match=r"codebook 8 does not exist.*0…7"):
        decode_kept(mimi, torch.zeros(1, 8, 4).long(), [0, 8])
