"""One stage of training: from Parquet rows and a model to a better model."""

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from minimind_o import __version__
from minimind_o import tokenizer as tokenizers
from minimind_o.config import OmniConfig
from minimind_o.data.collate import collate, length_batches
from minimind_o.data.encoders import MediaEncoders
from minimind_o.data.examples import ExampleDataset, ExampleOptions, RowPreparer
from minimind_o.data.row import RowFormat
from minimind_o.data.schema import BadRowPolicy, BadRows, expand
from minimind_o.data.stream import POOL_ROWS, ExampleStream, RowGroups, StreamSettings
from minimind_o.errors import UserError
from minimind_o.layout import LayoutSpec
from minimind_o.model.omni import OmniModel
from minimind_o.training.processes import Processes
from minimind_o.training.random_states import seed_all
from minimind_o.training.recipe import TrainingRecipe
from minimind_o.training.trainer import Batch, Trainer


@dataclass(frozen=True, kw_only=True)
class StageData:
    """Where the rows are and how they become batches.

    train, validation: Parquet files, globs, or anything fsspec reaches.
    max_positions: padded positions in a batch of one process.
    batch_size: rows in a batch of one process instead, where it is not 0.
    pool_rows: rows of which a process draws its batches; row groups of several files
        mix only within a pool.
    code_noise: share of the answer's input codes replaced by random ones in training.
    noise_specials: draw these from all ids, specials included.
    bad_rows: `fatal` stops at a bad row, `skip` reports it by file and row and goes on.
    """

    train: Sequence[str | Path]
    validation: Sequence[str | Path]
    max_positions: int = 2048
    batch_size: int = 0
    pool_rows: int = POOL_ROWS
    max_length: int = 320
    code_noise: float = 0.05
    noise_specials: bool = False
    reference_probability: float = 0.9
    speaker_probability: float = 0.8
    bad_rows: BadRowPolicy = "fatal"
    seed: int = 0


def validation_batches(dataset: ExampleDataset, max_positions: int) -> list[Batch]:
    """All rows of a dataset, without noise, in a fixed order."""
    batches = length_batches(dataset.lengths, max_positions=max_positions)
    return [collate(dataset.spec, [dataset[i] for i in rows]) for rows in batches]


@dataclass(frozen=True, kw_only=True)
class StageInputs:
    """What a stage starts from.

    init: a language model, or an omni model to go on from: a directory or a `.pth`
        file, ours or a released one.
    config: the model's config where `init` is a language model of another; None: the
        one in `init`.
    warm_start: whether the Talker of a language model starts from its last blocks.
    encoders: for rows with speech or pictures.
    swap: puts other components into the loaded model, for an experiment. Such a model
        cannot be resumed, nor read from the folder it is written to.
    """

    tokenizer_directory: Path
    init: Path
    config: OmniConfig | None = None
    warm_start: bool = True
    encoders: MediaEncoders | None = None
    swap: Callable[[OmniModel], None] | None = None


def train_stage(
    recipe: TrainingRecipe,
    data: StageData,
    inputs: StageInputs,
    *,
    work: Path,
    out: Path | None,
    processes: Processes,
    snapshot_every: int = 0,
) -> dict[str, float]:
    """Train (or resume from `work`) and write the model directory `out`.

    What was asked for is written to `work/settings.json`.

    Args:
        recipe: how it learns.
        data: from what.
        inputs: starting where.
        work: for checkpoints and metrics.
        out: for the model; None for none.
        processes: this one among the others.
        snapshot_every: also keep `work/step_N` every so many steps; 0 for never.

    Returns:
        The last validation losses and the minutes, those of reading the first rows and
        of encoding their recordings and pictures among them.

    Raises:
        UserError: anything wrong with a file, a row or the checkpoint.
    """
    started = time.monotonic()
    trainer, train = prepare_stage(recipe, data, inputs, work, processes)
    config = trainer.model.config
    validation = ExampleDataset(
        expand(data.validation),
        tokenizers.load(inputs.tokenizer_directory),
        LayoutSpec.from_config(config),
        ExampleOptions(max_length=data.max_length),
        bad_rows=data.bad_rows,
        speaker_embedding_size=config.speaker_embedding_size,
        encoders=inputs.encoders,
    )
    if processes.is_main:
        write_settings(work, recipe, data, inputs, processes)

    def keep(trainer: Trainer) -> None:
        if snapshot_every and trainer.step_index % snapshot_every == 0:
            trainer.save_model(work / f"step_{trainer.step_index}")

    batches = validation_batches(validation, data.max_positions)
    preparation = (time.monotonic() - started) / 60
    figures = trainer.run(train, batches, keep)
    figures["minutes"] += preparation
    if out is not None:
        trainer.save_model(out)
    processes.barrier()
    return figures


def prepare_stage(
    recipe: TrainingRecipe,
    data: StageData,
    inputs: StageInputs,
    work: Path,
    processes: Processes,
) -> tuple[Trainer, ExampleStream]:
    """The model with its optimiser, as far as `work` has it, and the training rows.

    Raises:
        UserError: as `train_stage`.
    """
    seed_all(recipe.seed)
    generator = torch.Generator().manual_seed(recipe.seed)
    tokenizer = tokenizers.load(inputs.tokenizer_directory)
    model = OmniModel.from_pretrained(
        inputs.init,
        config=inputs.config,
        generator=generator,
        warm_start=inputs.warm_start,
    )
    if inputs.swap is not None:
        inputs.swap(model)
    spec = LayoutSpec.from_config(model.config)
    groups = RowGroups(data.train)
    options = ExampleOptions(
        max_length=data.max_length,
        reference_probability=data.reference_probability,
        speaker_probability=data.speaker_probability,
        code_noise=data.code_noise,
        noise_specials=data.noise_specials,
        seed=data.seed,
    )
    train = ExampleStream(
        groups,
        RowPreparer(
            tokenizer=tokenizer, spec=spec, options=options, encoders=inputs.encoders
        ),
        RowFormat(
            num_codebooks=spec.num_codebooks,
            num_codes=spec.num_codes,
            speaker_embedding_size=model.config.speaker_embedding_size,
        ),
        StreamSettings(
            max_positions=None if data.batch_size else data.max_positions,
            batch_size=data.batch_size or None,
            pool_rows=data.pool_rows,
            seed=data.seed,
            rank=processes.rank,
            world_size=processes.world_size,
        ),
        BadRows(data.bad_rows),
    )
    # What no row can reach gets no gradient, which DDP must know beforehand.
    model.talker.speaker_proj.requires_grad_(groups.has_speakers)
    trainer = Trainer(model, recipe, work, processes, tokenizer=tokenizer.digest)
    return trainer, train


def steps_of(epochs: float, data: StageData, accumulate: int, world_size: int) -> int:
    """Steps in which every training row comes so often.

    Raises:
        UserError: a bad file, or batches that hold no fixed number of rows.
    """
    if not data.batch_size:
        raise UserError(
            "epochs are counted in rows: give --batch-size, or --num-steps instead."
        )
    rows_in_a_step = data.batch_size * accumulate * world_size
    return max(1, math.ceil(epochs * RowGroups(data.train).num_rows / rows_in_a_step))


def write_settings(
    work: Path,
    recipe: TrainingRecipe,
    data: StageData,
    inputs: StageInputs,
    processes: Processes,
) -> None:
    """Everything that was asked for, beside the checkpoint."""
    settings = {
        "recipe": asdict(recipe),
        "data": asdict(data),
        "tokenizer": inputs.tokenizer_directory,
        "init": inputs.init,
        "warm_start": inputs.warm_start,
        "processes": processes.world_size,
        "device": processes.device.type,
        "torch": torch.__version__,
        "minimind_o": __version__,
    }
    work.mkdir(parents=True, exist_ok=True)
    text = json.dumps(settings, indent=2, default=str)
    (work / "settings.json").write_text(text + "\n")
