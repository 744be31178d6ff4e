"""From examples to batches: bucketed by length, padded no further than needed.

Shape legend: B batch, S stream, Q codebook, T position.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.utils.data import Sampler

from minimind_o.data.encoders import padded
from minimind_o.data.examples import NO_TEXT, TrainingExample
from minimind_o.errors import UserError
from minimind_o.layout import IGNORE, LayoutSpec

LENGTH_MULTIPLE = 8
"""Lengths are rounded up to it, so that kernels meet few shapes."""


def padded_length(length: int | NDArray[np.int64]) -> NDArray[np.int64]:
    """Length rounded up to a multiple of `LENGTH_MULTIPLE`."""
    return -(-np.asarray(length) // LENGTH_MULTIPLE) * LENGTH_MULTIPLE


def collate(spec: LayoutSpec, examples: Sequence[TrainingExample]) -> dict[str, Tensor]:
    """Pad examples on the right and stack them.

    Right padding needs no attention mask: under causal attention no real position sees
    it, and it carries no labels.

    Returns:
        input_ids (B, S, T), text_labels (B, T), audio_labels (B, Q, T), alignment
        (B, T; -1 is none), lengths (B,), assistant_start (B,), all int64, and
        speaker_embedding (B, D) float32 where any example has one (zeros for others,
        whose inputs hold no speaker code); where any example has speech or pictures
        audio_states or image_states (B, L, E) float32, padded, and their lengths
        audio_lengths or image_lengths (B,).
    """
    lengths = np.array([len(example.text_labels) for example in examples])
    size, width = len(examples), int(padded_length(lengths.max()))
    num_streams = spec.num_codebooks + 1
    input_ids = np.full((size, num_streams, width), spec.audio_pad_token, np.int64)
    input_ids[:, -1] = spec.pad_token_id
    labels = np.full((size, num_streams, width), IGNORE, np.int64)
    alignment = np.full((size, width), NO_TEXT, np.int64)
    for row, (example, length) in enumerate(zip(examples, lengths, strict=True)):
        input_ids[row, :, :length] = example.input_ids
        labels[row, :-1, :length] = example.audio_labels
        labels[row, -1, :length] = example.text_labels
        alignment[row, :length] = example.alignment
    batch = {
        "input_ids": torch.from_numpy(input_ids),
        "text_labels": torch.from_numpy(labels[:, -1]),
        "audio_labels": torch.from_numpy(labels[:, :-1]),
        "alignment": torch.from_numpy(alignment),
        "lengths": torch.from_numpy(lengths.astype(np.int64)),
        "assistant_start": torch.tensor([e.assistant_start for e in examples]),
    }
    speakers = [example.speaker_embedding for example in examples]
    known = next((speaker for speaker in speakers if speaker is not None), None)
    if known is not None:
        rows = [np.zeros_like(known) if s is None else s for s in speakers]
        batch["speaker_embedding"] = torch.from_numpy(np.stack(rows))
    for medium in ("audio", "image"):
        states = padded([getattr(e, f"{medium}_states") for e in examples])
        if states is not None:
            batch[f"{medium}_states"], batch[f"{medium}_lengths"] = states
    return batch


class BucketSampler(Sampler[list[int]]):
    """Batches of examples of similar length, in random order, the same for a seed.

    Give either `max_positions`, a budget of padded positions per batch, or
    `batch_size`. Pass it as `batch_sampler` to a `DataLoader`. With several replicas
    each gets its own batches, equally many (some batches are split to make it so); no
    example is left out and none comes twice.

    Args:
        lengths: positions of each example.
        max_positions: most padded positions in a batch; at least one example.
        batch_size: examples in a batch.
        shuffle: False keeps batches sorted by length, for evaluation.
        seed: of the order.
        rank: this replica.
        num_replicas: how many share the examples.

    Raises:
        UserError: if not exactly one of the two sizes is given, or if there are fewer
            examples than replicas.
    """

    def __init__(
        self,
        lengths: ArrayLike,
        *,
        max_positions: int | None = None,
        batch_size: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        rank: int = 0,
        num_replicas: int = 1,
    ) -> None:
        if (max_positions is None) == (batch_size is None):
            raise UserError("Give either max_positions or batch_size, not both.")
        if (max_positions or batch_size or 0) < 1:
            raise UserError("The batch size must be at least 1.")
        self._padded = padded_length(np.asarray(lengths, dtype=np.int64))
        if len(self._padded) < num_replicas:
            raise UserError(
                f"There are {len(self._padded)} examples for {num_replicas} processes; "
                "each needs at least one."
            )
        self._max_positions = max_positions
        self._batch_size = batch_size
        self._shuffle = shuffle
        self._seed = seed
        self._rank = rank
        self._num_replicas = num_replicas
        self.set_epoch(0)

    def set_epoch(self, epoch: int, first_batch: int = 0) -> None:
        """Choose the epoch's order; start at `first_batch` to go on where one ended."""
        rng = np.random.default_rng((self._seed, epoch))
        batches = self._split_evenly(self._cut(self._order(rng)))
        if self._shuffle:
            rng.shuffle(batches)
        self._batches = batches[self._rank :: self._num_replicas]
        self._first_batch = first_batch

    def __len__(self) -> int:
        return max(0, len(self._batches) - self._first_batch)

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self._batches[self._first_batch :])

    def _order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        shuffled = (
            rng.permutation(len(self._padded))
            if self._shuffle
            else np.arange(len(self._padded))
        )
        # A stable sort keeps the shuffled order within a bucket.
        return shuffled[np.argsort(self._padded[shuffled], kind="stable")]

    def _cut(self, order: NDArray[np.int64]) -> list[list[int]]:
        batches: list[list[int]] = [[]]
        for index in order.tolist():
            count = len(batches[-1]) + 1
            # Sorted by length, so the newest example is the longest of its batch.
            if self._batch_size is not None:
                full = count > self._batch_size
            else:
                assert self._max_positions is not None
                full = count * self._padded[index] > self._max_positions
            if full and batches[-1]:
                batches.append([])
            batches[-1].append(index)
        return batches

    def _split_evenly(self, batches: list[list[int]]) -> list[list[int]]:
        while len(batches) % self._num_replicas:
            largest = max(range(len(batches)), key=lambda b: len(batches[b]))
            batch = batches[largest]
            if len(batch) == 1:
                raise UserError(
                    f"{len(batches)} batches of one example cannot be shared by "
                    f"{self._num_replicas} processes; use larger batches."
                )
            middle = len(batch) // 2
            batches[largest : largest + 1] = [batch[:middle], batch[middle:]]
        return batches
