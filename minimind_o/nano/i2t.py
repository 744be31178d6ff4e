"""Build the nano picture set: `sft_i2t` Parquet in the released schema.

A question about a picture, written or, in a third of the rows, spoken; the answer names
every attribute of what is there, in text and speech. The test shows things in colours
and sizes that training never does.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from minimind_o.chat import IMAGE_MARK
from minimind_o.data.pictures import (
    DAMAGES,
    Scene,
    damaged,
    describe,
    draw,
    encoded,
    random_scene,
)
from minimind_o.data.world import Dialogue, Language
from minimind_o.frozen.campplus import load_campplus
from minimind_o.frozen.mimi import load_mimi
from minimind_o.nano.a2a import ask
from minimind_o.nano.answers import (
    ANSWERING_VOICES,
    AnswerCoder,
    SpokenDialogue,
    draw_answering_voice,
)
from minimind_o.nano.rows import DialogueRow, write_rows
from minimind_o.nano.t2a import TAIL_SHARE
from minimind_o.nano.voice_prompts import all_prompts

QUESTIONS: dict[Language, tuple[str, ...]] = {
    "en": ("What do you see?", "What is in the picture?", "Tell me what you see."),
    "zh": ("你看见什么？", "图里有什么？"),
}
MANDARIN_SHARE, SPOKEN_SHARE = 0.25, 1 / 3
PICTURES = {"train": 1, "train_more": 3, "validation": 1, "test": 1}
"""Of each scene, by file: drawing another costs nothing, coding another answer does."""


def draw_rows(split: str, count: int, seed: int) -> list[DialogueRow]:
    """The rows of one file, `count` scenes with `PICTURES[split]` pictures of each."""
    names = ("train", "train_more", "validation", "test")
    rng = np.random.default_rng([seed, 11, names.index(split)])
    rows: list[DialogueRow] = []
    for _ in range(count):
        language: Language = "zh" if rng.random() < MANDARIN_SHARE else "en"
        scene = random_scene(rng, held_out=split == "test", language=language)
        tail_share = TAIL_SHARE if split.startswith("train") else 0.0
        voice = draw_answering_voice(rng, tail_share)
        item = SpokenDialogue(dialogue=_described(scene, language), voice=voice)
        for _ in range(PICTURES[split]):
            damage = DAMAGES[len(rows) % len(DAMAGES)]
            image = damaged(draw(scene, rng), damage, rng)
            picture = encoded(image, "JPEG" if damage == "jpeg" else "PNG")
            rows.append(_asked(item, picture, split, rng))
    return rows


def _described(scene: Scene, language: Language) -> Dialogue:
    answer = describe(scene, language)
    return Dialogue(
        question="",
        answer=answer,
        marked_answer=answer,
        language=language,
        kind="fact",
        family="picture",
    )


def _asked(
    item: SpokenDialogue, picture: bytes, split: str, rng: np.random.Generator
) -> DialogueRow:
    """A picture with a question about it, written or spoken."""
    language = item.dialogue.language
    question = str(rng.choice(QUESTIONS[language]))
    speech = None
    if rng.random() < SPOKEN_SHARE:
        speech = ask(question, language, split, rng)
    return DialogueRow(
        item=replace(item, dialogue=replace(item.dialogue, question=question)),
        question=f"{IMAGE_MARK}\n" + ("" if speech else question),
        speech=speech,
        picture=picture,
    )


def build_i2t(
    mimi_directory: Path,
    campplus_directory: Path,
    answers: Path,
    out: Path,
    *,
    seed: int = 0,
    counts: Sequence[tuple[str, int]] = (
        ("train", 300), ("train_more", 5700), ("validation", 120), ("test", 240),
    ),
) -> dict[str, float]:  # fmt: skip
    """Write `train`, `train_more`, `validation` and `test` (`.parquet`).

    counts: scenes of each. The repository holds the first training file only. An
    interrupted build goes on from what is in the folder `answers`, which the sets
    share.
    """
    splits = {name: draw_rows(name, count, seed) for name, count in counts}
    coder = AnswerCoder(mimi_directory, answers)
    coder.add([row.item for rows in splits.values() for row in rows])
    mimi, campplus = load_mimi(mimi_directory), load_campplus(campplus_directory)
    prompts = all_prompts(mimi, campplus, ANSWERING_VOICES)
    for name, rows in splits.items():
        write_rows(out / f"{name}.parquet", rows, coder, prompts, seed)
    return {name: len(rows) for name, rows in splits.items()}
