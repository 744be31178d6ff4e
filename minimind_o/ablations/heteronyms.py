"""Was the word said as its context demands: live, close, read, 地?

A written word with two readings says whether what the Talker is given knows the
context. The world's phrases with such words are spoken right and, with the other
reading forced, wrong. Two judges, neither of which needs to know where in the sound the
word is:

- *preference*: the Talker, teacher-forced, finds the right recording's codes of the two
  codebooks that carry the words likelier than the wrong one's;
- *hearing*: what the model says is nearer to the right recording than to the wrong one,
  by dynamic time warping over mel cepstra; recordings and speech have both gone through
  the codec. How often this probe is right is measured on other recordings of the same
  phrases, at another pace and pitch, and stands beside its verdicts.

One phrase of every reading is held out of training; both judges tell them apart.

Shapes: Q codebook, F frame, N any number.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from minimind_o.ablations.experiment import Measures, Trained
from minimind_o.ablations.measures import answer, code_losses, coded_clips
from minimind_o.ablations.workbench import Workbench
from minimind_o.data.facts import spoken
from minimind_o.data.facts_english import ENGLISH_HETERONYMS
from minimind_o.data.facts_mandarin import MANDARIN_HETERONYMS
from minimind_o.data.row import Row
from minimind_o.data.schema import BadRows, read_rows
from minimind_o.data.speech import VOICES, Voice, render
from minimind_o.data.world import Dialogue, Language, read_aloud_request
from minimind_o.data.writing import NewRow, write_table
from minimind_o.evaluation.cases import Case
from minimind_o.evaluation.transcribe import Wave
from minimind_o.evaluation.yardsticks import decode
from minimind_o.nano.alignment import frame_alignment
from minimind_o.nano.answers import LANGUAGE

READINGS = "readings.parquet"
NUM_READINGS = 4
"""Recordings of a phrase: right, wrong, and both again at another pace."""
WORD_CODEBOOKS = 2
_MARKED = re.compile(r"([A-Za-z']+|[㐀-鿿])\{([^}]*)\}")


@dataclass(frozen=True, kw_only=True)
class Phrase:
    """A phrase with one heteronym. right, wrong: marked up with either reading."""

    word: str
    sound: str
    right: str
    wrong: str
    language: Language
    is_held_out: bool

    @property
    def request(self) -> Dialogue:
        """To read it aloud."""
        return read_aloud_request(self.right, self.language)


@cache
def phrases() -> tuple[Phrase, ...]:
    """Every phrase of the world with a word of two readings, in a fixed order."""
    found: list[Phrase] = []
    languages: tuple[tuple[Language, tuple[str, ...]], ...] = (
        ("en", ENGLISH_HETERONYMS),
        ("zh", MANDARIN_HETERONYMS),
    )
    for language, texts in languages:
        readings: dict[str, list[str]] = defaultdict(list)
        for text in texts:
            word, sound = _marked(text)
            if sound not in readings[word]:
                readings[word].append(sound)
        last = {_marked(text): text for text in texts}
        for text in texts:
            word, sound = _marked(text)
            others = [other for other in readings[word] if other != sound]
            if not others:
                continue
            found.append(
                Phrase(
                    word=word,
                    sound=sound,
                    right=text,
                    wrong=text.replace(f"{{{sound}}}", f"{{{others[0]}}}"),
                    language=language,
                    is_held_out=last[word, sound] == text,
                )
            )
    return tuple(found)


def _marked(text: str) -> tuple[str, str]:
    match = _MARKED.search(text)
    assert match is not None
    word, sound = match.groups()
    return word.lower(), sound


def training_rows(
    bench: Workbench, voice: str, prompts: Sequence[NewRow]
) -> list[NewRow]:
    """The phrases that are not held out, to be read aloud by a voice."""
    return [
        replace(
            _recorded(bench, phrase, phrase.right, VOICES[voice]),
            reference_codes=prompts[index % len(prompts)].reference_codes,
            speaker=prompts[index % len(prompts)].speaker,
        )
        for index, phrase in enumerate(phrases())
        if not phrase.is_held_out
    ]


def write_readings(bench: Workbench, folder: Path, voice: str, prompt: NewRow) -> None:
    """All recordings of all phrases, `NUM_READINGS` rows each."""
    usual = VOICES[voice]
    other = replace(usual, rate=round(usual.rate * 0.88), pitch=usual.pitch + 6)
    rows = [
        replace(
            _recorded(bench, phrase, marked, speaker),
            reference_codes=prompt.reference_codes,
            speaker=prompt.speaker,
        )
        for phrase in phrases()
        for speaker in (usual, other)
        for marked in (phrase.right, phrase.wrong)
    ]
    write_table(folder / READINGS, rows)


def _recorded(bench: Workbench, phrase: Phrase, marked: str, voice: Voice) -> NewRow:
    text, origins = spoken(marked)
    utterance = render(text, LANGUAGE[phrase.language], voice)
    request, mimi = phrase.request, bench.mimi
    return NewRow(
        turns=[
            {"role": "user", "content": request.question},
            {"role": "assistant", "content": request.answer},
        ],
        answer_codes=mimi.encode(torch.from_numpy(utterance.wave)[None])[0].numpy(),
        answer_alignment=frame_alignment(
            utterance, origins, request.answer, mimi.frame_size
        ),
    )


def judge(run: Trained, most_seen: int) -> Measures:
    """Both judges on the held-out phrases, and on some of the others.

    Measures `NAME_right`, a list of 0 and 1, for `preferred_held_out`,
    `heard_held_out`, `preferred_seen`, `heard_seen` and `probe` (the probe on
    recordings), and the share of each as `heteronym_NAME`. What it said of the held-out
    phrases is kept, in their order (`phrase_texts`, `phrase_codes`).
    """
    takes = takes_of(run)
    held_out = [i for i, phrase in enumerate(phrases()) if phrase.is_held_out]
    seen = [i for i, phrase in enumerate(phrases()) if not phrase.is_held_out]
    step = max(1, len(seen) // most_seen)
    groups = {"held_out": held_out, "seen": seen[::step][:most_seen]}
    verdicts: dict[str, list[int]] = {"probe": []}
    said: Measures = {}
    for name, chosen in groups.items():
        own = [takes[index] for index in chosen]
        templates = [_features_of(run, take[:2]) for take in own]
        verdicts[f"preferred_{name}"] = _preferred(run, own)
        answers = answer(run, [_case(take[0]) for take in own])
        if name == "held_out":
            said = coded_clips(answers, max(len(answers), 1), "phrase")
        verdicts[f"heard_{name}"] = [
            int(_is_nearer(_cepstra(decode(run.bench.mimi, a.codes_QF)), *pair))
            for a, pair in zip(answers, templates, strict=True)
        ]
        for take, (right, wrong) in zip(own, templates, strict=True):
            again_right, again_wrong = _features_of(run, take[2:])
            verdicts["probe"].append(int(_is_nearer(again_right, right, wrong)))
            verdicts["probe"].append(int(_is_nearer(again_wrong, wrong, right)))
    found: Measures = {f"{name}_right": values for name, values in verdicts.items()}
    found |= said
    for name, values in verdicts.items():
        found[f"heteronym_{name}"] = sum(values) / max(len(values), 1)
    return found


def reading_losses(run: Trained) -> tuple[Tensor, Tensor]:
    """Mean loss of each codebook on the right and on the wrong recordings, (N, Q) each.

    N counts `phrases()`.
    """
    rows = [row for take in takes_of(run) for row in take[:2]]
    losses_N2Q = code_losses(run, rows).unflatten(0, (-1, 2))
    return losses_N2Q[:, 0], losses_N2Q[:, 1]


def takes_of(run: Trained) -> list[list[Row]]:
    """The `NUM_READINGS` recordings of each of `phrases()`."""
    path = run.files.train.parent / READINGS
    rows = list(read_rows(path, run.bench.row_format, BadRows("fatal")))
    return [rows[i : i + NUM_READINGS] for i in range(0, len(rows), NUM_READINGS)]


def _case(row: Row) -> Case:
    return Case(
        kind="read_aloud",
        language="en" if row.turns[1]["content"].isascii() else "zh",
        voice="",
        prompt=row.turns[0]["content"],
        answer=row.turns[1]["content"],
        reference_codes_QR=row.reference_codes,
        speaker_embedding=row.speaker_embedding,
        answer_codes_QF=row.answer_codes,
    )


def _preferred(run: Trained, takes: Sequence[Sequence[Row]]) -> list[int]:
    """Whether the right recording's codes are the likelier ones, phrase by phrase."""
    rows = [row for take in takes for row in take[:2]]
    losses_NQ = code_losses(run, rows)[:, :WORD_CODEBOOKS].sum(dim=1)
    return [int(right < wrong) for right, wrong in losses_NQ.view(-1, 2).tolist()]


def _features_of(run: Trained, rows: Sequence[Row]) -> list[NDArray[np.float32]]:
    return [_cepstra(decode(run.bench.mimi, row.answer_codes)) for row in rows]


def _cepstra(wave: Wave, rate: int = 24_000) -> NDArray[np.float32]:
    """Mel cepstra without loudness, one column per 20 ms."""
    import librosa  # takes seconds

    if len(wave) < rate // 10:
        wave = np.zeros(rate // 10, np.float32)
    found = librosa.feature.mfcc(
        y=wave, sr=rate, n_mfcc=14, n_mels=64, n_fft=1024, hop_length=rate // 50
    )
    cepstra: NDArray[np.float32] = found[1:]
    return cepstra


def _is_nearer(
    heard: NDArray[np.float32], right: NDArray[np.float32], wrong: NDArray[np.float32]
) -> bool:
    return _distance(heard, right) < _distance(heard, wrong)


def _distance(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Mean distance along the best path from the beginnings to the ends."""
    from librosa.sequence import dtw  # takes seconds

    costs, path = dtw(a, b)
    return float(costs[-1, -1] / len(path))
