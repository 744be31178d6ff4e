"""Build the nano speech-to-speech set: `sft_a2a` Parquet in the released schema.

The questions are those of `sft_t2a`'s facts, asked aloud: by many random speakers and
the five seen voices in training, by the seven unseen voices in the test, at any speed,
in rooms and with noise. The user's turn holds no text: what was asked is in the sound.

Two fifths of the training rows are no questions: the user writes "Say:" and speaks the
rest. The answer to a question hangs on a few of its words; to say a sentence again, the
model must have heard every one.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from minimind_o.data.facts import spoken
from minimind_o.data.speakers import draw_speakers
from minimind_o.data.speech import SEEN_VOICES, UNSEEN_VOICES, VOICES, Voice
from minimind_o.data.spoken_questions import spoken_question
from minimind_o.data.world import Language
from minimind_o.frozen.campplus import load_campplus
from minimind_o.frozen.mimi import load_mimi
from minimind_o.nano import t2a
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

LONG_SHARE, SAID_SHARE = 0.05, 0.4
REQUEST: dict[Language, str] = {"en": "Say:", "zh": "读："}
"""What is written where a sentence is spoken that is to be said again."""


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


def ask(marked: str, language: Language, split: str, rng: np.random.Generator) -> bytes:
    """A recording of a text by a voice of the split (`train_more` is `train`).

    `marked`: with pronunciation mark-up where that matters.
    """
    voices = asking_voices()[split.removesuffix("_more")]
    voice = voices[rng.integers(len(voices))]
    return spoken_question(spoken(marked)[0], LANGUAGE[language], rng, voice)


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


def draw_said(seed: int, count: int) -> list[SpokenDialogue]:
    """The first texts that `sft_t2a` of this seed has read aloud in training."""
    drawn = t2a.draw_training(seed, 2 * count)
    return [item for item in drawn if item.dialogue.kind == "read"][:count]


def asked_aloud(
    items: Sequence[SpokenDialogue], split: str, seed: int
) -> list[DialogueRow]:
    """The dialogues with their questions, or the texts to be said again, spoken."""
    rng = np.random.default_rng([seed, len(items)])
    rows = []
    for item in items:
        dialogue = item.dialogue
        said = dialogue.kind == "read"
        text = dialogue.marked_answer if said else dialogue.question
        rows.append(
            DialogueRow(
                item=item,
                question=REQUEST[dialogue.language] if said else "",
                speech=ask(text, dialogue.language, split, rng),
            )
        )
    return rows


def build_a2a(
    mimi_directory: Path,
    campplus_directory: Path,
    answers: Path,
    out: Path,
    *,
    seed: int = 0,
    num_shipped: int = 300,
    num_more: int = 19_700,
) -> dict[str, float]:
    """Write `train`, `train_more`, `validation` and `test` (`.parquet`).

    The repository holds the first training file only. An interrupted build goes on
    from what is in the folder `answers`, which the sets share.
    """
    count = num_shipped + num_more
    num_said = round(SAID_SHARE * count)
    training = draw_training(seed + 1, count - num_said) + draw_said(seed, num_said)
    order = np.random.default_rng(seed).permutation(count)
    training = [training[index] for index in order]
    splits = {
        "train": training[:num_shipped],
        "train_more": training[num_shipped:],
        "validation": draw_held_out("validation", 120, 0),
        "test": draw_held_out("test", 240, 0),
    }
    coder = AnswerCoder(mimi_directory, answers)
    coder.add([item for items in splits.values() for item in items])
    mimi, campplus = load_mimi(mimi_directory), load_campplus(campplus_directory)
    prompts = all_prompts(mimi, campplus, ANSWERING_VOICES)
    for name, items in splits.items():
        rows = asked_aloud(items, name, seed)
        write_rows(out / f"{name}.parquet", rows, coder, prompts, seed)
    return {name: len(items) for name, items in splits.items()}
