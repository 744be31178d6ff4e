"""A nano training's checkpoint: it goes on where it stopped, and its minutes add up."""

from pathlib import Path
from typing import Any

import pytest
import torch

from minimind_o.nano.progress import Progress


class Counter:
    """The smallest trainer there is."""

    def __init__(self, index: int = 0) -> None:
        self.index = index

    def state(self) -> dict[str, Any]:
        return {"index": self.index}

    def load_state(self, state: dict[str, Any]) -> None:
        self.index = state["index"]


def test_without_a_checkpoint_a_training_starts_from_nothing(tmp_path: Path) -> None:
    trainer, progress = Counter(), Progress(tmp_path / "work" / "counter.pt")
    progress.resume(trainer)
    assert trainer.index == 0
    assert progress.minutes < 1


def test_a_training_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = tmp_path / "work" / "counter.pt"
    Progress(path).save(Counter(7))
    trainer = Counter()
    Progress(path).resume(trainer)
    assert trainer.index == 7


def test_the_minutes_of_earlier_parts_count(tmp_path: Path) -> None:
    path = tmp_path / "counter.pt"
    torch.save({"index": 3, "minutes": 40.0}, path)
    progress, trainer = Progress(path), Counter()
    progress.resume(trainer)
    assert 40.0 <= progress.minutes < 41.0
    progress.save(trainer)
    saved = torch.load(path, weights_only=True)
    assert saved["minutes"] == pytest.approx(40.0, abs=1.0)
