"""A training that may be interrupted: its checkpoint and its minutes over all parts."""

import time
from pathlib import Path
from typing import Any, Protocol

import torch

from minimind_o.training.checkpoint import save_checkpoint


class Resumable(Protocol):
    """What can be put away and taken up again."""

    def state(self) -> dict[str, Any]:
        """What `load_state` needs to go on."""
        ...

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on where a checkpoint stopped."""
        ...


class Progress:
    """The checkpoint file of one training; the clock runs from here on."""

    def __init__(self, checkpoint: Path) -> None:
        self.checkpoint = checkpoint
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

    @property
    def minutes(self) -> float:
        """Minutes at work, earlier parts included."""
        return self._minutes_before + (time.monotonic() - self._started) / 60
