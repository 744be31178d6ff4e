"""Training: labelled positions a second, against a plain trainer on the same rows.

The plain one does what the released trainer does: it pads every row to the stage's
longest length and computes every logit, then masks. Model, optimiser and precision are
the same, so what is measured is the padding and the heads.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from minimind_o.config import OmniConfig
from minimind_o.data.collate import collate, length_batches
from minimind_o.data.examples import NO_TEXT, TrainingExample
from minimind_o.layout import LayoutSpec, build_example
from minimind_o.model.losses import IGNORE
from minimind_o.model.omni import OmniModel
from minimind_o.training.processes import ALONE, autocast
from minimind_o.training.recipe import MODES, TrainingRecipe
from minimind_o.training.trainer import Batch, Trainer

MAX_POSITIONS = 2048
"""Padded positions in a batch of either."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Rows of one released set.

    share: of all rows. longest: to which the released trainer pads. Mean seconds of
    what is asked and answered; both from table 1 of the paper, hours over samples.
    """

    share: float
    longest: int
    asked_s: float
    answered_s: float


KINDS = {
    "t2a": Kind(share=0.75, longest=512, asked_s=0.0, answered_s=4.72),
    "a2a": Kind(share=0.25, longest=1024, asked_s=14.89, answered_s=3.68),
}
FRAMES_PER_S, STATES_PER_S, TOKENS_PER_S = 12.5, 1 / 0.06, 4.0
TEMPLATE_TOKENS = 12


def draw_examples(
    config: OmniConfig, kind: Kind, count: int, rng: np.random.Generator
) -> list[TrainingExample]:
    """Random ids in the layout, lengths spread about the kind's mean (gamma, shape 3).

    A second of answer has four text tokens; a written question has as many as its
    answer.
    """
    spec = LayoutSpec.from_config(config)
    return [_draw(config, spec, kind, rng) for _ in range(count)]


def _draw(
    config: OmniConfig, spec: LayoutSpec, kind: Kind, rng: np.random.Generator
) -> TrainingExample:
    answered = kind.answered_s * rng.gamma(3.0) / 3
    asked = kind.asked_s * rng.gamma(3.0) / 3
    num_states = int(asked * STATES_PER_S)
    num_tokens = max(2, int(answered * TOKENS_PER_S))
    written = 0 if num_states else num_tokens
    text = rng.integers(40, config.vocab_size, TEMPLATE_TOKENS + written + num_tokens)
    text[text == config.audio_token_id] = 40
    text = np.insert(text, 4, [config.audio_token_id] * num_states)
    example = build_example(
        spec,
        text,
        len(text) - num_tokens,
        rng.integers(0, config.num_codes, (8, max(1, int(answered * FRAMES_PER_S)))),
        max_length=kind.longest,
    )
    is_speech = example.input_ids[-1] == config.audio_token_id
    states = rng.normal(size=(is_speech.sum(), config.audio_hidden_size))
    return TrainingExample(
        input_ids=example.input_ids,
        text_labels=example.text_labels,
        audio_labels=example.audio_labels,
        alignment=np.full(len(example.text_labels), NO_TEXT, np.int32),
        assistant_start=example.assistant_start,
        speaker_embedding=None,
        audio_states=states.astype(np.float16) if num_states else None,
    )


def our_batches(spec: LayoutSpec, examples: Sequence[TrainingExample]) -> list[Batch]:
    """Rows of like length together."""
    lengths = [len(example.text_labels) for example in examples]
    batches = length_batches(lengths, max_positions=MAX_POSITIONS)
    return [collate(spec, [examples[i] for i in rows]) for rows in batches]


def plain_batches(
    spec: LayoutSpec, examples: Sequence[TrainingExample], longest: int
) -> Iterator[Batch]:
    """Rows as they come, padded to the longest there may be."""
    size = max(1, MAX_POSITIONS // longest)
    for first in range(0, len(examples), size):
        batch = collate(spec, examples[first : first + size])
        missing = longest - batch["input_ids"].shape[-1]
        batch["input_ids"] = F.pad(batch["input_ids"], (0, missing))
        for name in ("text_labels", "audio_labels"):
            batch[name] = F.pad(batch[name], (0, missing), value=IGNORE)
        yield batch


def num_labelled(batch: Batch) -> int:
    """Positions with a label of either kind."""
    is_labelled = (batch["audio_labels"] != IGNORE).any(dim=1)
    return int((is_labelled | (batch["text_labels"] != IGNORE)).sum())


class PlainTrainer:
    """All logits of all positions, then the loss of those that have a label."""

    def __init__(self, config: OmniConfig, precision: str) -> None:
        self.model, self.precision = OmniModel(config), precision
        self.optimiser = torch.optim.AdamW(self.model.parameters(), lr=1e-4, fused=True)

    def step(self, batch: Batch) -> None:
        """One update."""
        self.optimiser.zero_grad(set_to_none=True)
        with autocast(torch.device("cpu"), self.precision):
            output = self.model(
                batch["input_ids"],
                audio_states=batch.get("audio_states"),
                audio_lengths=batch.get("audio_lengths"),
            )
        assert output.text_logits is not None
        assert output.audio_logits is not None
        loss = cross_entropy(output.text_logits, batch["text_labels"])
        for codebook in range(output.audio_logits.shape[1]):
            labels = batch["audio_labels"][:, codebook]
            loss = loss + cross_entropy(output.audio_logits[:, codebook], labels) / 8
        (loss + (output.balance_loss or 0.0)).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()


def cross_entropy(logits_BTV: Tensor, labels_BT: Tensor) -> Tensor:
    """Mean over the labels."""
    logits_NV, labels_N = logits_BTV.flatten(0, 1).float(), labels_BT.flatten()
    return F.cross_entropy(logits_NV, labels_N, ignore_index=IGNORE)


@dataclass(frozen=True, kw_only=True)
class Speeds:
    """Labelled positions a second."""

    ours: float
    plain: float

    @property
    def ratio(self) -> float:
        """How many times as fast."""
        return self.ours / self.plain


def measure(config: OmniConfig, precision: str, num_rows: int) -> Speeds:
    """Both trainers on rows of the mix; the plain one, slow as it is, on a quarter."""
    spec = LayoutSpec.from_config(config)
    rng = np.random.default_rng(0)
    rows = {
        name: draw_examples(config, kind, max(4, round(kind.share * num_rows)), rng)
        for name, kind in KINDS.items()
    }
    mixed = [example for examples in rows.values() for example in examples]
    recipe = TrainingRecipe(
        stage="speed", learning=MODES["all"], precision=precision, learning_rate=1e-4
    )
    batches = our_batches(spec, mixed)
    with TemporaryDirectory() as work:
        ours = Trainer(OmniModel(config), recipe, Path(work), ALONE, tokenizer="")
        ours.model.train()
        our_rate = _rate(lambda batch: ours.step([batch]), batches)
    plain = PlainTrainer(config, precision)
    plain.model.train()
    some = [
        batch
        for name, examples in rows.items()
        for batch in plain_batches(
            spec, examples[:: 4 if num_rows > 16 else 1], KINDS[name].longest
        )
    ]
    return Speeds(ours=our_rate, plain=_rate(plain.step, some))


def _rate(step, batches: Sequence[Batch]) -> float:
    """Labelled positions a second, after one step that warms up."""
    step(batches[0])
    started = time.perf_counter()
    for batch in batches:
        step(batch)
    return sum(map(num_labelled, batches)) / (time.perf_counter() - started)
