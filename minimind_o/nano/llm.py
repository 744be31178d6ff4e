"""Train the nano tokenizer and pretrain the nano language model on the world's text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from minimind_o import tokenizer as tokenizers
from minimind_o.config import OmniConfig
from minimind_o.data.stream import Position
from minimind_o.data.world import (
    Dialogue,
    Language,
    fact_dialogues,
    held_out_answers,
    held_out_texts,
    read_aloud_stream,
)
from minimind_o.layout import LayoutSpec, build_example
from minimind_o.model.omni import OmniModel
from minimind_o.training.processes import start_processes
from minimind_o.training.recipe import TrainingRecipe
from minimind_o.training.trainer import Batch, Trainer

NANO_CODES = 512
EXPERT_WIDTH = 224  # four of them fit the repository; the dense width is 832
READ_SHARE, MANDARIN_SHARE, ARITHMETIC_SHARE = 0.45, 0.25, 0.4


def nano_config(vocab_size: int, *, use_moe: bool = False) -> OmniConfig:
    """The nano model: the released blocks, a third as wide.

    With experts it has four of them, narrow ones: together a little wider than the
    dense model's feed-forward, each alone less than a third as wide.
    """
    return OmniConfig(
        use_moe=use_moe,
        intermediate_size=EXPERT_WIDTH if use_moe else None,
        vocab_size=vocab_size,
        hidden_size=256,
        talker_hidden_size=256,
        talker_embedding_rank=64,
        talker_head_rank=64,
        num_codes=NANO_CODES,
        audio_vocab_size=NANO_CODES + 64,
        audio_pad_token=NANO_CODES + 1,
        audio_stop_token=NANO_CODES + 2,
        audio_speaker_token=NANO_CODES + 3,
        audio_hidden_size=144,
        image_hidden_size=128,
        max_position_embeddings=1024,
    )


def is_long(dialogue: Dialogue) -> bool:
    """Whether the answer has more than 12 words (in Mandarin, two signs make one)."""
    answer = dialogue.answer
    words = len(answer.split()) if answer.isascii() else len(answer) / 2
    return words > 12


class WorldText:
    """Dialogues drawn without end: facts by family, and read-aloud requests."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.streams = {
            language: read_aloud_stream(seed, language, held_out_answers(language))
            for language in ("en", "zh")
        }
        self.families: dict[tuple[str, str], list[Dialogue]] = {}
        for language in ("en", "zh"):
            for dialogue in fact_dialogues(language, "train"):
                self.families.setdefault((language, dialogue.family), []).append(
                    dialogue
                )
        self.long_answers = {
            language: [
                dialogue
                for (lang, _), pool in self.families.items()
                for dialogue in pool
                if lang == language and is_long(dialogue)
            ]
            for language in ("en", "zh")
        }

    def draw(self, read_share: float = READ_SHARE, long_share: float = 0.0) -> Dialogue:
        """One dialogue: a quarter Mandarin; of the facts, 40 % arithmetic.

        `long_share`: of all dialogues, those drawn from the facts with long answers
        alone.
        """
        rng = self.rng
        language: Language = "zh" if rng.random() < MANDARIN_SHARE else "en"
        kind = rng.random()
        if kind < read_share:
            return next(self.streams[language])
        if kind < read_share + long_share:
            pool = self.long_answers[language]
            return pool[rng.integers(len(pool))]
        family = "arithmetic"
        if rng.random() > ARITHMETIC_SHARE:
            others = [
                f for lang, f in self.families if lang == language and f != family
            ]
            sizes = np.array([len(self.families[language, f]) for f in others]) ** 0.7
            family = others[rng.choice(len(others), p=sizes / sizes.sum())]
        pool = self.families[language, family]
        return pool[rng.integers(len(pool))]


@dataclass
class TextBatches:
    """Batches of text-only dialogues; batch n is the same whenever it is drawn."""

    tokenizer: tokenizers.Tokenizer
    spec: LayoutSpec
    seed: int
    batch_size: int = 32
    pool_batches: int = 8

    def iterate(
        self, positions: Sequence[Position] | None = None
    ) -> Iterator[tuple[Batch, Position]]:
        """Batches of every process alike, each with how many there were then.

        Dialogues are drawn a pool of batches at a time and sorted by length, so that
        little of a batch is padding.
        """
        start = positions[0]["batches"] if positions else 0
        index = start - start % self.pool_batches
        while True:
            rng = np.random.default_rng([self.seed, index])
            world = WorldText(self.seed * 1_000_003 + index)
            drawn = [world.draw() for _ in range(self.batch_size * self.pool_batches)]
            drawn.sort(key=lambda d: len(d.question) + len(d.answer))
            for slot in rng.permutation(self.pool_batches):
                index += 1
                if index > start:
                    first = int(slot) * self.batch_size
                    batch = self.collate(drawn[first : first + self.batch_size])
                    yield batch, {"batches": index}

    def where(self, position: Position, num_rows: int) -> str:
        """Which batch it was: its rows are drawn and lie in no file."""
        return f"batch {position['batches']} of {num_rows} drawn dialogues"

    def collate(self, dialogues: Sequence[Dialogue]) -> Batch:
        """Dialogues to padded ids and labels on the answers."""
        examples = []
        for dialogue in dialogues:
            turns = [
                {"role": "user", "content": dialogue.question},
                {"role": "assistant", "content": dialogue.answer},
            ]
            encoded = self.tokenizer.encode_conversation(turns)
            examples.append(
                build_example(
                    self.spec,
                    encoded.text_ids,
                    encoded.assistant_start,
                    label_start=encoded.label_start,
                )
            )
        length = max(e.input_ids.shape[1] for e in examples)
        ids = np.zeros((len(examples), 9, length), np.int64)
        ids[:, :8] = self.spec.audio_pad_token
        labels = np.full((len(examples), length), -100, np.int64)
        for row, example in enumerate(examples):
            size = example.input_ids.shape[1]
            ids[row, :, :size] = example.input_ids
            labels[row, :size] = example.text_labels
        return {
            "input_ids": torch.from_numpy(ids),
            "text_labels": torch.from_numpy(labels),
        }


def train_tokenizer(directory: Path, vocab_size: int = 3200) -> int:
    """Train the byte-level BPE on the world's words; returns its size."""
    from minimind_o.nano.tokenizer_text import LONGEST_PIECE, tokenizer_texts

    tokenizers.train_bpe(
        tokenizer_texts(), vocab_size, directory, longest_piece=LONGEST_PIECE
    )
    return tokenizers.load(directory).vocab_size


def validation_batches(batches: TextBatches) -> list[Batch]:
    """Held-out phrasings and texts of both languages, in batches of one kind."""
    out = []
    for language in ("en", "zh"):
        for dialogues in (
            fact_dialogues(language, "validation")[:: 5 if language == "zh" else 12],
            held_out_texts(language, "validation", 100),
        ):
            out.append(batches.collate(dialogues))
    return out


def pretrain_llm(
    recipe: TrainingRecipe,
    config: OmniConfig,
    tokenizer_directory: Path,
    work: Path,
    out: Path,
) -> dict[str, float]:
    """Train (or resume) the language model and write the directory `out`."""
    torch.manual_seed(recipe.seed)
    tokenizer = tokenizers.load(tokenizer_directory)
    model = OmniModel(config)
    model.init_weights(torch.Generator().manual_seed(recipe.seed))
    batches = TextBatches(tokenizer, LayoutSpec.from_config(config), recipe.seed)
    processes = start_processes()
    trainer = Trainer(model, recipe, work, processes, tokenizer=tokenizer.digest)
    figures = trainer.run(batches, validation_batches(batches))
    model.save_thinker(out, torch.float16)
    return figures


LLM_RECIPE = TrainingRecipe(
    stage="llm",
    num_steps=2000,
    learning_rate=2e-3,
    learning=("thinker",),
    validate_every=250,
)
