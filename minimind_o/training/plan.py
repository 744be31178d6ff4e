"""What a training will be, before it is started: a few steps, measured, and no file."""

import itertools
import resource
import sys
import time
from dataclasses import dataclass

import torch

from minimind_o.data.stream import ExampleStream
from minimind_o.terminal_table import terminal_table
from minimind_o.training.trainer import Trainer, to_device

NUM_PROBES = 5


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What was found out about a training.

    positions: of a step, padding included, over all processes.
    rows: of a step, likewise.
    seconds: of a step, the first not counted.
    memory: most bytes a process has had.
    """

    stage: str
    steps: int
    processes: int
    learning: int
    parameters: int
    files: int
    all_rows: int
    rows: float
    positions: float
    seconds: float
    memory: int

    @property
    def epochs(self) -> float:
        """How often every row comes."""
        return self.steps * self.rows / self.all_rows

    @property
    def hours(self) -> float:
        """Of all steps, validations and checkpoints not counted."""
        return self.steps * self.seconds / 3600

    def table(self) -> str:
        """For reading."""
        rows = [
            ("stage", self.stage),
            ("processes", str(self.processes)),
            ("parameters that learn", f"{self.learning:,} of {self.parameters:,}"),
            ("files, rows", f"{self.files:,}, {self.all_rows:,}"),
            ("steps", f"{self.steps:,}"),
            ("rows in a step", f"{self.rows:,.1f}"),
            ("positions in a step", f"{self.positions:,.0f}"),
            ("positions in all", f"{self.steps * self.positions:,.0f}"),
            ("epochs", f"{self.epochs:.2f}"),
            ("memory of a process", f"{self.memory / 2**30:.2f} GiB"),
            ("a step", f"{self.seconds:.3f} s"),
            ("all steps", f"{self.hours:.2f} h"),
        ]
        return terminal_table(("plan", ""), rows, max_width=40)


def make_plan(trainer: Trainer, train: ExampleStream) -> Plan:
    """Make a few steps of a training; it is not to be gone on with afterwards."""
    recipe, processes = trainer.recipe, trainer.processes
    trainer.model.train()
    stream = train.iterate()
    rows = positions = 0
    started = time.monotonic()
    for probe in range(NUM_PROBES + 1):
        drawn = list(itertools.islice(stream, recipe.accumulate))
        batches = [to_device(batch, processes.device) for batch, _ in drawn]
        trainer.step(batches)
        if probe == 0:  # whatever is only done once
            started = time.monotonic()
            continue
        rows += sum(len(batch["input_ids"]) for batch in batches)
        positions += sum(batch["input_ids"][:, 0].numel() for batch in batches)
    seconds = (time.monotonic() - started) / NUM_PROBES
    totals = processes.sum(
        torch.tensor([rows, positions], dtype=torch.float64, device=processes.device)
    )
    parameters = list(trainer.model.parameters())
    return Plan(
        stage=recipe.stage,
        steps=recipe.num_steps,
        processes=processes.world_size,
        learning=sum(p.numel() for p in parameters if p.requires_grad),
        parameters=sum(p.numel() for p in parameters),
        files=len(train.groups.files),
        all_rows=train.groups.num_rows,
        rows=float(totals[0]) / NUM_PROBES,
        positions=float(totals[1]) / NUM_PROBES,
        seconds=seconds,
        memory=_most_memory(processes.device),
    )


def _most_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
