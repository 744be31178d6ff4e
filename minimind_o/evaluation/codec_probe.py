"""What each codebook knows: can its codes alone tell the phoneme, or the voice?

The probe is the simplest there is, a lookup table: for every code the label it stood
for most often. It needs no training and cannot hide a clever classifier.

Shapes: Q codebook, T frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from minimind_o.data.speech import Utterance, Voice, render
from minimind_o.frozen.mimi import Mimi

SILENCE = "_"


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledFrames:
    """Frames of speech, and what is known of each."""

    codes_QT: NDArray[np.int64]
    """Mimi's codes."""
    phonemes_T: NDArray[np.str_]
    """What is being said: espeak-ng's phoneme in the middle of the frame."""
    voices_T: NDArray[np.str_]
    """Who is saying it."""


def frame_phonemes(
    utterance: Utterance, num_frames: int, frame_size: int
) -> NDArray[np.str_]:
    """The phoneme (T,) in the middle of each frame; `_` is silence."""
    starts = [start for _, start in utterance.phonemes]
    names = [
        SILENCE if name.startswith(SILENCE) else name.strip("',")
        for name, _ in utterance.phonemes
    ]
    middles = (np.arange(num_frames) + 0.5) * frame_size
    places = np.searchsorted(starts, middles, side="right") - 1
    return np.array([names[place] if place >= 0 else SILENCE for place in places])


def label_frames(
    mimi: Mimi, texts: Sequence[str], voices: Sequence[Voice], language: str = "en-us"
) -> LabelledFrames:
    """Speak each text in the next voice, encode it, and note what every frame says."""
    codes, phonemes, speakers = [], [], []
    for index, text in enumerate(texts):
        voice = voices[index % len(voices)]
        utterance = render(text, language, voice)
        codes_QT = mimi.encode(torch.from_numpy(utterance.wave)[None])[0].numpy()
        num_frames = codes_QT.shape[1]
        codes.append(codes_QT)
        phonemes.append(frame_phonemes(utterance, num_frames, mimi.frame_size))
        speakers.append(np.full(num_frames, voice.name))
    return LabelledFrames(
        codes_QT=np.concatenate(codes, axis=1),
        phonemes_T=np.concatenate(phonemes),
        voices_T=np.concatenate(speakers),
    )


def lookup_table(
    codes_T: NDArray[np.int64], labels_T: NDArray[np.str_]
) -> dict[int, str]:
    """For each code the label it stands for most often; ties go to the first label."""
    return {
        int(code): most_frequent(labels_T[codes_T == code])
        for code in np.unique(codes_T)
    }


def lookup_accuracy(
    codes_T: NDArray[np.int64],
    labels_T: NDArray[np.str_],
    new_codes_T: NDArray[np.int64],
    new_labels_T: NDArray[np.str_],
) -> float:
    """How often the table made of one set of frames is right about another set.

    A code that the table has never seen gets the most frequent label.
    """
    table = lookup_table(codes_T, labels_T)
    otherwise = most_frequent(labels_T)
    guesses = [table.get(int(code), otherwise) for code in new_codes_T]
    return float((np.array(guesses) == new_labels_T).mean())


def most_frequent(labels_T: NDArray[np.str_]) -> str:
    """The commonest label, the first in the alphabet where several are."""
    names, counts = np.unique(labels_T, return_counts=True)
    return str(names[counts.argmax()])


def guess_accuracy(labels_T: NDArray[np.str_], new_labels_T: NDArray[np.str_]) -> float:
    """Chance: how often the commonest label is right."""
    return float((new_labels_T == most_frequent(labels_T)).mean())
