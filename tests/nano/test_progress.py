"""A nano training's checkpoint: it goes on where it stopped, and its minutes add up."""

import json
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


def test_steps_are_counted_logged_and_saved(tmp_path: Path) -> None:
    path = tmp_path / "work" / "counter.pt"
    trainer, progress = Counter(20), Progress(path)
    saved = []
    for _ in progress.steps(trainer, 110, save_every=40):
        trainer.index += 1
        progress.note({"loss": float(trainer.index)})
        saved.append(path.is_file())
    assert trainer.index == 110
    assert saved.index(True) == 20  # the step after the fortieth
    assert torch.load(path, weights_only=True)["index"] == 110
    rows = [json.loads(line) for line in path.with_suffix(".jsonl").open()]
    assert [row["step"] for row in rows] == [50, 100]
    assert rows[1]["loss"] > rows[0]["loss"] > 21


def test_an_interrupted_loop_goes_on_from_its_last_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "counter.pt"
    trainer, progress = Counter(), Progress(path)
    for _ in progress.steps(trainer, 30, save_every=10):
        trainer.index += 1
        if trainer.index == 25:
            break
    again, progress = Counter(), Progress(path)
    progress.resume(again)
    assert again.index == 20
    for _ in progress.steps(again, 30):
        again.index += 1
    assert again.index == 30


def test_a_running_mean_begins_at_the_first_value(tmp_path: Path) -> None:
    progress = Progress(tmp_path / "counter.pt")
    progress.note({"loss": 4.0})
    progress.note({"loss": 5.0, "other": 1.0})
    assert progress.means == pytest.approx({"loss": 4.02, "other": 1.0})
