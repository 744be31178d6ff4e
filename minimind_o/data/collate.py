"""From examples to batches: bucketed by length, padded no further than needed.

Shape legend: B batch, S stream, Q codebook, T position.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from minimind_o.data.encoders import padded
from minimind_o.data.examples import NO_TEXT, TrainingExample
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


def length_batches(
    lengths: ArrayLike,
    *,
    max_positions: int | None = None,
    batch_size: int | None = None,
) -> list[list[int]]:
    """Examples of similar length together: indices, from the shortest to the longest.

    Examples of one padded length keep their order, so shuffle them before.

    Args:
        lengths: positions of each example.
        max_positions: most padded positions in a batch; at least one example.
        batch_size: examples in a batch instead.
    """
    padded = padded_length(np.asarray(lengths, dtype=np.int64))
    batches: list[list[int]] = []
    for index in np.argsort(padded, kind="stable").tolist():
        size = len(batches[-1]) + 1 if batches else 1
        # Sorted by length, so the newest example is the longest of its batch.
        if batch_size is not None:
            is_full = size > batch_size
        else:
            assert max_positions is not None
            is_full = size * padded[index] > max_positions
        if not batches or is_full:
            batches.append([])
        batches[-1].append(index)
    return batches
