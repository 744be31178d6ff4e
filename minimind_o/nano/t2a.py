"""Build the nano text-to-speech set: `sft_t2a` Parquet in the released schema.

Answers are spoken by espeak-ng, most in the five seen voices and a share in a tail of
random ones, and coded by the nano Mimi; the voice prompt, codes and speaker vector, is
of another recording of the same voice. `answer_alignment`, our one extra
column, says which character of the answer every frame speaks.
"""

from pathlib import Path
from typing import Any

import numpy as np

from minimind_o.data.pictures import describe, random_scene
from minimind_o.data.speech import SEEN_VOICES
from minimind_o.data.world import (
    Dialogue,
    Language,
    fact_dialogues,
    held_out_texts,
    read_aloud_request,
)
from minimind_o.frozen.campplus import load_campplus
from minimind_o.frozen.mimi import load_mimi
from minimind_o.nano.answers import (
    ANSWERING_VOICES,
    AnswerCoder,
    SpokenDialogue,
    draw_answering_voice,
)
from minimind_o.nano.llm import WorldText
from minimind_o.nano.rows import DialogueRow, write_rows
from minimind_o.nano.voice_prompts import all_prompts

READ_SHARE, LONG_SHARE, TAIL_SHARE = 0.65, 0.05, 0.2
PICTURE_SHARE = 0.1  # of the texts to be read aloud
Splits = dict[str, list[SpokenDialogue]]


def draw_training(seed: int, count: int) -> list[SpokenDialogue]:
    """Training dialogues, most in a seen voice, some in a voice of the tail.

    Some texts to be read aloud say what a picture might show, be it held out or not:
    what no picture shows can still be spoken of.
    """
    world, rng = WorldText(seed), np.random.default_rng(seed)
    items = []
    for _ in range(count):
        dialogue = world.draw(READ_SHARE, LONG_SHARE)
        if dialogue.kind == "read" and rng.random() < PICTURE_SHARE:
            dialogue = _imagined(rng, dialogue.language)
        voice = draw_answering_voice(rng, TAIL_SHARE)
        items.append(SpokenDialogue(dialogue=dialogue, voice=voice))
    return items


def _imagined(rng: np.random.Generator, language: Language) -> Dialogue:
    """A description without its picture, to be read aloud."""
    scene = random_scene(rng, held_out=bool(rng.random() < 0.5), language=language)
    return read_aloud_request(describe(scene, language), language)


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


def draw_splits(seed: int, num_shipped: int, num_more: int) -> Splits:
    """What the files hold, by file name."""
    training = draw_training(seed, num_shipped + num_more)
    return {
        "train": training[:num_shipped],
        "train_more": training[num_shipped:],
        "validation": draw_held_out("validation", 120, 120),
        "test": draw_held_out("test", 240, 240),
    }


def build_t2a(
    mimi_directory: Path,
    campplus_directory: Path,
    answers: Path,
    out: Path,
    *,
    seed: int = 0,
    num_shipped: int = 16_000,
    num_more: int = 24_000,
) -> dict[str, float]:
    """Write `train`, `train_more`, `validation` and `test` (`.parquet`).

    The repository holds the first training file only. An interrupted build goes on
    from what is in the folder `answers`, which the sets share.
    """
    splits = draw_splits(seed, num_shipped, num_more)
    coder = AnswerCoder(mimi_directory, answers)
    coder.add([item for items in splits.values() for item in items])
    mimi, campplus = load_mimi(mimi_directory), load_campplus(campplus_directory)
    prompts = all_prompts(mimi, campplus, ANSWERING_VOICES)
    for name, items in splits.items():
        rows = [DialogueRow(item=i, question=i.dialogue.question) for i in items]
        write_rows(out / f"{name}.parquet", rows, coder, prompts, seed)
    keys = {item.key for items in splits.values() for item in items}
    frames = sum(coder.done[key][0].shape[1] for key in keys)
    return {name: len(items) for name, items in splits.items()} | {
        "recordings": len(keys),
        "hours_of_different_speech": frames / mimi.frame_rate / 3600,
    }
