"""Build the nano speech-to-speech set: `sft_a2a` Parquet in the released schema.

The questions are those of `sft_t2a`'s facts, asked aloud: by many random speakers and
the five seen voices in training, by the seven unseen voices in the test, at any speed,
in rooms and with noise. The user's turn holds no text: what was asked is in the sound.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from minimind_o.data.facts import plain
from minimind_o.data.speakers import draw_speakers
from minimind_o.data.speech import SEEN_VOICES, UNSEEN_VOICES, VOICES, Voice
from minimind_o.data.spoken_questions import spoken_question
from minimind_o.data.world import Language
from minimind_o.frozen.campplus import load_campplus
from minimind_o.frozen.mimi import load_mimi
from minimind_o.nano.answers import (
    ANSWERING_VOICES,
    LANGUAGE,
    AnswerCoder,
    SpokenDialogue,
    draw_answering_voice,
)
from minimind_o.nano.llm import WorldText
from minimind_o.nano.rows import DialogueRow, write_rows
from minimind_o.nano.t2a import TAIL_SHARE, draw_held_out
from minimind_o.nano.voice_prompts import all_prompts

LONG_SHARE = 0.05


@cache
def asking_voices() -> Mapping[str, tuple[Voice, ...]]:
    """Who asks, by split: nobody who asks in the test asks in training."""
    unseen = tuple(VOICES[name] for name in UNSEEN_VOICES)
    seen = tuple(VOICES[name] for name in SEEN_VOICES)
    return {
        "train": (*seen, *draw_speakers(seed=2, count=150)),
        "validation": tuple(draw_speakers(seed=3, count=40)),
        "test": unseen,
    }


def ask(
    question: str, language: Language, split: str, rng: np.random.Generator
) -> bytes:
    """A question's recording, by a voice of the split (`train_more` is `train`)."""
    voices = asking_voices()[split.removesuffix("_more")]
    voice = voices[rng.integers(len(voices))]
    return spoken_question(plain(question), LANGUAGE[language], rng, voice)


def draw_training(seed: int, count: int) -> list[SpokenDialogue]:
    """Facts in training phrasings, answered by seen voices and the tail."""
    world, rng = WorldText(seed), np.random.default_rng(seed)
    return [
        SpokenDialogue(
            dialogue=world.draw(read_share=0.0, long_share=LONG_SHARE),
            voice=draw_answering_voice(rng, TAIL_SHARE),
        )
        for _ in range(count)
    ]


def asked_aloud(
    items: Sequence[SpokenDialogue], split: str, seed: int
) -> list[DialogueRow]:
    """The dialogues with their questions spoken and no text."""
    rng = np.random.default_rng([seed, len(items)])
    return [
        DialogueRow(
            item=item,
            question="",
            speech=ask(item.dialogue.question, item.dialogue.language, split, rng),
        )
        for item in items
    ]


def build_a2a(
    mimi_directory: Path,
    campplus_directory: Path,
    work: Path,
    out: Path,
    *,
    seed: int = 0,
    num_shipped: int = 300,
    num_more: int = 7700,
) -> dict[str, float]:
    """Write `train`, `train_more`, `validation` and `test` (`.parquet`).

    The repository holds the first training file only. An interrupted build goes on
    from the answers in `work`.
    """
    training = draw_training(seed + 1, num_shipped + num_more)
    splits = {
        "train": training[:num_shipped],
        "train_more": training[num_shipped:],
        "validation": draw_held_out("validation", 120, 0),
        "test": draw_held_out("test", 240, 0),
    }
    coder = AnswerCoder(mimi_directory, work)
    coder.add([item for items in splits.values() for item in items])
    mimi, campplus = load_mimi(mimi_directory), load_campplus(campplus_directory)
    prompts = all_prompts(mimi, campplus, ANSWERING_VOICES)
    for name, items in splits.items():
        rows = asked_aloud(items, name, seed)
        write_rows(out / f"{name}.parquet", rows, coder, prompts, seed)
    return {name: len(items) for name, items in splits.items()}
