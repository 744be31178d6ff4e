"""Spoken answers: rendered, aligned, coded once each, and kept for all sets."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minimind_o.data.facts import spoken
from minimind_o.data.speakers import draw_speakers
from minimind_o.data.speech import SEEN_VOICES, VOICES, Utterance, render
from minimind_o.data.world import Dialogue
from minimind_o.frozen.mimi import load_mimi
from minimind_o.nano.alignment import frame_alignment
from minimind_o.nano.codec_pool import run_codec
from minimind_o.written_aside import file_written_aside

LANGUAGE = {"en": "en-us", "zh": "cmn"}
PORTION = 4096  # recordings in memory at a time
TAIL_VOICES = {voice.name: voice for voice in draw_speakers(seed=1, count=80)}
"""Random speakers who answer a share of the training rows, so that the model learns to
follow a voice prompt and not to name one of five speakers."""
ANSWERING_VOICES = {name: VOICES[name] for name in SEEN_VOICES} | TAIL_VOICES
"""Everyone who answers in a training set."""

Answer = tuple[np.ndarray, list[int]]
"""Codes (Q, F), and for each frame the character it speaks (-1 for none)."""


@dataclass(frozen=True, kw_only=True)
class SpokenDialogue:
    """A dialogue and who answers it, by name."""

    dialogue: Dialogue
    voice: str

    @property
    def key(self) -> tuple[str, str]:
        """What its recording hangs on."""
        return self.dialogue.marked_answer, self.voice


def draw_answering_voice(rng: np.random.Generator, tail_share: float) -> str:
    """A seen voice or, in a share of the cases, one of the tail."""
    tail = rng.random() < tail_share
    return str(rng.choice(tuple(TAIL_VOICES) if tail else SEEN_VOICES))


def speak(dialogue: Dialogue, voice: str) -> tuple[Utterance, list[int]]:
    """The spoken answer; for each character espeak-ng got, its place in the answer."""
    text, origins = spoken(dialogue.marked_answer)
    speaker = (VOICES | TAIL_VOICES)[voice]
    return render(text, LANGUAGE[dialogue.language], speaker), origins


class AnswerCoder:
    """Speaks and codes answers, each different recording once.

    Args:
        mimi_directory: the codec.
        work: keeps what is coded, a portion a file in a folder of that codec's, so that
            an interrupted build goes on and the sets share their answers; None to keep
            nothing.
    """

    def __init__(self, mimi_directory: Path, work: Path | None = None) -> None:
        self.mimi_directory = mimi_directory
        self.work = None if work is None else work / codec_name(mimi_directory)
        self.done: dict[tuple[str, str], Answer] = {}
        for path in sorted(self.work.glob("answers_*.npz")) if self.work else ():
            self.done |= _load_portion(path)

    def add(self, items: Sequence[SpokenDialogue]) -> None:
        """Code all answers not yet known, a portion at a time."""
        new = {item.key: item for item in items if item.key not in self.done}
        keys = list(new)
        for first in range(0, len(keys), PORTION):
            portion = self._code([new[key] for key in keys[first : first + PORTION]])
            self.done |= portion
            if self.work is not None:
                count = len(list(self.work.glob("answers_*.npz")))
                _save_portion(self.work / f"answers_{count:03d}.npz", portion)

    def get(self, item: SpokenDialogue) -> Answer:
        """Codes and alignment of an answer that was added."""
        return self.done[item.key]

    def _code(self, items: Sequence[SpokenDialogue]) -> dict[tuple[str, str], Answer]:
        frame_size = load_mimi(self.mimi_directory).frame_size
        waves, alignments = [], []
        for item in items:
            utterance, origins = speak(item.dialogue, item.voice)
            answer = item.dialogue.answer
            waves.append(utterance.wave)
            alignments.append(frame_alignment(utterance, origins, answer, frame_size))
        coded = run_codec(self.mimi_directory, waves, "encode")
        answers = zip(coded, alignments, strict=True)
        return dict(zip((item.key for item in items), answers, strict=True))


def codec_name(mimi_directory: Path) -> str:
    """A name that another codec's weights would change."""
    digest = hashlib.sha256()
    for path in sorted(mimi_directory.glob("*.safetensors")):
        digest.update(path.read_bytes())
    return f"mimi_{digest.hexdigest()[:12]}"


def _save_portion(path: Path, portion: dict[tuple[str, str], Answer]) -> None:
    """Write one portion, whole or not at all."""
    codes = [codes for codes, _ in portion.values()]
    with file_written_aside(path) as aside, aside.open("wb") as file:
        np.savez(
            file,
            keys=np.array(json.dumps(list(portion))),
            codes=np.concatenate(codes, axis=1),
            ends=np.cumsum([c.shape[1] for c in codes]),
            alignment=np.concatenate([a for _, a in portion.values()]).astype(np.int16),
        )


def _load_portion(path: Path) -> dict[tuple[str, str], Answer]:
    with np.load(path) as file:
        keys = json.loads(str(file["keys"]))
        ends, codes, alignment = file["ends"], file["codes"], file["alignment"]
    starts = [0, *ends[:-1].tolist()]
    return {
        (text, voice): (codes[:, start:end], alignment[start:end].tolist())
        for (text, voice), start, end in zip(keys, starts, ends.tolist(), strict=True)
    }
