"""Recordings and pictures from outside: each is read, or refused in one sentence."""

import io
import re
import struct
import zlib

import numpy as np
import pytest
import soundfile
from PIL import Image

from minimind_o.data.media import read_audio, read_picture
from minimind_o.errors import UserError


def recording(samples, rate=16_000, kind="WAV", subtype=None):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


def tone(seconds, rate=16_000):
    times = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * 200 * times)).astype(np.float32)


def encoded(picture, kind="PNG", **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def refusal(read, source):
    with pytest.raises(UserError) as error:
        read(source, "q")
    message = str(error.value)
    assert message.startswith("q ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
@pytest.mark.parametrize("rate", [8_000, 48_000])
def test_formats_and_rates_are_read_as_they_are(kind, rate):
    wave, found = read_audio(recording(tone(0.5, rate), rate, kind))
    assert found == rate
    assert wave.dtype == np.float32
    assert 0.45 <= len(wave) / rate <= 0.65
    assert 0.4 < np.abs(wave).max() <= 1


def test_96_khz_is_read():
    wave, rate = read_audio(recording(tone(0.2, 96_000), 96_000))
    assert (len(wave), rate) == (19_200, 96_000)


def test_stereo_is_averaged_and_float_is_clipped():
    left = tone(0.2)
    stereo = np.stack([left, np.zeros_like(left)], axis=1)
    wave, _ = read_audio(recording(stereo, subtype="FLOAT"))
    np.testing.assert_allclose(wave, left / 2, atol=1e-6)
    loud, _ = read_audio(recording(left * 8, subtype="FLOAT"))
    assert np.abs(loud).max() == 1


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused(wrong):
    samples = tone(0.2)
    samples[7] = wrong
    message = refusal(read_audio, recording(samples, subtype="FLOAT"))
    assert "NaN or infinite" in message


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (b"", "is empty"),
        (b"no audio at all", "cannot be read as audio"),
        (recording(tone(0.0)), "holds no samples"),
        (recording(tone(0.05)), "0.05 seconds long: .* at least 0.1 seconds"),
        (recording(np.zeros(600 * 8_000), 8_000), "10 minutes long: .* 60 seconds"),
        (recording(tone(0.5))[:9_000], "ends before its header says"),
        (recording(tone(0.5), 1_000), "sampling rate of 1000 Hz"),
    ],
)
def test_recordings_that_cannot_be_used_are_refused(source, words):
    assert re.search(words, refusal(read_audio, source))


def test_the_content_decides_and_not_the_extension(tmp_path):
    path = tmp_path / "flac.wav"
    path.write_bytes(recording(tone(0.2), kind="FLAC"))
    assert len(read_audio(path)[0]) == 3_200
    path.write_bytes(encoded(Image.new("RGB", (4, 4))))
    with pytest.raises(UserError, match=r"flac\.wav cannot be read as audio"):
        read_audio(path)
    picture = tmp_path / "wave.png"
    picture.write_bytes(recording(tone(0.2)))
    with pytest.raises(UserError, match=r"wave\.png is not a picture"):
        read_picture(str(picture))


@pytest.mark.parametrize("read", [read_audio, read_picture])
def test_missing_files_and_folders_are_named(read, tmp_path):
    with pytest.raises(UserError, match=r"none does not exist"):
        read(tmp_path / "none")
    with pytest.raises(UserError, match="is a folder"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("mode", "kind"), [("CMYK", "JPEG"), ("L", "PNG"), ("P", "GIF"), ("1", "TIFF")]
)
def test_every_colour_mode_becomes_rgb(mode, kind):
    picture = read_picture(encoded(Image.new(mode, (5, 3)), kind))
    assert (picture.mode, picture.size) == ("RGB", (5, 3))


def test_cmyk_keeps_its_colours():
    red = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    r, g, b = read_picture(encoded(red, "JPEG")).getpixel((4, 4))
    assert r > 240
    assert max(g, b) < 15


def test_an_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (6, 6), colour) for colour in ("red", "blue")]
    source = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert read_picture(source).getpixel((2, 2)) == (255, 0, 0)


def test_transparency_is_white_and_sixteen_bits_are_scaled():
    clear = Image.new("RGBA", (2, 2), (0, 0, 0, 0))
    assert read_picture(encoded(clear)).getpixel((0, 0)) == (255, 255, 255)
    grey = Image.fromarray(np.full((2, 2), 32_768, np.uint16))
    assert read_picture(encoded(grey)).getpixel((0, 0)) == (127, 127, 127)


@pytest.mark.parametrize("size", [(1, 1), (5_000, 4_000)])
def test_one_pixel_and_twenty_million_are_read(size):
    assert read_picture(encoded(Image.new("1", size))).size == size


def bomb(width, height):
    """A PNG whose header claims more than its few bytes hold."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [header, b"IDAT" + zlib.compress(b"\0"), b"IEND"]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(p) - 4) + p + struct.pack(">I", zlib.crc32(p))
        for p in parts
    )


@pytest.mark.parametrize("side", [8_000, 12_000, 60_000])
def test_decompression_bombs_are_refused_unread(side):
    assert "the most is 50 million" in refusal(read_picture, bomb(side, side))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF"])
def test_truncated_pictures_are_refused(kind):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    source = encoded(Image.fromarray(noise), kind)
    assert "whole" in refusal(read_picture, source[: len(source) // 2])
    assert "is not a picture" in refusal(read_picture, source[:3])
    assert "is empty" in refusal(read_picture, b"")
