"""How often the inaudible mark is found, in marked answers and in others.

    python benchmarks/marking.py [--num 40]

Answers of the embedded model, marked and not, pass through files and filters; and the
recordings of the embedded spoken questions, none of which has a mark, are listened to.
The table is printed; SAFETY.md and LOG.md hold it.
"""

import argparse
import io
from collections.abc import Callable

import numpy as np
import soundfile
import soxr

from minimind_o.assets import Assets
from minimind_o.data.media import read_audio
from minimind_o.data.row import RowFormat
from minimind_o.data.schema import BadRows, read_rows
from minimind_o.demo import QUESTIONS, SEEN_VOICES
from minimind_o.generation.engine import Request
from minimind_o.generation.loading import load_engine
from minimind_o.generation.marking import RATE, THRESHOLD, detect_mark, make_marker
from minimind_o.generation.voices import load_voice
from minimind_o.terminal_table import terminal_table

MAX_FRAMES = 40
Sound = tuple[np.ndarray, int]


def answers(assets: Assets, num: int) -> list[np.ndarray]:
    """Spoken answers of two seconds or so, questions and voices in turn."""
    engine = load_engine(assets)
    return [
        engine.answer(
            Request(
                question=QUESTIONS[number % len(QUESTIONS)],
                voice=load_voice(assets.voices, SEEN_VOICES[number % 5]),
                seed=number,
                max_frames=MAX_FRAMES,
            )
        ).wave_N
        for number in range(num)
    ]


def marked(wave_N: np.ndarray) -> np.ndarray:
    """With the inaudible mark."""
    marker = make_marker("inaudible", RATE)
    return np.concatenate([marker.push(wave_N), marker.finish()])


def through(wave_N: np.ndarray, kind: str, subtype: str, rate: int = RATE) -> Sound:
    """Written and read again."""
    file = io.BytesIO()
    soundfile.write(file, wave_N, rate, format=kind, subtype=subtype)
    file.seek(0)
    return soundfile.read(file, dtype="float32")


def resampled(wave_N: np.ndarray, rate: int) -> Sound:
    """At another rate, 16 bits."""
    return through(soxr.resample(wave_N, RATE, rate), "WAV", "PCM_16", rate)


def noisy(wave_N: np.ndarray, decibels: float) -> Sound:
    """White noise, so far below the sound."""
    noise_N = np.random.default_rng(0).normal(size=len(wave_N))
    level = np.sqrt(np.square(wave_N).mean()) * 10 ** (-decibels / 20)
    return (wave_N + level * noise_N).astype(np.float32), RATE


WAYS: dict[str, Callable[[np.ndarray], Sound]] = {
    "16-bit WAV": lambda wave_N: through(wave_N, "WAV", "PCM_16"),
    "MP3": lambda wave_N: through(wave_N, "MP3", "MPEG_LAYER_III"),
    "OGG Vorbis": lambda wave_N: through(wave_N, "OGG", "VORBIS"),
    "16 kHz": lambda wave_N: resampled(wave_N, 16_000),
    "8 kHz": lambda wave_N: resampled(wave_N, 8_000),
    "first 0.33 s cut off": lambda wave_N: (wave_N[7_919:], RATE),
    "first second alone": lambda wave_N: (wave_N[:RATE], RATE),
    "white noise at 20 dB": lambda wave_N: noisy(wave_N, 20),
    "white noise at 10 dB": lambda wave_N: noisy(wave_N, 10),
    "3 % faster": lambda wave_N: (soxr.resample(wave_N, 1.03 * RATE, RATE), RATE),
}


def others(assets: Assets) -> list[Sound]:
    """The recordings of the spoken questions in the embedded test split."""
    rows = read_rows(
        assets.sft_a2a / "test.parquet", RowFormat(), BadRows("skip"), check_audio=False
    )
    return [read_audio(blob) for row in rows for blob in row.question_audios]


def found(sounds: list[Sound]) -> str:
    """Share found, and the scores' extremes."""
    scores = np.array([detect_mark(*sound).score for sound in sounds])
    share = int((scores >= THRESHOLD).sum())
    return f"{share} of {len(scores)} ({scores.min():.1f} to {scores.max():.1f})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num", type=int, default=40, help="answers")
    assets, num = Assets.find(), parser.parse_args().num
    plain = answers(assets, num)
    with_mark = [marked(wave_N) for wave_N in plain]
    rows = [
        (name, found([way(w) for w in with_mark]), found([way(w) for w in plain]))
        for name, way in WAYS.items()
    ]
    rows.append(("recorded questions", "-", found(others(assets))))
    head = ("through", "marked: found (scores)", "unmarked: found (scores)")
    print(terminal_table(head, rows, max_width=40))


if __name__ == "__main__":
    main()
