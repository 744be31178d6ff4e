"""Voice prompts of synthetic speakers: two seconds of codes, and the speaker vector."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from minimind_o.data.speech import SAMPLE_RATE, Voice, render
from minimind_o.frozen.campplus import CampPlus
from minimind_o.frozen.mimi import Mimi

REFERENCE_TEXTS = (
    ("en-us", "The old teacher reads a letter by the window."),
    ("en-us", "We will walk slowly over the bridge tomorrow."),
    ("en-us", "Seven happy children play in the warm garden."),
    ("en-us", "My brother likes cold milk and sweet bread."),
)
REFERENCE_SECONDS = 2.0


def reference_waves(voice: Voice) -> list[np.ndarray]:
    """Recordings of a speaker that no answer is one of, at 24 kHz."""
    return [render(text, language, voice).wave for language, text in REFERENCE_TEXTS]


@dataclass(frozen=True, kw_only=True)
class VoicePrompt:
    """What the model is given of a speaker: codes (Q, R) and a vector (S,)."""

    codes: np.ndarray
    speaker: np.ndarray


def reference_codes(mimi: Mimi, wave_N: np.ndarray) -> np.ndarray:
    """The prompt's codes (Q, R): the recording's first two seconds."""
    size = int(REFERENCE_SECONDS * mimi.frame_rate) * mimi.frame_size
    return mimi.encode(torch.from_numpy(wave_N[:size])[None])[0].numpy()


def voice_prompts(mimi: Mimi, campplus: CampPlus, voice: Voice) -> list[VoicePrompt]:
    """One prompt from each of the speaker's reference recordings."""
    return [
        VoicePrompt(
            codes=reference_codes(mimi, wave),
            speaker=campplus.embed([wave], SAMPLE_RATE)[0].numpy(),
        )
        for wave in reference_waves(voice)
    ]


def all_prompts(
    mimi: Mimi, campplus: CampPlus, voices: Mapping[str, Voice]
) -> dict[str, list[VoicePrompt]]:
    """`voice_prompts` of many speakers, by name."""
    return {
        name: voice_prompts(mimi, campplus, voice) for name, voice in voices.items()
    }
