"""The runs of an experiment: which there are, what each does, and its row."""

from __future__ import annotations

import hashlib
import resource
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from minimind_o.ablations.closed_world import QUESTIONS, TRAIN, VALIDATION
from minimind_o.ablations.experiment import (
    Experiment,
    Measures,
    Setting,
    Trained,
    WorldFiles,
)
from minimind_o.ablations.measures import spoken_adapters
from minimind_o.ablations.table import (
    Key,
    add_row,
    claimed,
    finished,
    read_table,
    table_path,
)
from minimind_o.ablations.training import settings_text, train
from minimind_o.ablations.workbench import Workbench
from minimind_o.figures import current_commit, describe_machine
from minimind_o.model import OmniModel
from minimind_o.nano.answers import codec_name
from minimind_o.training.processes import has_fast_bf16
from minimind_o.written_aside import written_aside

COMMIT = current_commit()
"""Of the code as it was loaded: the checkout may change while the runs go on."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One setting with one seed."""

    experiment: Experiment
    setting: Setting
    seed: int
    steps: int

    @property
    def key(self) -> Key:
        """What its row is known by."""
        return self.setting.name, self.seed, self.steps

    def command(self, assets: str | None) -> str:
        """The command line that makes this run again and compares."""
        name = str(self.experiment.file or self.experiment.name)
        words = ["python", "-m", "minimind_o.ablations", name]
        words += ["--only", self.setting.name, "--seeds", str(self.seed)]
        words += ["--steps", str(self.steps), "--again"]
        if assets is not None:
            words += ["--assets", assets]
        return shlex.join(words)


def runs_of(
    experiment: Experiment,
    seeds: Sequence[int],
    steps: int | None = None,
    only: Sequence[str] = (),
) -> list[Run]:
    """Every setting with every seed; a seed of all settings before the next seed.

    Raises:
        UserError: `only` names a setting that there is not.
    """
    settings = [experiment.setting(name) for name in only] or experiment.settings
    return [
        Run(
            experiment=experiment,
            setting=setting,
            seed=seed,
            steps=steps or experiment.steps,
        )
        for seed in seeds
        for setting in settings
    ]


def pending(runs: Sequence[Run], results: Path) -> list[Run]:
    """The runs that no table has yet."""
    names = {run.experiment.name for run in runs}
    known = {name: finished(read_table(table_path(results, name))) for name in names}
    return [run for run in runs if run.key not in known[run.experiment.name]]


def world_files(experiment: Experiment, bench: Workbench) -> WorldFiles:
    """The experiment's data, written once for all processes and for these assets.

    Raises:
        UserError: an asset that it is made of is missing.
    """
    name = experiment.world_name or experiment.name
    folder = bench.work / "worlds" / f"{name}_{_made_of(bench)}"
    return kept_files(folder, lambda aside: experiment.world(bench, aside))


def kept_files(folder: Path, write: Callable[[Path], None]) -> WorldFiles:
    """The files of a folder, which `write` fills once for all processes."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            with written_aside(folder) as aside:
                write(aside)
    return WorldFiles(
        train=folder / TRAIN,
        validation=folder / VALIDATION,
        questions=folder / QUESTIONS,
    )


def _made_of(bench: Workbench) -> str:
    """Names the codec and the shipped rows: of others, other data is made."""
    digest = hashlib.sha256(codec_name(bench.assets.mimi).encode())
    rows = bench.assets.path("sft_t2a") / TRAIN
    if rows.is_file():
        digest.update(rows.read_bytes())
    return digest.hexdigest()[:12]


def train_run(
    run: Run, bench: Workbench, files: WorldFiles, until: int | None = None
) -> tuple[OmniModel, Measures]:
    """The model of a run and its curves; of its first `until` steps, if that is given.

    Raises:
        UserError: as `minimind_o.ablations.training.train`.
    """
    return train(
        run.experiment, run.setting, run.seed, run.steps, bench, files, until=until
    )


def measure(run: Run, bench: Workbench, assets: str | None) -> dict[str, Any]:
    """Train and measure: the run's row.

    Raises:
        UserError: an asset is missing or damaged, or the training diverges.
    """
    experiment, setting = run.experiment, run.setting
    files = world_files(experiment, bench)
    started, worked = time.monotonic(), _cpu_seconds()
    model, curves = train_run(run, bench, files)
    trained = Trained(
        model=model,
        setting=setting,
        seed=run.seed,
        bench=bench,
        files=files,
        data={**experiment.data, **setting.data},
    )
    measures: Measures = {**curves, **experiment.measure(trained)}
    config, recipe = settings_text(
        experiment, setting, model.config, run.steps, run.seed
    )
    counts = model.num_parameters()
    return {
        "experiment": experiment.name,
        "setting": setting.name,
        "what": setting.what,
        "place": experiment.settings.index(setting),
        "seed": run.seed,
        "steps": run.steps,
        "config": config,
        "recipe": recipe,
        "commit": COMMIT,
        "machine": machine_kind(bench.device),
        "codec": codec_name(bench.assets.mimi),
        "minutes": (time.monotonic() - started) / 60,
        "cpu_minutes": (_cpu_seconds() - worked) / 60,
        "command": run.command(assets),
        "parameters": counts.total,
        "active_parameters": counts.active,
        "talker_parameters": sum(p.numel() for p in model.talker.parameters()),
        "adapter_parameters": spoken_adapters(model),
        **_definition(experiment),
        **measures,
    }


def _definition(experiment: Experiment) -> dict[str, str]:
    """What a row keeps of an experiment from a file: its version and its prediction.

    So a prediction can be shown to have come before the result.
    """
    found = {"definition": experiment.version} if experiment.version else {}
    if experiment.prediction is not None:
        found["prediction"] = str(experiment.prediction)
    return found


def machine_kind(device: torch.device) -> str:
    """The processor or accelerator, and the numbers it multiplied."""
    precision = "bf16" if has_fast_bf16(device) else "fp32"
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, {precision}"
    return f"{describe_machine()}, 1 thread, {precision}"


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def run_all(
    runs: Sequence[Run],
    bench: Workbench,
    results: Path,
    *,
    assets: str | None,
    show: Callable[[str], None],
) -> int:
    """Run what no other process runs, until nothing is left; how many runs that were.

    Raises:
        UserError: as `measure`.
    """
    count = 0
    for run in runs:
        path = table_path(results, run.experiment.name)
        with claimed(bench.work / "claims" / run.experiment.name, run.key) as is_mine:
            if not is_mine or run.key in finished(read_table(path)):
                continue
            row = measure(run, bench, assets)
            add_row(path, row)
            count += 1
            show(
                f"{run.experiment.name} {run.setting.name}, seed {run.seed}: "
                f"{row['minutes']:.1f} minutes; {_summary(row)}"
            )
    return count


def _summary(row: dict[str, Any]) -> str:
    names = ("audio_loss", "text_loss", "cer")
    return ", ".join(f"{n} {row[n]:.3f}" for n in names if row.get(n) is not None)
