"""Checkpoints: whole or absent, and never another run's."""

from pathlib import Path

import pytest
import torch

from minimind_o.errors import UserError
from minimind_o.training.checkpoint import load_checkpoint, save_checkpoint

IDENTITY = {"stage": "t2a", "config": {"hidden_size": 32, "use_moe": False}}


def state(step: int) -> dict:
    return {"identity": IDENTITY, "step": step, "weights": torch.arange(1000.0)}


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "work" / "checkpoint.pt"
    assert load_checkpoint(path, IDENTITY) is None
    save_checkpoint(path, state(3))
    save_checkpoint(path, state(4))
    loaded = load_checkpoint(path, IDENTITY)
    assert loaded is not None
    assert loaded["step"] == 4
    assert torch.equal(loaded["weights"], torch.arange(1000.0))
    assert {file.name for file in path.parent.iterdir()} == {
        "checkpoint.pt", "checkpoint.previous.pt"
    }  # fmt: skip


def test_a_torn_file_gives_way_to_the_one_before_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "checkpoint.pt"
    for step in (3, 4, 5):
        save_checkpoint(path, state(step))
    path.write_bytes(path.read_bytes()[:100])
    loaded = load_checkpoint(path, IDENTITY)
    assert loaded is not None
    assert loaded["step"] == 4
    assert "Going on from the one before it" in caplog.text


def test_an_interrupted_save_leaves_the_older_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, state(3))

    def torn(_: object, file) -> None:  # type: ignore[no-untyped-def]
        file.write(b"half a checkpoint")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", torn)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(path, state(4))
    loaded = load_checkpoint(path, IDENTITY)
    assert loaded is not None
    assert loaded["step"] == 3


@pytest.mark.parametrize("size", [0, 100, -50])
def test_a_torn_file_is_named(tmp_path: Path, size: int) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, state(3))
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(UserError, match=r"checkpoint\.pt cannot be read") as error:
        load_checkpoint(path, IDENTITY)
    assert "\n" not in str(error.value)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save({"weights": torch.zeros(3)}, path)
    with pytest.raises(UserError, match="was not written by this program"):
        load_checkpoint(path, IDENTITY)


@pytest.mark.parametrize(
    ("identity", "difference"),
    [
        ({**IDENTITY, "stage": "llm"}, "stage is 't2a' there and 'llm' here"),
        (
            {**IDENTITY, "config": {"hidden_size": 64, "use_moe": False}},
            r"config\.hidden_size is 32 there and 64 here",
        ),
        ({**IDENTITY, "data": "b"}, "data is None there and 'b' here"),
    ],
)
def test_another_runs_checkpoint_is_refused_with_the_difference(
    tmp_path: Path, identity: dict, difference: str
) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, state(3))
    with pytest.raises(UserError, match=rf"belongs to another run \({difference}\)"):
        load_checkpoint(path, identity)
    assert load_checkpoint(path, IDENTITY) is not None
