"""A training that may be interrupted: its loop, its checkpoint and its minutes."""

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from tqdm.auto import tqdm

from minimind_o.training.checkpoint import save_checkpoint

LOG_EVERY = 50  # steps


class Resumable(Protocol):
    """What can be put away and taken up again."""

    index: int
    """Steps made so far."""

    def state(self) -> dict[str, Any]:
        """What `load_state` needs to go on."""
        ...

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on where a checkpoint stopped."""
        ...


class Progress:
    """The checkpoint file of one training; the clock runs from here on.

    `means`: running means of what was noted, by name.
    """

    def __init__(self, checkpoint: Path) -> None:
        self.checkpoint = checkpoint
        self.means: dict[str, float] = {}
        self._minutes_before = 0.0
        self._started = time.monotonic()

    def resume(self, trainer: Resumable) -> None:
        """Bring the trainer to where the checkpoint stopped, where there is one."""
        if self.checkpoint.is_file():
            state = torch.load(self.checkpoint, weights_only=True)
            trainer.load_state(state)
            self._minutes_before = state["minutes"]

    def save(self, trainer: Resumable) -> None:
        """Replace the checkpoint, whole or not at all."""
        save_checkpoint(self.checkpoint, trainer.state() | {"minutes": self.minutes})

    def note(self, losses: Mapping[str, float]) -> None:
        """Take a step's losses into the running means."""
        for name, value in losses.items():
            self.means[name] = 0.98 * self.means.get(name, value) + 0.02 * value

    def steps(
        self, trainer: Resumable, num_steps: int, save_every: int = 250
    ) -> Iterator[None]:
        """One turn of the caller's loop for every step that is left.

        The caller makes the step and notes its losses; here they are shown, written
        beside the checkpoint (`.jsonl`), and the trainer is saved now and at the end.
        """
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        name = self.checkpoint.stem
        bar = tqdm(total=num_steps, initial=trainer.index, desc=name, mininterval=5)
        with self.checkpoint.with_suffix(".jsonl").open("a") as log:
            while trainer.index < num_steps:
                yield
                bar.update()
                if trainer.index % LOG_EVERY == 0:
                    row = {"step": trainer.index, "minutes": round(self.minutes, 2)}
                    row |= {key: round(mean, 4) for key, mean in self.means.items()}
                    log.write(json.dumps(row) + "\n")
                    log.flush()
                    bar.set_postfix({k: f"{m:.3f}" for k, m in self.means.items()})
                if trainer.index % save_every == 0:
                    self.save(trainer)
        bar.close()
        self.save(trainer)

    @property
    def minutes(self) -> float:
        """Minutes at work, earlier parts included."""
        return self._minutes_before + (time.monotonic() - self._started) / 60
