"""A voice prompt from any recording, if the recording is good enough for one.

A prompt is imitated with its faults, so what is too short, silent, clipped or noisy is
refused. The thresholds are plain properties of the samples.

Shapes: N sample, Q codebook, T frame.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from minimind_o.data.media import read_audio
from minimind_o.errors import UserError
from minimind_o.frozen.campplus import CampPlus
from minimind_o.frozen.mimi import Mimi
from minimind_o.frozen.waves import resampled
from minimind_o.generation.voices import Voice

PROMPT_SECONDS = 2.0
"""Length of the reference codes, as in training."""
MIN_SPEECH_SECONDS = 1.5
SILENCE_DB = -45.0
"""A recording whose loudest parts are below this (RMS, of full scale) is silent."""
CLIP_LEVEL, MAX_CLIPPED = 0.999, 0.002
"""Samples at full scale, and the share of them above which the sound is distorted."""
MIN_DYNAMICS_DB = 15.0
"""Speech has pauses: loud and quiet parts of less distance are drowned in noise."""
_FRAME_SECONDS = 0.02
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


def make_voice(
    name: str, recording: bytes | str | Path, mimi: Mimi, campplus: CampPlus
) -> Voice:
    """The voice prompt of a recording's speaker.

    Raises:
        UserError: a name that no file should have; a recording that cannot be read, or
            is too short, silent, clipped or too noisy.
    """
    check_name(name)
    samples, rate = read_audio(recording)
    wave_N = resampled(samples, rate, mimi.sample_rate)
    label = "the recording" if isinstance(recording, bytes) else str(recording)
    speech_N = checked_speech(wave_N, mimi.sample_rate, label)
    frames = int(PROMPT_SECONDS * mimi.frame_rate)
    size = min(frames, len(speech_N) // mimi.frame_size) * mimi.frame_size
    codes = mimi.encode(torch.from_numpy(speech_N[:size])[None])
    return Voice(
        name=name,
        codes_QT=codes[0].cpu().numpy().astype(np.int64),
        speaker_embedding_S=campplus.embed([speech_N], mimi.sample_rate)[0].numpy(),
    )


def check_name(name: str) -> None:
    """Refuse what would make no good file name.

    Raises:
        UserError: saying what a name may hold.
    """
    if not _NAME.fullmatch(name):
        raise UserError(
            f"'{name}' cannot name a voice: use up to 32 small letters, digits, - and "
            "_, a letter or digit first"
        )


def checked_speech(
    wave_N: NDArray[np.float32], sample_rate: int, label: str
) -> NDArray[np.float32]:
    """The recording from its first to its last loud part, if it will do.

    Raises:
        UserError: too short, silent, clipped or too noisy, with the figure measured.
    """
    levels = loudness(wave_N, sample_rate)
    loud = float(np.percentile(levels, 90))
    if loud < SILENCE_DB:
        raise UserError(
            f"{label} is silent (its loud parts are at {loud:.0f} dB of full scale, "
            f"speech is above {SILENCE_DB:.0f}): record it louder"
        )
    clipped = float((np.abs(wave_N) >= CLIP_LEVEL).mean())
    if clipped > MAX_CLIPPED:
        raise UserError(
            f"{label} is clipped ({100 * clipped:.1f} % of its samples are at full "
            f"scale, at most {100 * MAX_CLIPPED:.1f} % may be): record it softer"
        )
    quiet = float(np.percentile(levels, 10))
    if loud - quiet < MIN_DYNAMICS_DB:
        raise UserError(
            f"{label} is too noisy (its quiet parts are {loud - quiet:.0f} dB below "
            f"its loud ones, speech has at least {MIN_DYNAMICS_DB:.0f}): record it in "
            "a quieter place, with short pauses"
        )
    spoken = np.flatnonzero(levels > loud - 25)
    size = round(_FRAME_SECONDS * sample_rate)
    speech_N = wave_N[spoken[0] * size : (spoken[-1] + 1) * size]
    seconds = len(speech_N) / sample_rate
    if seconds < MIN_SPEECH_SECONDS:
        raise UserError(
            f"{label} holds {seconds:.1f} s of speech: a voice needs at least "
            f"{MIN_SPEECH_SECONDS:.1f} s, better {PROMPT_SECONDS:.0f}"
        )
    return speech_N


def loudness(wave_N: NDArray[np.float32], sample_rate: int) -> NDArray[np.float64]:
    """Level of every 20 ms in decibels of full scale."""
    size = round(_FRAME_SECONDS * sample_rate)
    count = max(1, len(wave_N) // size)
    frames = np.resize(wave_N, count * size).reshape(count, size)
    power = np.square(frames, dtype=np.float64).mean(axis=1)
    return 10 * np.log10(power + 1e-12)
