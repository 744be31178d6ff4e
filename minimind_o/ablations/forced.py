"""Losses of any model on rows of the shipped sets, teacher-forced, for a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from minimind_o.ablations.experiment import Measures
from minimind_o.ablations.measures import losses_of
from minimind_o.ablations.recipe import MAX_LENGTH, MAX_POSITIONS
from minimind_o.ablations.workbench import Workbench
from minimind_o.data.examples import ExampleDataset, ExampleOptions
from minimind_o.layout import LayoutSpec
from minimind_o.model import OmniModel
from minimind_o.training.stage import validation_batches
from minimind_o.training.trainer import Batch


def some_batches(bench: Workbench, path: Path, count: int) -> list[Batch]:
    """Batches of a file's rows, short and long, without noise, voices given.

    Raises:
        UserError: no such file, or a bad row.
    """
    dataset = ExampleDataset(
        [path],
        bench.tokenizer,
        LayoutSpec.from_config(bench.config),
        ExampleOptions(max_length=MAX_LENGTH),
        speaker_embedding_size=bench.config.speaker_embedding_size,
        encoders=bench.encoders,
    )
    batches = validation_batches(dataset, MAX_POSITIONS)
    return batches[:: max(1, len(batches) // count)][:count]


def losses(model: OmniModel, batches: Sequence[Batch]) -> Measures:
    """Text and audio loss and each codebook's loss and accuracy, on the CPU."""
    return losses_of(model.eval(), batches, torch.device("cpu"))
