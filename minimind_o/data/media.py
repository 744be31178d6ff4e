"""Recordings and pictures from outside: bytes or files to arrays, or one sentence.

Everything that a user or a Parquet row brings passes through `read_audio` and
`read_picture`, so that nothing broken, endless or enormous reaches an encoder. What is
merely unusual is made usual: stereo is mixed, float samples are limited to [-1, 1], a
picture in any colour mode becomes RGB, an animation gives its first frame.

Shape legend: N sample, C channel.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from minimind_o.errors import UserError, first_line

MIN_SECONDS = 0.1
"""Shorter is a click: less than two of the speech encoder's states of 60 ms."""
MAX_SECONDS = 60.0
"""A minute of speech is 1,000 positions of the model."""
MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 4_000, 384_000
MAX_CHANNELS = 32
MAX_PIXELS = 50_000_000
"""A 50-megapixel picture takes 150 MB as RGB; what claims more is refused unread."""
FREE_PIXELS, PIXELS_PER_BYTE = 10_000_000, 8_300
"""A larger picture than so many must have so many bytes: more pixels of one bit are in
no byte of a PNG."""
MAX_BYTES = 100_000_000
"""Larger files are refused unread; a minute of stereo float at 96 kHz is half of it."""
PICTURE_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")

_BLOCK = 65_536  # samples read at a time


def read_audio(
    source: bytes | str | Path, name: str = ""
) -> tuple[NDArray[np.float32], int]:
    """The samples (N,), mono in [-1, 1], and the sampling rate of a recording.

    WAV, FLAC, OGG and MP3; the content decides, not the file's extension. Channels are
    averaged, samples beyond ±1 (float files may hold them) are clipped. The rate stays
    as it is: the encoders resample.

    Args:
        source: an encoded file, or where it lies.
        name: what to call it in messages; the path or "the recording" unless given.

    Raises:
        UserError: no such file, not whole, no audio, NaN or infinite samples, shorter
            than `MIN_SECONDS` or longer than `MAX_SECONDS`.
    """
    name = name or _default_name(source, "the recording")
    content = _read_bytes(source, name)
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            rate = file.samplerate
            _check_format(name, rate, file.channels)
            samples_N = _read_mono(file, name)
    except (soundfile.SoundFileError, OSError, ValueError, TypeError) as error:
        if isinstance(error, UserError):
            raise
        # The library's whole message names a memory address.
        reason = getattr(error, "error_string", "") or str(error)
        raise UserError(
            f"{name} cannot be read as audio ({_clause(reason)}): "
            "it must be a whole WAV, FLAC, OGG or MP3 file."
        ) from error
    if _is_cut_wav(content):
        raise UserError(
            f"{name} is a WAV file that ends before its header says: "
            "it must be a whole file."
        )
    seconds = len(samples_N) / rate
    if not len(samples_N):
        raise UserError(f"{name} holds no samples: record something first.")
    if seconds < MIN_SECONDS:
        raise UserError(
            f"{name} is {seconds:.3g} seconds long: "
            f"a recording must last at least {MIN_SECONDS:g} seconds."
        )
    return np.clip(samples_N, -1.0, 1.0), rate


def _is_cut_wav(content: bytes) -> bool:
    """A WAV file shorter than its header says; libsndfile plays the rest silently."""
    declared = int.from_bytes(content[4:8], "little") + 8
    streamed = declared >= 2**31 or declared == 8  # written to a pipe, length unknown
    return content[:4] == b"RIFF" and not streamed and declared > len(content)


def read_picture(source: bytes | str | Path, name: str = "") -> Image.Image:
    """A picture in RGB, upright, of its own size.

    JPEG, PNG, GIF, WebP, BMP and TIFF; the content decides, not the file's extension.
    An animation gives its first frame; grey, palette and CMYK pictures are converted;
    what is transparent becomes white; a camera's rotation is undone.

    Args:
        source: an encoded file, or where it lies.
        name: what to call it in messages; the path or "the picture" unless given.

    Raises:
        UserError: no such file, not a picture, not whole, or more than `MAX_PIXELS`.
    """
    name = name or _default_name(source, "the picture")
    content = _read_bytes(source, name)
    wanted = f"it must be a whole {', '.join(PICTURE_FORMATS[:-1])} or TIFF file"
    try:
        with warnings.catch_warnings():
            # Pillow warns of a bomb from 90 megapixels on; the limit here is lower.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content), formats=PICTURE_FORMATS) as picture:
                _check_size(name, *picture.size, len(content))
                picture.load()
                return _as_rgb(picture)
    except UserError:
        raise
    except Image.DecompressionBombError:
        raise _too_many_pixels(name, "far too many") from None
    except UnidentifiedImageError as error:
        raise UserError(f"{name} is not a picture: {wanted}.") from error
    except Exception as error:  # a decoder may raise anything on damaged input
        reason = first_line(error).rstrip(".")
        raise UserError(f"{name} is a damaged picture ({reason}): {wanted}.") from error


def _default_name(source: bytes | str | Path, otherwise: str) -> str:
    return otherwise if isinstance(source, bytes) else str(source)


def _read_bytes(source: bytes | str | Path, name: str) -> bytes:
    if not isinstance(source, bytes):
        path = Path(source)
        if path.is_dir():
            raise UserError(f"{name} is a folder: name a file in it.")
        try:
            size = path.stat().st_size
            if size <= MAX_BYTES:
                source = path.read_bytes()
        except FileNotFoundError:
            raise UserError(f"{name} does not exist: name an existing file.") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UserError(f"{name} cannot be opened: {_clause(reason)}.") from error
    if isinstance(source, bytes):
        size = len(source)
    if not size:
        raise UserError(f"{name} is empty: it has no bytes.")
    if size > MAX_BYTES:
        raise UserError(
            f"{name} has {size / 1e6:.0f} MB: the most is {MAX_BYTES / 1e6:.0f} MB."
        )
    assert isinstance(source, bytes)
    return source


def _check_format(name: str, rate: int, num_channels: int) -> None:
    if not MIN_SAMPLE_RATE <= rate <= MAX_SAMPLE_RATE:
        raise UserError(
            f"{name} has a sampling rate of {rate} Hz: "
            f"it must lie in {MIN_SAMPLE_RATE}..{MAX_SAMPLE_RATE}."
        )
    if num_channels > MAX_CHANNELS:
        raise UserError(
            f"{name} has {num_channels} channels: the most is {MAX_CHANNELS}."
        )


def _read_mono(file: soundfile.SoundFile, name: str) -> NDArray[np.float32]:
    """All samples (N,), read in blocks: a header's length may be a lie."""
    limit = int(MAX_SECONDS * file.samplerate)
    blocks, count = [np.zeros(0, np.float32)], 0
    while len(block_NC := file.read(_BLOCK, dtype="float32", always_2d=True)):
        count += len(block_NC)
        if count > limit:
            length = max(file.frames, count)
            raise UserError(
                f"{name} is {_duration(length / file.samplerate)} long: "
                f"a recording may last at most {MAX_SECONDS:g} seconds."
            )
        if not np.isfinite(block_NC).all():
            raise UserError(
                f"{name} holds samples that are NaN or infinite: "
                "every sample must be a number in [-1, 1]."
            )
        blocks.append(np.clip(block_NC, -1.0, 1.0).mean(axis=1))
    return np.concatenate(blocks)


def _duration(seconds: float) -> str:
    if seconds > 86_400:
        return "more than a day"
    if seconds >= 120:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds:.1f} seconds"


def _check_size(name: str, width: int, height: int, num_bytes: int) -> None:
    pixels = width * height
    if pixels > MAX_PIXELS:
        raise _too_many_pixels(name, f"{pixels / 1e6:.0f} million")
    if pixels > max(FREE_PIXELS, num_bytes * PIXELS_PER_BYTE):
        raise UserError(
            f"{name} claims {pixels / 1e6:.0f} million pixels in {num_bytes} bytes: "
            "no picture is packed so densely."
        )


def _too_many_pixels(name: str, what: str) -> UserError:
    return UserError(
        f"{name} has {what} pixels: the most is {MAX_PIXELS // 1_000_000} million."
    )


def _as_rgb(picture: Image.Image) -> Image.Image:
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith(("I", "F")):
        # Pillow would clip 16-bit and float grey to 255 instead of scaling it.
        grey = np.nan_to_num(np.asarray(picture, np.float32))
        top = 65_535 if picture.mode.startswith("I") else max(float(grey.max()), 1.0)
        scaled = np.clip(grey / top * 255, 0, 255).astype(np.uint8)
        return Image.fromarray(scaled).convert("RGB")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    return picture.convert("RGB")


def _clause(reason: str) -> str:
    """What a library says, short enough for a part of a sentence."""
    lines = reason.splitlines() or ["unknown reason"]
    return lines[0].rstrip(".")
