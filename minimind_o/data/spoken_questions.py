"""Spoken questions: a voice, a speed, a room and noise, as the bytes of a Vorbis file.

Shape legend: N sample.
"""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from minimind_o.data.speech import SAMPLE_RATE, Voice, random_voice, render

QUESTION_RATE = 16_000
"""Hz: what the speech encoder hears, so that nothing more is stored."""
COMPRESSION = 1.0
"""Of libsndfile's 0 to 1: a fifth of FLAC's size, 4 kB a second. (Opus is no smaller at
that quality here, and takes ten times as long.)"""
SPEED = (0.85, 1.2)
SIGNAL_TO_NOISE = (10.0, 40.0)  # decibels
REVERBERATION = (0.05, 0.35)  # seconds until the room has faded by 60 decibels
ROOM_SHARE = (0.0, 0.4)  # amplitude of the room's sound beside the direct one


def asked_wave(
    spoken: str,
    language: str,
    rng: np.random.Generator,
    voice: Voice | None = None,
) -> NDArray[np.float32]:
    """A question as someone might have said it, at `QUESTION_RATE`.

    Args:
        spoken: the text as espeak-ng is to pronounce it.
        language: `en-us` or `cmn`.
        rng: draws voice (where none is given), speed, room and noise.
        voice: who asks.
    """
    asking = at_some_speed(voice or random_voice(rng, "asking"), rng)
    return in_a_room(render(spoken, language, asking).wave, rng)


def spoken_question(
    spoken: str,
    language: str,
    rng: np.random.Generator,
    voice: Voice | None = None,
) -> bytes:
    """`asked_wave` as someone might have recorded it: Vorbis in OGG, mono."""
    return recording(asked_wave(spoken, language, rng, voice))


def at_some_speed(voice: Voice, rng: np.random.Generator) -> Voice:
    """The same voice, slower or faster."""
    return dataclasses.replace(voice, rate=round(voice.rate * rng.uniform(*SPEED)))


def in_a_room(
    wave_N: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Speech at `SAMPLE_RATE` as a room, noise and some distance leave it.

    Returns a wave at `QUESTION_RATE`.
    """
    wave_N = soxr.resample(wave_N, SAMPLE_RATE, QUESTION_RATE)
    wave_N = add_noise(add_room(wave_N, rng), rng.uniform(*SIGNAL_TO_NOISE), rng)
    wave_N *= rng.uniform(0.3, 0.9) / np.abs(wave_N).max()
    return wave_N


def recording(wave_N: NDArray[np.float32]) -> bytes:
    """A wave at `QUESTION_RATE` as Vorbis in OGG, mono."""
    file = io.BytesIO()
    soundfile.write(
        file, wave_N, QUESTION_RATE, format="OGG", subtype="VORBIS",
        compression_level=COMPRESSION,
    )  # fmt: skip
    return file.getvalue()


def add_room(
    wave_N: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.float32]:
    """The same sound in a synthetic room: an impulse, then decaying random echoes."""
    seconds = rng.uniform(*REVERBERATION)
    size = round(seconds * QUESTION_RATE)
    echoes = rng.standard_normal(size) * 10 ** (-3 * np.arange(size) / size)
    echoes *= rng.uniform(*ROOM_SHARE) / np.linalg.norm(echoes)
    echoes[0] = 1.0
    length = 1 << (len(wave_N) + size).bit_length()  # a fast one
    spectrum = np.fft.rfft(wave_N, length) * np.fft.rfft(echoes, length)
    together = np.fft.irfft(spectrum, length)[: len(wave_N) + size - 1]
    return together.astype(np.float32)


def add_noise(
    wave_N: NDArray[np.float32], decibels: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """White noise, `decibels` below the sound's mean power."""
    noise = rng.standard_normal(len(wave_N))
    power = np.mean(np.square(wave_N, dtype=np.float64))
    noise *= np.sqrt(power / 10 ** (decibels / 10))
    return (wave_N + noise).astype(np.float32)
