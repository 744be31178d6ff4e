"""One run's training: a fixed number of steps, with a curve and no files kept."""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from minimind_o.ablations.experiment import (
    Experiment,
    Measures,
    Phase,
    Setting,
    WorldFiles,
)
from minimind_o.ablations.measures import losses_of
from minimind_o.ablations.recipe import (
    CODE_NOISE,
    MAX_LENGTH,
    MAX_POSITIONS,
    NUM_CURVE_POINTS,
    RECIPE,
)
from minimind_o.ablations.start import write_start
from minimind_o.ablations.workbench import Workbench
from minimind_o.data.examples import ExampleDataset, ExampleOptions
from minimind_o.layout import LayoutSpec
from minimind_o.model import OmniModel
from minimind_o.training.recipe import TrainingRecipe
from minimind_o.training.stage import (
    StageData,
    StageInputs,
    prepare_stage,
    validation_batches,
)
from minimind_o.training.trainer import Batch, Trainer, to_device


def recipe_of(experiment: Experiment, steps: int, seed: int) -> TrainingRecipe:
    """The shared recipe with the experiment's departures."""
    warmup = min(RECIPE.warmup_steps, steps)
    shared = replace(RECIPE, num_steps=steps, seed=seed, warmup_steps=warmup)
    return replace(shared, **experiment.recipe)


def data_of(
    experiment: Experiment, setting: Setting, files: WorldFiles, seed: int
) -> StageData:
    """The shared data with the departures of experiment and setting."""
    shared = StageData(
        train=[files.train],
        validation=[files.validation],
        max_positions=MAX_POSITIONS,
        max_length=MAX_LENGTH,
        code_noise=CODE_NOISE,
        seed=seed,
    )
    return replace(shared, **{**experiment.data, **setting.data})


def settings_text(
    experiment: Experiment, setting: Setting, config: Any, steps: int, seed: int
) -> tuple[str, str]:
    """The model's config and the recipe with the data, as JSON."""
    recipe = asdict(recipe_of(experiment, steps, seed))
    changes = {**experiment.data, **setting.data}
    rest: dict[str, Any] = {
        "recipe": recipe,
        "data": changes,
        "start": experiment.start,
        "warm_start": setting.warm_start,
        "phases": [asdict(phase) for phase in setting.phases],
        "max_positions": MAX_POSITIONS,
    }
    if setting.swap is not None:
        rest["swap"] = setting.swap.__name__
    return json.dumps(config.to_dict()), json.dumps(rest)


def train(
    experiment: Experiment,
    setting: Setting,
    seed: int,
    steps: int,
    bench: Workbench,
    files: WorldFiles,
    *,
    until: int | None = None,
) -> tuple[OmniModel, Measures]:
    """Train one setting from its start; the model and its curves.

    `until` breaks the run of `steps` off after that many of them.

    Raises:
        UserError: as `minimind_o.training.stage.prepare_stage`.
    """
    curve = _Curve(experiment, setting, bench, files)
    with tempfile.TemporaryDirectory() as scratch:
        init = Path(scratch) / "start"
        write_start(bench, setting, experiment.start, seed, init)
        first = 0
        for number, (recipe, count) in enumerate(
            phases_of(setting, recipe_of(experiment, steps, seed))
        ):
            trainer, batches = begin(
                recipe,
                data_of(experiment, setting, files, seed),
                bench,
                init,
                setting.swap,
            )
            count = count if until is None else min(count, until - first)
            _steps(trainer, batches, count, first, steps, curve)
            first += count
            if first == until:
                break
            init = Path(scratch) / f"phase_{number}"
            if first < steps:
                trainer.model.save(init)
    trainer.model.eval()
    return trainer.model, curve.measures


def phases_of(
    setting: Setting, recipe: TrainingRecipe
) -> list[tuple[TrainingRecipe, int]]:
    """Each phase's recipe and steps; together they are the run's steps."""
    whole = Phase(share=1.0, learning=recipe.learning)
    phases = setting.phases or (whole,)
    ends = [
        round(recipe.num_steps * share)
        for share in itertools.accumulate(phase.share for phase in phases)
    ]
    counts = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    return [
        (
            replace(
                recipe,
                learning=phase.learning,
                num_steps=max(count, 1),
                warmup_steps=min(recipe.warmup_steps, max(count, 1)),
                learning_rate=phase.rate or recipe.learning_rate,
            ),
            count,
        )
        for phase, count in zip(phases, counts, strict=True)
        if count
    ]


def begin(
    recipe: TrainingRecipe,
    data: StageData,
    bench: Workbench,
    init: Path,
    swap: Callable[[OmniModel], None] | None = None,
) -> tuple[Trainer, Iterator[Batch]]:
    """A trainer at its first step, and its batches, where the model is."""
    inputs = StageInputs(
        tokenizer_directory=bench.assets.tokenizer,
        init=init,
        encoders=bench.encoders,
        swap=swap,
    )
    # No checkpoint is ever written: the folder is only asked whether it holds one.
    trainer, stream = prepare_stage(recipe, data, inputs, init / "none", bench.alone)
    trainer.model.train()
    batches = (to_device(batch, bench.device) for batch, _ in stream.iterate())
    return trainer, batches


def _steps(
    trainer: Trainer,
    batches: Iterator[Batch],
    count: int,
    first: int,
    steps: int,
    note: Callable[[int, OmniModel, list[float]], None],
) -> None:
    every = max(1, steps // NUM_CURVE_POINTS)
    recent: list[float] = []
    for step in range(first + 1, first + count + 1):
        losses = trainer.step([next(batches)])
        name = "audio_loss" if trainer.recipe.runs_talker else "text_loss"
        recent.append(float(losses[name]))
        if step % every == 0 or step == steps:
            note(step, trainer.model, recent)
            recent = []


class _Curve:
    """What is noted several times in a run."""

    def __init__(
        self,
        experiment: Experiment,
        setting: Setting,
        bench: Workbench,
        files: WorldFiles,
    ) -> None:
        config = replace(bench.config, **setting.config)
        data = data_of(experiment, setting, files, 0)
        spec = LayoutSpec.from_config(config)
        dataset = ExampleDataset(
            [files.validation],
            bench.tokenizer,
            spec,
            ExampleOptions(
                max_length=data.max_length,
                # The voice is given as in training, or not at all.
                reference_probability=float(data.reference_probability > 0),
                speaker_probability=float(data.speaker_probability > 0),
            ),
            speaker_embedding_size=config.speaker_embedding_size,
            encoders=bench.encoders,
        )
        self.batches = validation_batches(dataset, 2 * MAX_POSITIONS)
        self.device = bench.device
        self.speaks = bool((self.batches[0]["audio_labels"] >= 0).any())
        self.measures: Measures = {"curve_step": [], "curve_train_loss": []}

    def __call__(self, step: int, model: OmniModel, recent: list[float]) -> None:
        """Note a step: the mean training loss since the last, and the validation's."""
        model.eval()
        with torch.no_grad():
            found = losses_of(model, self.batches, self.device, speaks=self.speaks)
        model.train()
        self.measures["curve_step"].append(step)
        self.measures["curve_train_loss"].append(sum(recent) / max(len(recent), 1))
        for name, value in found.items():
            curve = self.measures.setdefault(f"curve_{name}", [])
            curve.extend(value if isinstance(value, list) else [value])
            self.measures[name] = value
