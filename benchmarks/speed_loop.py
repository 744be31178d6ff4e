"""The whole loop at the released size: from a spoken question to sound, on two cores.

Every part is of the released size and untrained: SenseVoice-Small, the model, and Mimi
with its streaming state. What they say is noise; how long they take is not.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile
import torch
from moshi.models import loaders

from minimind_o import tokenizer
from minimind_o.assets import Assets
from minimind_o.config import OmniConfig, WeightPrecision
from minimind_o.data.encoders import SPEECH_RATE, MediaEncoders
from minimind_o.frozen.mimi import NUM_CODEBOOKS, Mimi
from minimind_o.frozen.sensevoice import SenseVoice, load_sensevoice
from minimind_o.generation.engine import Engine, Request
from minimind_o.matrix_layout import store_by_columns
from minimind_o.model.omni import OmniModel
from minimind_o.model.precision import to_precision
from minimind_o.nano.sensevoice_directory import untrained_model, write_directory

ASKED_S, MAX_FRAMES, TEXT_TOKENS = 3.0, 60, 20
FRAMES_PER_CALL = 8
"""A call of Mimi takes twice as long for eight frames as for one."""
QUESTIONS, WARM_UP = 8, 2
WORDS = 25_000
"""Entries of SenseVoice-Small's vocabulary."""


@dataclass(frozen=True, kw_only=True)
class Loop:
    """Medians over the questions."""

    first_audio_ms: float
    real_time_factor: float
    frames: int
    """Of all answers together."""


def full_size_sensevoice(directory: Path) -> SenseVoice:
    """50 and 20 blocks of width 512: 234 million parameters."""
    words = [f"word{number}" for number in range(WORDS)]
    texts = [" ".join(words[first : first + 100]) for first in range(0, WORDS, 100)]
    write_directory(directory, texts, width=512, num_blocks=50, num_top_blocks=20)
    torch.save(untrained_model(directory).state_dict(), directory / "model.pt")
    return load_sensevoice(directory)


def full_size_mimi() -> Mimi:
    """kyutai's configuration, eight codebooks in use."""
    model = loaders.get_mimi(None, None, "cpu", NUM_CODEBOOKS).eval()
    for name, buffer in model.quantizer.named_buffers():
        if name.endswith("embedding_sum"):
            buffer.normal_()  # else all codes are the same vector
    return Mimi(model, {})


def measure(config: OmniConfig, precision: WeightPrecision) -> Loop:
    """Spoken questions of three seconds, one after another."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    with TemporaryDirectory() as folder:
        encoders = MediaEncoders(full_size_sensevoice(Path(folder) / "sensevoice"))
        question = Path(folder) / "question.wav"
        noise = rng.normal(0, 0.05, int(ASKED_S * SPEECH_RATE))
        soundfile.write(question, noise, SPEECH_RATE)
        model = to_precision(OmniModel(config), precision)
        store_by_columns(model)  # as `load_engine` does
        engine = Engine(
            model,
            tokenizer.load(Assets.find().tokenizer),
            full_size_mimi(),
            encoders=encoders,
            frames_per_call=FRAMES_PER_CALL,
        )
        timings = [
            engine.answer(
                Request(
                    speech=question,
                    seed=seed,
                    max_frames=MAX_FRAMES,
                    max_text_tokens=TEXT_TOKENS,
                )
            ).end.timings
            for seed in range(QUESTIONS + WARM_UP)
        ][WARM_UP:]
    return Loop(
        first_audio_ms=float(
            np.median([1000 * (t.time_to_first_audio_s or np.inf) for t in timings])
        ),
        real_time_factor=float(np.median([t.real_time_factor for t in timings])),
        frames=round(sum(t.audio_s for t in timings) * engine.mimi.frame_rate),
    )
