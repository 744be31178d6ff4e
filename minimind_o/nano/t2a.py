"""Build the nano text-to-speech set: `sft_t2a` Parquet in the released schema.

Answers are spoken by espeak-ng in the five seen voices and coded by the nano Mimi; the
voice prompt is another recording of the same voice. `answer_alignment`, our one extra
column, says which character of the answer every frame speaks.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from minimind_o.data.facts import spoken
from minimind_o.data.schema import SCHEMA
from minimind_o.data.speech import SEEN_VOICES, VOICES, Utterance, render
from minimind_o.data.world import Dialogue, fact_dialogues, held_out_texts
from minimind_o.frozen.mimi import Mimi, load_mimi
from minimind_o.nano.codec_pool import run_codec
from minimind_o.nano.llm import WorldText

LANGUAGE = {"en": "en-us", "zh": "cmn"}
REFERENCE_TEXTS = (
    ("en", "The old teacher reads a letter by the window."),
    ("en", "We will walk slowly over the bridge tomorrow."),
    ("en", "Seven happy children play in the warm garden."),
    ("en", "My brother likes cold milk and sweet bread."),
)
REFERENCE_SECONDS = 2.0
PORTION = 8192  # recordings in memory at a time


@dataclass(frozen=True, kw_only=True)
class SpokenDialogue:
    """A dialogue and who answers it."""

    dialogue: Dialogue
    voice: str


def speak(dialogue: Dialogue, voice: str) -> tuple[Utterance, list[int]]:
    """The spoken answer; for each character espeak-ng got, its place in the answer."""
    text, origins = spoken(dialogue.marked_answer)
    return render(text, LANGUAGE[dialogue.language], VOICES[voice]), origins


def sound_spans(
    utterance: Utterance, origins: Sequence[int], answer: str
) -> tuple[list[int], list[int]]:
    """When each sound of the utterance begins, and the character that it speaks.

    The synthesiser tells when words and phonemes begin, not which letters a phoneme
    stands for: the phonemes of a word are laid evenly over its letters.

    Returns:
        First samples, ascending, and places in `answer`.
    """
    words: list[tuple[int, int]] = []
    for offset, sample in utterance.words:
        first = origins[min(offset, len(origins) - 1)]
        while answer[first : first + 1].isspace():
            first += 1  # some sentences are said to begin at the space before
        if first < len(answer) and answer[first].isalnum():
            words.append((first, sample))
    sounds = [item for item in utterance.phonemes if not item[0].startswith("_")]
    starts = [sample for _, sample in words]
    members: list[list[int]] = [[] for _ in words]
    for _, sample in sounds:
        word = int(np.searchsorted(starts, sample, side="right")) - 1
        members[max(word, 0)].append(sample)
    samples, characters = [], []
    for index, (first, start) in enumerate(words):
        following = words[index + 1][0] if index + 1 < len(words) else len(answer)
        letters = _word_length(answer, first, following)
        inside = members[index] or [start]
        for rank, sample in enumerate(inside):
            samples.append(sample)
            characters.append(first + rank * letters // len(inside))
    return samples, characters


def _word_length(answer: str, first: int, following: int) -> int:
    """Characters of the word that begins at `first`, before the one at `following`."""
    stop = following if following > first else len(answer)
    end = first + 1
    while end < stop and (answer[end].isalnum() or answer[end] == "'"):
        end += 1
    return end - first


def frame_alignment(
    utterance: Utterance, origins: Sequence[int], answer: str, frame_size: int
) -> list[int]:
    """For each codec frame the character it speaks, -1 in the silence after."""
    num_frames = -(-len(utterance.wave) // frame_size)
    samples, characters = sound_spans(utterance, origins, answer)
    pauses = [s for name, s in utterance.phonemes if name.startswith("_:")]
    end = pauses[-1] if pauses else len(utterance.wave)
    alignment = []
    for frame in range(num_frames):
        middle = (frame + 0.5) * frame_size
        sound = int(np.searchsorted(samples, middle, side="right")) - 1
        alignment.append(characters[max(sound, 0)] if samples and middle < end else -1)
    return alignment


class AnswerCoder:
    """Speaks and codes answers, each different recording once."""

    def __init__(self, mimi_directory: Path) -> None:
        self.mimi_directory = mimi_directory
        self.done: dict[tuple[str, str], tuple[np.ndarray, list[int]]] = {}

    def add(self, items: Sequence[SpokenDialogue], frame_size: int) -> None:
        """Code all answers not yet known, a portion at a time."""
        new = {
            (item.dialogue.marked_answer, item.voice): item
            for item in items
            if (item.dialogue.marked_answer, item.voice) not in self.done
        }
        keys = list(new)
        for first in range(0, len(keys), PORTION):
            waves, alignments = [], []
            for key in keys[first : first + PORTION]:
                utterance, origins = speak(new[key].dialogue, new[key].voice)
                waves.append(utterance.wave)
                alignments.append(
                    frame_alignment(
                        utterance, origins, new[key].dialogue.answer, frame_size
                    )
                )
            coded = run_codec(self.mimi_directory, waves, "encode")
            values = zip(coded, alignments, strict=True)
            self.done |= dict(zip(keys[first : first + PORTION], values, strict=True))

    def get(self, item: SpokenDialogue) -> tuple[np.ndarray, list[int]]:
        """Codes (Q, F) and alignment (F,) of an answer that was added."""
        return self.done[item.dialogue.marked_answer, item.voice]


def reference_codes(mimi: Mimi, voice: str) -> list[np.ndarray]:
    """Voice prompts (Q, R) of about two seconds: the voice's reference recordings."""
    frames = int(REFERENCE_SECONDS * mimi.frame_rate)
    out = []
    for language, text in REFERENCE_TEXTS:
        wave = render(text, LANGUAGE[language], VOICES[voice]).wave
        wave = wave[: frames * mimi.frame_size]
        out.append(
            mimi.encode(torch.from_numpy(wave)[None])[0].numpy().astype(np.int16)
        )
    return out


def draw_training(seed: int, count: int, read_share: float) -> list[SpokenDialogue]:
    """Training dialogues, each in a seen voice drawn at random."""
    world, rng = WorldText(seed), np.random.default_rng(seed)
    return [
        SpokenDialogue(
            dialogue=world.draw(read_share), voice=str(rng.choice(SEEN_VOICES))
        )
        for _ in range(count)
    ]


def draw_held_out(split: Any, num_facts: int, num_read: int) -> list[SpokenDialogue]:
    """Held-out facts, families in turn, and held-out texts; a quarter Mandarin."""
    items: list[Dialogue] = []
    for language, share in (("en", 0.75), ("zh", 0.25)):
        rng = np.random.default_rng(5)
        families: dict[str, list[Dialogue]] = {}
        for dialogue in fact_dialogues(language, split):
            families.setdefault(dialogue.family, []).append(dialogue)
        pools = [
            [pool[i] for i in rng.permutation(len(pool))] for pool in families.values()
        ]
        turn = 0
        wanted = round(share * num_facts)
        while wanted:
            pool = pools[turn % len(pools)]
            turn += 1
            if pool:
                items.append(pool.pop())
                wanted -= 1
        items += held_out_texts(language, split, 300)[: round(share * num_read)]
    return [
        SpokenDialogue(dialogue=d, voice=SEEN_VOICES[i % len(SEEN_VOICES)])
        for i, d in enumerate(items)
    ]


def write_rows(
    path: Path,
    items: Sequence[SpokenDialogue],
    coder: AnswerCoder,
    references: dict[str, list[np.ndarray]],
    seed: int,
) -> None:
    """Write one Parquet file, complete or not at all."""
    rng = np.random.default_rng(seed)
    columns: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
    for item in items:
        codes, alignment = coder.get(item)
        prompts = references[item.voice]
        turns = [
            {"role": "user", "content": item.dialogue.question},
            {"role": "assistant", "content": item.dialogue.answer},
        ]
        columns["conversations"].append(json.dumps(turns, ensure_ascii=False))
        columns["question_audios"].append([])
        columns["answer_audios"].append([codes.T.reshape(-1)])
        columns["image_bytes"].append([])
        columns["ref_audios"].append(prompts[rng.integers(len(prompts))].T.reshape(-1))
        columns["spk_emb"].append(None)
        columns["answer_alignment"].append(alignment)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    table = pa.table(columns, schema=SCHEMA)
    pq.write_table(table, temporary, compression="zstd", row_group_size=1024)
    temporary.replace(path)


def build_t2a(
    mimi_directory: Path,
    out: Path,
    *,
    seed: int = 0,
    num_shipped: int = 16_000,
    num_more: int = 24_000,
    read_share: float = 0.6,
) -> dict[str, float]:
    """Write `train`, `train_more`, `validation` and `test` (`.parquet`).

    The repository holds the first training file only.
    """
    training = draw_training(seed, num_shipped + num_more, read_share)
    splits = {
        "train": training[:num_shipped],
        "train_more": training[num_shipped:],
        "validation": draw_held_out("validation", 120, 120),
        "test": draw_held_out("test", 240, 240),
    }
    mimi = load_mimi(mimi_directory)
    coder = AnswerCoder(mimi_directory)
    coder.add([item for items in splits.values() for item in items], mimi.frame_size)
    references = {voice: reference_codes(mimi, voice) for voice in SEEN_VOICES}
    for name, items in splits.items():
        write_rows(out / f"{name}.parquet", items, coder, references, seed)
    frames = sum(codes.shape[1] for codes, _ in coder.done.values())
    hours = frames / mimi.frame_rate / 3600
    return {name: len(items) for name, items in splits.items()} | {
        "recordings": len(coder.done),
        "hours_of_different_speech": hours,
    }
