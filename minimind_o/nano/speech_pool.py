"""A pool of synthetic speech with phoneme labels, for the codec and the recogniser."""

from dataclasses import dataclass

import numpy as np

from minimind_o.data import vocabulary
from minimind_o.data.speech import (
    SAMPLE_RATE,
    VOICES,
    Utterance,
    random_voice,
    render,
)

LABEL_RATE = 25  # phoneme labels a second: two for each frame of the codec


@dataclass(frozen=True, kw_only=True)
class SpeechPool:
    """Utterances end to end.

    samples: int16 at 24 kHz.
    labels: phoneme index at 25 Hz (0 is silence).
    phonemes: the names behind the indices.
    """

    samples: np.ndarray
    labels: np.ndarray
    phonemes: tuple[str, ...]

    def crops(
        self, rng: np.random.Generator, batch_size: int, num_frames: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Random crops: waves (B, N) float32 and labels (B, 2 · num_frames)."""
        step = SAMPLE_RATE // LABEL_RATE
        starts = rng.integers(0, len(self.labels) - 2 * num_frames, batch_size)
        waves = np.stack(
            [self.samples[s * step : (s + 2 * num_frames) * step] for s in starts]
        )
        labels = np.stack([self.labels[s : s + 2 * num_frames] for s in starts])
        return waves.astype(np.float32) / 32768.0, labels


def random_words(rng: np.random.Generator, language: str, num_words: int) -> str:
    """Words of the nano world in random order, as one line of text."""
    if language == "cmn":
        return "".join(rng.choice(vocabulary.MANDARIN_WORDS, num_words)) + "。"
    return " ".join(rng.choice(vocabulary.ENGLISH_WORDS, num_words)) + "."


def phoneme_labels(
    utterance: Utterance, num_labels: int, rate: int, names: dict[str, int]
) -> np.ndarray:
    """The phoneme spoken at each of `num_labels` moments, `rate` of them a second.

    Args:
        names: index by phoneme name, 0 for silence; grows where a name is new.
    """
    labels = np.zeros(num_labels, np.int64)
    for name, start in utterance.phonemes:
        silent = name.startswith("_")
        index = 0 if silent else names.setdefault(name.strip("',"), len(names))
        labels[start * rate // SAMPLE_RATE :] = index
    return labels


def build_pool(seed: int, hours: float, random_share: float = 0.4) -> SpeechPool:
    """Render random words in the twelve voices and, for a share, in random ones."""
    rng = np.random.default_rng(seed)
    voices = list(VOICES.values())
    names: dict[str, int] = {"_": 0}
    waves, labels, total = [], [], 0
    step = SAMPLE_RATE // LABEL_RATE
    while total < hours * 3600 * SAMPLE_RATE:
        language = "cmn" if rng.random() < 0.25 else "en-us"
        if rng.random() < random_share:
            voice = random_voice(rng, "random")
        else:
            voice = voices[rng.integers(len(voices))]
        text = random_words(rng, language, int(rng.integers(2, 12)))
        utterance = render(text, language, voice)
        length = -(-len(utterance.wave) // step) * step
        wave = np.zeros(length, np.int16)
        wave[: len(utterance.wave)] = (utterance.wave * 32767).astype(np.int16)
        waves.append(wave)
        labels.append(phoneme_labels(utterance, length // step, LABEL_RATE, names))
        total += length
    return SpeechPool(
        samples=np.concatenate(waves),
        labels=np.concatenate(labels),
        phonemes=tuple(names),
    )
