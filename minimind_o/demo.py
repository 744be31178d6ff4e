"""The demonstration: questions asked aloud, answers heard, judged and tabled."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path

import numpy as np
import soundfile

from minimind_o.assets import Assets
from minimind_o.config import Mark, WeightPrecision
from minimind_o.data.encoders import Source
from minimind_o.errors import UserError
from minimind_o.evaluation.hearing import hear
from minimind_o.evaluation.normalise import is_mandarin
from minimind_o.evaluation.transcribe import sensevoice_transcriber
from minimind_o.generation.engine import Engine, Request
from minimind_o.generation.loading import load_engine
from minimind_o.generation.sampling import AUDIO_SAMPLING, TEXT_SAMPLING
from minimind_o.generation.speak import Spoken, speak
from minimind_o.generation.voices import default_voices, load_voice
from minimind_o.terminal_table import terminal_table

QUESTIONS = (
    "What is three plus four?",
    "Which day comes after Monday?",
    "五加三等于几？",
    "What is the opposite of hot?",
    "大的反义词是什么？",
    "Tell me about the sea.",
    "星期一的后面是什么？",
    "Say: a small bird sings near the river.",
)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is asked, by text, speech and picture, and what to call it."""

    text: str = ""
    speech: Source | None = None
    picture: Source | None = None
    label: str = ""

    @property
    def name(self) -> str:
        """The label, or the text itself."""
        return self.label or self.text


def other_ways(assets: Assets) -> list[Asked]:
    """A spoken question, a picture, and both at once."""
    folder = assets.examples
    spoken, picture = folder / "question.wav", folder / "picture.png"
    return [
        Asked(speech=spoken, label="[spoken] question.wav"),
        Asked(text="What do you see?", picture=picture, label="[picture] picture.png"),
        Asked(
            speech=folder / "about_the_picture.wav",
            picture=picture,
            label="[spoken, picture] about_the_picture.wav, picture.png",
        ),
    ]


MARKER = ".written-by-minimind-o-demo"


@dataclass(frozen=True, kw_only=True)
class Speaking:
    """How answers are to be given; None leaves the default."""

    voice: str | None = None
    """A voice's name; by default the seen voices in turn."""
    seed: int = 0
    """Equal seeds give equal answers."""
    temperature: float | None = None
    """Temperature of the text; 0 is greedy."""
    audio_temperature: float | None = None
    """Temperature of the codes; 0 is greedy."""
    precision: WeightPrecision = "fp32"
    """Of the model's weights."""
    mark: Mark = "none"
    """How the sound says that it is synthetic."""
    model: Path | None = None
    """The model's folder or `.pth` file; the assets' own unless given."""

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> Speaking:
        """The options that `say` and `demo` share."""
        return cls(
            voice=arguments.voice,
            seed=arguments.seed,
            temperature=arguments.temperature,
            audio_temperature=arguments.audio_temperature,
            precision=arguments.precision,
            mark=arguments.mark,
            model=arguments.model,
        )

    def requests(
        self, asked: Sequence[Asked], assets: Assets, num_codes: int
    ) -> list[Request]:
        """What the engine is asked, one request a question.

        Raises:
            UserError: an unknown voice or an impossible temperature.
        """
        text, audio = TEXT_SAMPLING, AUDIO_SAMPLING
        if self.temperature is not None:
            text = replace(text, temperature=self.temperature)
        if self.audio_temperature is not None:
            audio = replace(audio, temperature=self.audio_temperature)
        folder = assets.voices
        names = default_voices(folder) if self.voice is None else [self.voice]
        voices = [load_voice(folder, name, num_codes=num_codes) for name in names]
        return [
            Request(
                question=one.text,
                speech=one.speech,
                picture=one.picture,
                voice=voice,
                text_sampling=text,
                audio_sampling=audio,
                seed=self.seed,
            )
            for one, voice in zip(asked, cycle(voices), strict=False)
        ]


def ask(asked: Asked, path: Path, speaking: Speaking, assets: Assets) -> Spoken:
    """Answer one question into the WAV `path`, its text printed as it comes.

    Raises:
        UserError: an empty or too long question, a recording or picture that cannot be
            read, an unknown voice, a damaged asset, or no place for a WAV.
    """
    engine = load_engine(assets, precision=speaking.precision, model=speaking.model)
    (request,) = speaking.requests([asked], assets, engine.model.config.num_codes)
    spoken = _answer(engine, request, path, speaking.mark)
    if spoken.path is None:
        raise UserError("the answer has no sound: try another question or --seed")
    print(f"{spoken.seconds:.1f} s of speech in {spoken.path}")
    return spoken


def demo(
    asked: Sequence[Asked], folder: Path, speaking: Speaking, assets: Assets
) -> str:
    """Ask, write the answers into `folder`, judge them; returns the table.

    Raises:
        UserError: as `ask`; or `folder` holds files that the demo did not write.
    """
    engine = load_engine(assets, precision=speaking.precision, model=speaking.model)
    requests = speaking.requests(asked, assets, engine.model.config.num_codes)
    claim_folder(folder)
    spoken = []
    for number, (one, request) in enumerate(zip(asked, requests, strict=True), start=1):
        voice = request.voice.name if request.voice else "no voice"
        print(f"{number}. {one.name}  [{voice}]\n   ", end="", flush=True)
        file = folder / f"{number:02d}_{file_stem(one.name)}.wav"
        spoken.append(_answer(engine, request, file, speaking.mark))
    table = judge([one.name for one in asked], spoken, assets)
    print(f"\n{table}\n\nThe answers are in {folder}")
    return table


def judge(questions: Sequence[str], spoken: Sequence[Spoken], assets: Assets) -> str:
    """The closing table: what was heard of each answer, and how fast it came."""
    silence = np.zeros(0, np.float32)
    sounds = [
        soundfile.read(one.path, dtype="float32")[0] if one.path else silence
        for one in spoken
    ]
    hearings = hear(
        [one.text for one in spoken],
        sounds,
        ["zh" if is_mandarin(one.text) else "en" for one in spoken],
        sensevoice_transcriber(assets.sensevoice),
        sample_rate=24_000,
    )
    head = ("question", "answer", "heard", "CER", "first sound, ms", "real-time factor")
    rows = [
        (
            question,
            one.text,
            hearing.heard,
            f"{hearing.characters.rate:.2f}",
            _rounded(one.timings.time_to_first_audio_s, 1000, 0),
            _rounded(one.timings.real_time_factor, 1, 2),
        )
        for question, one, hearing in zip(questions, spoken, hearings, strict=True)
    ]
    return terminal_table(head, rows, max_width=30)


def claim_folder(folder: Path) -> None:
    """Make `folder` the demo's own; a folder with other people's files is refused.

    Raises:
        UserError: `folder` is a file, or holds files and no mark of an earlier demo.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"'{folder}' is a file: name a folder for the demo's answers")
    mark = folder / MARKER
    if folder.is_dir() and any(folder.iterdir()) and not mark.exists():
        raise UserError(
            f"the folder '{folder}' holds files that the demo did not write: name an "
            "empty or new one with --out"
        )
    folder.mkdir(parents=True, exist_ok=True)
    mark.touch()


def file_stem(question: str) -> str:
    """A file name from a question: its letters and digits, at most 40 of them."""
    return re.sub(r"\W+", "_", question.lower()).strip("_")[:40].rstrip("_") or "answer"


def _answer(engine: Engine, request: Request, path: Path, mark: Mark) -> Spoken:
    spoken = speak(engine.stream(request), path, 24_000, _show, mark)
    print()
    return spoken


def _show(piece: str) -> None:
    print(piece, end="", flush=True)


def _rounded(value: float | None, factor: float, digits: int) -> str:
    return "-" if value is None else f"{factor * value:.{digits}f}"
