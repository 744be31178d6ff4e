"""What a run says of itself: a file of JSON lines, and TensorBoard where asked for."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tensorboardX import SummaryWriter


class Metrics:
    """Writes `metrics.jsonl` in `work`, a line for every log or validation.

    Where stderr is no terminal, which would have a progress bar, a line goes there too.

    Args:
        work: the run's folder.
        stage: names the run in what is printed.
        num_steps: of the run.
        tensorboard: write `work/tensorboard` as well.
    """

    def __init__(
        self, work: Path, stage: str, num_steps: int, *, tensorboard: bool
    ) -> None:
        self.work, self.stage, self.num_steps = work, stage, num_steps
        self.tensorboard = tensorboard
        self._board: SummaryWriter | None = None
        self._resumed_at = 0

    @property
    def path(self) -> Path:
        """The file of JSON lines."""
        return self.work / "metrics.jsonl"

    @property
    def size(self) -> int:
        """Bytes written so far, which a checkpoint remembers."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def resume(self, size: int, step: int) -> None:
        """Forget what was written after a checkpoint: it will be measured again."""
        self._resumed_at = step
        if self.path.is_file():
            with self.path.open("r+") as file:
                file.truncate(min(size, self.size))

    def log(
        self, split: str, step: int, minutes: float, values: dict[str, float]
    ) -> None:
        """Write the values of a step everywhere."""
        row: dict[str, Any] = {"split": split, "step": step}
        row["minutes"] = round(minutes, 3)
        row |= {name: float(f"{value:.9g}") for name, value in values.items()}
        self.work.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        if not sys.stderr.isatty():
            shown = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
            line = f"{self.stage} {split} {step}/{self.num_steps}: {shown}"
            print(line, file=sys.stderr, flush=True)
        if self.tensorboard:
            self._log_to_board(split, step, values)

    def _log_to_board(self, split: str, step: int, values: dict[str, float]) -> None:
        if self._board is None:
            folder = str(self.work / "tensorboard")
            self._board = SummaryWriter(folder, purge_step=self._resumed_at + 1)
        for name, value in values.items():
            self._board.add_scalar(f"{split}/{name}", value, step)
        self._board.flush()
