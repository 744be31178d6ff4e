"""Synthetic speech: espeak-ng, called through ctypes, in twelve different voices.

espeak-ng is a formant synthesiser. It renders hours of speech in seconds and tells at
which sample every word begins, so that the nano world needs no recordings. Our voices
are its variants made steady: without flutter, the slow wander of the pitch, and without
breath noise, for what is random in the sound is noise in the codes, which no model can
learn. The same calls in the same order give the same samples in every process; a text
spoken twice is almost the same recording twice (the phases of its waves run on). The
shared library and its data come with the package `espeakng-loader`.
"""

import ctypes
import functools
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import espeakng_loader
import numpy as np
import soxr

from minimind_o.errors import UserError

SAMPLE_RATE = 24_000

# From espeak-ng's speak_lib.h.
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_CHARS_UTF8 = 1
_PHONEMES = 0x100
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_EVENT_LIST_TERMINATED, _EVENT_WORD, _EVENT_PHONEME = 0, 1, 7
_INITIALIZE_PHONEME_EVENTS = 1
_POSITION_CHARACTER = 1
_NOISE = ("flutter", "breath", "breathw")  # what our voices go without


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    ]


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.POINTER(ctypes.c_short),
    ctypes.c_int,
    ctypes.POINTER(_Event),
)


@dataclass(frozen=True, kw_only=True)
class Voice:
    """How one speaker sounds.

    variant: espeak-ng's voice variant (the part after `+`).
    pitch, pitch_range: 0 to 99, espeak-ng's units.
    rate: words per minute in English; Mandarin is spoken at the same setting.
    """

    name: str
    variant: str
    pitch: int
    pitch_range: int
    rate: int
    seen: bool


def _voice(
    name: str, variant: str, pitch: int, span: int, rate: int, seen: bool
) -> Voice:
    return Voice(
        name=name, variant=variant, pitch=pitch, pitch_range=span, rate=rate, seen=seen
    )


VOICES: dict[str, Voice] = {
    voice.name: voice
    for voice in (
        _voice("ada", "f2", 62, 45, 165, True),
        _voice("ben", "m3", 32, 40, 170, True),
        _voice("clara", "f4", 80, 55, 172, True),
        _voice("dan", "m7", 18, 30, 160, True),
        _voice("eva", "f5", 48, 60, 175, True),
        _voice("frank", "m1", 40, 50, 165, False),
        _voice("gina", "f1", 70, 35, 170, False),
        _voice("hugo", "m5", 25, 55, 172, False),
        _voice("iris", "f3", 55, 30, 160, False),
        _voice("jack", "m8", 45, 60, 175, False),
        _voice("kate", "linda", 75, 50, 168, False),
        _voice("leo", "m4", 12, 45, 163, False),
    )
}
SEEN_VOICES = tuple(name for name, voice in VOICES.items() if voice.seen)
UNSEEN_VOICES = tuple(name for name, voice in VOICES.items() if not voice.seen)


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """Rendered speech.

    wave: float32 mono in [-1, 1] at 24 kHz.
    words: (character offset in the spoken text, first sample at 24 kHz) per word.
    phonemes: (espeak-ng phoneme name, first sample at 24 kHz) per phoneme.
    """

    wave: np.ndarray
    words: tuple[tuple[int, int], ...]
    phonemes: tuple[tuple[str, int], ...]


def _link_steady_voices(source: Path, target: Path) -> None:
    """espeak-ng's data at `target`: all linked, but the variants steady copies."""
    variants = target / "voices" / "!v"
    variants.mkdir(parents=True)
    for path in [*source.iterdir(), *(source / "voices").iterdir()]:
        link = target / path.relative_to(source)
        if not link.exists() and path.name != variants.name:
            link.symlink_to(path.resolve())
    for path in (source / "voices" / variants.name).iterdir():
        lines = path.read_text(errors="replace").splitlines()
        kept = [line for line in lines if not line.startswith(_NOISE)]
        (variants / path.name).write_text("\n".join([*kept, "flutter 0", ""]))


class _Synthesiser:
    """The one espeak-ng instance of this process (the library keeps global state)."""

    def __init__(self) -> None:
        self.library = ctypes.CDLL(espeakng_loader.get_library_path())
        self.folder = tempfile.TemporaryDirectory(prefix="steady_voices_")
        data_path = Path(self.folder.name)
        _link_steady_voices(Path(espeakng_loader.get_data_path()), data_path)
        self.variants = data_path / "voices" / "!v"
        self.native_rate = self.library.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS,
            0,
            str(data_path).encode(),
            _INITIALIZE_PHONEME_EVENTS,
        )
        if self.native_rate <= 0:
            raise UserError(
                "espeak-ng could not be initialised: reinstall espeakng-loader."
            )
        # Its noise (breath, s, f) is otherwise seeded by the clock.
        self.library.espeak_ng_SetRandSeed(ctypes.c_long(1))
        self.chunks: list[np.ndarray] = []
        self.words: list[tuple[int, int]] = []
        self.phonemes: list[tuple[str, int]] = []
        self._callback = _CALLBACK(self._receive)
        self.library.espeak_SetSynthCallback(self._callback)
        self.variant = ""

    def _receive(self, samples: Any, num_samples: int, events: Any) -> int:
        if num_samples > 0:
            self.chunks.append(np.ctypeslib.as_array(samples, (num_samples,)).copy())
        index = 0
        while events[index].type != _EVENT_LIST_TERMINATED:
            event = events[index]
            if event.type == _EVENT_WORD:
                self.words.append((event.text_position - 1, event.sample))
            elif event.type == _EVENT_PHONEME:
                name = event.id.decode(errors="replace")
                self.phonemes.append((name, event.sample))
            index += 1
        return 0

    def set_voice(self, language: str, voice: Voice) -> None:
        variant = f"{language}+{voice.variant}"
        if variant != self.variant:
            # The library passes over an unknown variant in silence.
            known = (self.variants / voice.variant).is_file()
            if not known or self.library.espeak_SetVoiceByName(variant.encode()) != 0:
                raise UserError(f"espeak-ng has no voice '{variant}'.")
            self.variant = variant
        for parameter, value in (
            (_RATE, voice.rate),
            (_VOLUME, 90),
            (_PITCH, voice.pitch),
            (_RANGE, voice.pitch_range),
        ):
            self.library.espeak_SetParameter(parameter, value, 0)

    def speak(self, text: str) -> np.ndarray:
        self.chunks, self.words, self.phonemes = [], [], []
        encoded = text.encode()
        self.library.espeak_Synth(
            encoded, len(encoded) + 1, 0, _POSITION_CHARACTER, 0,
            _CHARS_UTF8 | _PHONEMES, None, None,
        )  # fmt: skip
        if all(name.startswith("_") for name, _ in self.phonemes):
            raise UserError(f"espeak-ng rendered no sound for '{text}'.")
        return np.concatenate(self.chunks)


@functools.cache
def _synthesiser() -> _Synthesiser:
    return _Synthesiser()


def random_voice(rng: np.random.Generator, name: str) -> Voice:
    """A speaker drawn at random: variant, pitch, pitch range and rate."""
    variants = ("f1 f2 f3 f4 f5 m1 m2 m3 m4 m5 m6 m7 m8 linda belinda steph").split()
    return _voice(
        name,
        str(rng.choice(variants)),
        int(rng.integers(5, 95)),
        int(rng.integers(20, 70)),
        int(rng.integers(150, 190)),
        False,
    )


def render(spoken: str, language: str, voice: Voice) -> Utterance:
    """Speak a text.

    Args:
        spoken: the text as it is to be pronounced; `[[…]]` holds espeak-ng phonemes.
        language: `en-us` or `cmn` (or any espeak-ng language).
        voice: the speaker.

    Raises:
        UserError: unknown language or variant, or a text that gives no sound.
    """
    synthesiser = _synthesiser()
    synthesiser.set_voice(language, voice)
    samples = synthesiser.speak(spoken)
    wave = samples.astype(np.float32) / 32768.0
    wave = soxr.resample(wave, synthesiser.native_rate, SAMPLE_RATE)
    ratio = SAMPLE_RATE / synthesiser.native_rate
    peak = float(np.abs(wave).max())
    if peak > 0.95:
        wave = wave * (0.95 / peak)
    return Utterance(
        wave=wave.astype(np.float32),
        words=tuple(
            (offset, round(sample * ratio)) for offset, sample in synthesiser.words
        ),
        phonemes=tuple(
            (name, round(sample * ratio)) for name, sample in synthesiser.phonemes
        ),
    )
