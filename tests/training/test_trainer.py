"""The trainer: it learns, it stops when told, and it goes on as if it had not."""

import io
import json
import os
import random
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tensorboardX.proto.event_pb2 import Event

from minimind_o import tokenizer as tokenizers
from minimind_o.assets import Assets
from minimind_o.errors import UserError
from minimind_o.model.export import export
from minimind_o.model.omni import OmniModel
from minimind_o.training.processes import ALONE
from minimind_o.training.random_states import random_states, set_random_states
from minimind_o.training.recipe import TrainingRecipe
from minimind_o.training.stage import (
    StageData,
    StageInputs,
    prepare_stage,
    train_stage,
)
from minimind_o.training.trainer import Trainer
from tests.training.tiny import (
    tiny_config,
    tiny_recipe,
    write_data,
    write_language_model,
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train.parquet, validation.parquet and a language model in `llm`."""
    folder = tmp_path_factory.mktemp("files")
    write_data(folder / "train.parquet", 24)
    write_data(folder / "validation.parquet", 5, seed=100)
    write_language_model(folder / "llm")
    return folder


def train(
    files: Path, work: Path, recipe: TrainingRecipe, **changes: Any
) -> dict[str, float]:
    """Run the text-to-speech stage; the model is left in `work/model`."""
    data = {"max_positions": 200, "max_length": 100, "code_noise": 0.1, "seed": 1}
    options = {"work": work, "out": work / "model", "processes": ALONE}
    fields = ("init", "config", "tokenizer_directory")
    inputs = {name: changes.pop(name) for name in fields if name in changes}
    return train_stage(
        recipe,
        StageData(
            train=[files / "train.parquet"],
            validation=[files / "validation.parquet"],
            **data,
        ),
        replace(from_language_model(files), **inputs),
        **{**options, **changes},
    )


def from_language_model(files: Path) -> StageInputs:
    return StageInputs(tokenizer_directory=Assets.find().tokenizer, init=files / "llm")


def test_pools_are_as_large_as_the_stage_says(files: Path, tmp_path: Path) -> None:
    rows = [files / "train.parquet"]
    recipe = TrainingRecipe(stage="t2a", num_steps=1)
    for pool_rows in (7, 24):
        data = StageData(train=rows, validation=rows, pool_rows=pool_rows)
        inputs = from_language_model(files)
        _, stream = prepare_stage(recipe, data, inputs, tmp_path, ALONE)
        positions = (position for _, position in stream.iterate())
        first = takewhile(lambda p: p["epoch"] == p["pool"] == 0, positions)
        assert len(list(first)[-1]["rows"]) == pool_rows


def metrics(work: Path, split: str = "train") -> list[dict[str, float]]:
    lines = (work / "metrics.jsonl").read_text().splitlines()
    return [row for row in map(json.loads, lines) if row["split"] == split]


def checkpoint(work: Path) -> dict[str, Any]:
    return torch.load(work / "checkpoint.pt", weights_only=True)


def assert_same(one: Any, other: Any) -> None:
    """Equal to the bit, however nested."""
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    else:
        assert one == other


def stop_at(step: int) -> Callable[[Trainer], None]:
    """Send this process SIGTERM when a checkpoint of that step has been written."""

    def on_save(trainer: Trainer) -> None:
        if trainer.step_index == step:
            os.kill(os.getpid(), signal.SIGTERM)

    return on_save


@pytest.fixture
def sigterm_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Have the next training told to stop after a step."""

    def arrange(step: int) -> None:
        original = Trainer.run

        def run(self: Trainer, train: Any, validation: Any, *_: Any) -> dict:
            return original(self, train, validation, stop_at(step))

        monkeypatch.setattr(Trainer, "run", run)

    return arrange


def test_every_loss_falls(files: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(num_steps=60, learning_rate=1e-2, validate_every=30)
    figures = train(files, tmp_path, recipe)
    rows = metrics(tmp_path)
    assert [row["step"] for row in rows] == list(range(1, 61))
    for name in ("text_loss", "audio_loss", "guidance_loss"):
        first = sum(row[name] for row in rows[:5])
        last = sum(row[name] for row in rows[-5:])
        assert last < 0.9 * first, name
    assert [row["step"] for row in metrics(tmp_path, "validation")] == [30, 60]
    assert figures["text_loss"] == pytest.approx(
        metrics(tmp_path, "validation")[-1]["text_loss"], abs=1e-4
    )
    assert OmniModel.from_pretrained(tmp_path / "model").config == tiny_config()


def test_the_figures_are_of_the_last_step(files: Path, tmp_path: Path) -> None:
    train(files, tmp_path, tiny_recipe(num_steps=5, validate_every=4))
    assert [row["step"] for row in metrics(tmp_path, "validation")] == [4, 5]
    # A finished run that is started again has them too.
    figures = train(files, tmp_path, tiny_recipe(num_steps=5, validate_every=4))
    assert {"text_loss", "audio_loss", "alignment", "minutes"} <= figures.keys()


def test_a_stopped_run_goes_on_to_the_bit_as_if_it_had_not_stopped(
    files: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sigterm_at: Callable[[int], None],
) -> None:
    recipe = tiny_recipe(num_steps=15, save_every=4)
    train(files, tmp_path / "whole", recipe)
    sigterm_at(12)  # in the third epoch
    with pytest.raises(SystemExit) as stop:
        train(files, tmp_path / "parts", recipe)
    assert stop.value.code == 0
    assert checkpoint(tmp_path / "parts")["step"] == 12
    assert not (tmp_path / "parts" / "model").exists()
    monkeypatch.undo()
    train(files, tmp_path / "parts", recipe)
    whole, parts = checkpoint(tmp_path / "whole"), checkpoint(tmp_path / "parts")
    for name in ("step", "model", "optimiser", "random"):
        assert_same(whole[name], parts[name])
    losses = [
        [{k: v for k, v in row.items() if "loss" in k} for row in metrics(folder)]
        for folder in (tmp_path / "whole", tmp_path / "parts")
    ]
    assert losses[0] == losses[1]
    weights = "model/model.safetensors"
    one, other = tmp_path / "whole" / weights, tmp_path / "parts" / weights
    assert one.read_bytes() == other.read_bytes()


def test_sigterm_saves_the_step_at_hand_and_then_means_what_it_did_before(
    files: Path, tmp_path: Path, sigterm_at: Callable[[int], None]
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    sigterm_at(3)
    with pytest.raises(SystemExit):
        train(files, tmp_path, tiny_recipe(num_steps=50, save_every=3))
    assert len(metrics(tmp_path)) == checkpoint(tmp_path)["step"] == 3
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_checkpoint_of_another_stage_model_or_tokenizer_is_refused(
    files: Path, tmp_path: Path
) -> None:
    train(files, tmp_path, tiny_recipe(num_steps=1))
    with pytest.raises(UserError, match="stage is 't2a' there and 'sft' here"):
        train(files, tmp_path, tiny_recipe(stage="sft"))
    wider = tiny_config(talker_head_rank=16)
    with pytest.raises(UserError, match=r"talker_head_rank is 8 there and 16 here"):
        train(files, tmp_path, tiny_recipe(), config=wider)
    tokenizer = tmp_path / "tokenizer"
    shutil.copytree(Assets.find().tokenizer, tokenizer)
    settings = tokenizer / "tokenizer_config.json"
    wordier = json.loads(settings.read_text())
    wordier["chat_template"] += "Once more: "
    settings.write_text(json.dumps(wordier))
    before = tokenizers.load(Assets.find().tokenizer).digest
    with pytest.raises(UserError, match=f"tokenizer is '{before}' there and '[0-9a-f]"):
        train(files, tmp_path, tiny_recipe(), tokenizer_directory=tokenizer)


def test_a_run_can_begin_from_a_whole_model(files: Path, tmp_path: Path) -> None:
    train(files, tmp_path / "one", tiny_recipe(num_steps=2))
    model = tmp_path / "one" / "model"
    train(files, tmp_path / "two", tiny_recipe(num_steps=1), init=model)
    first = metrics(tmp_path / "two")[0]["audio_loss"]
    train(files, tmp_path / "three", tiny_recipe(num_steps=1))
    assert first < metrics(tmp_path / "three")[0]["audio_loss"]


def test_a_run_can_begin_from_a_released_state_dict(
    files: Path, tmp_path: Path
) -> None:
    export(files / "llm", tmp_path / "llm_768.pth", "released-pth", dtype="keep")
    train(files, tmp_path / "one", tiny_recipe(num_steps=2))
    init = tmp_path / "llm_768.pth"
    train(files, tmp_path / "two", tiny_recipe(num_steps=2), init=init)
    one, two = (checkpoint(tmp_path / name)["model"] for name in ("one", "two"))
    assert_same(one, two)


def test_codebook_weights_change_what_is_learned_and_not_what_is_logged(
    files: Path, tmp_path: Path
) -> None:
    weights = (7.3, *(0.1,) * 7)
    for name, recipe in (
        ("alike", tiny_recipe(num_steps=20)),
        ("first", tiny_recipe(num_steps=20, codebook_weights=weights)),
    ):
        train(files, tmp_path / name, recipe)
    alike, first = metrics(tmp_path / "alike"), metrics(tmp_path / "first")
    same = set(alike[0]) - {"minutes", "loss"}  # the loss is what is minimised
    assert all(alike[0][name] == first[0][name] for name in same)
    assert alike[0]["loss"] != first[0]["loss"]
    assert first[-1]["codebook_0_loss"] < alike[-1]["codebook_0_loss"]
    assert first[-1]["audio_loss"] > alike[-1]["audio_loss"]


def test_snapshots_are_kept_when_asked_for(files: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(num_steps=4, save_every=2)
    train(files, tmp_path, recipe, snapshot_every=2)
    for step in (2, 4):
        assert (
            OmniModel.from_pretrained(tmp_path / f"step_{step}").config == tiny_config()
        )


def test_training_the_language_model_leaves_the_talker_alone(tmp_path: Path) -> None:
    model = OmniModel(tiny_config())
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    recipe = tiny_recipe(learning=("thinker",))
    trainer = Trainer(model, recipe, tmp_path, ALONE, tokenizer="")
    ids = torch.full((2, 9, 8), 33)
    ids[:, 8] = torch.arange(20, 28)
    losses = trainer.step([{"input_ids": ids, "text_labels": ids[:, 8]}])
    assert set(losses) == {"loss", "text_loss", "balance_loss"}
    changed = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert changed
    assert all(name.startswith("thinker.") for name in changed)


@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
def test_training_the_talker_leaves_the_thinker_alone(
    files: Path, tmp_path: Path, optimiser: str
) -> None:
    recipe = tiny_recipe(num_steps=20, learning=("talker",), optimiser=optimiser)
    train(files, tmp_path, recipe)
    rows = metrics(tmp_path)
    assert all("text_loss" not in row for row in rows)
    assert rows[-1]["audio_loss"] < rows[0]["audio_loss"]
    before = OmniModel.from_pretrained(files / "llm").thinker.state_dict()
    after = OmniModel.from_pretrained(tmp_path / "model").thinker.state_dict()
    for name, value in before.items():
        torch.testing.assert_close(after[name], value.half().float(), msg=name)


def test_a_step_of_several_batches_is_the_step_of_one(
    files: Path, tmp_path: Path
) -> None:
    """Rows of different lengths, and so batches with different numbers of labels."""
    losses, weights = [], []
    for name, positions, accumulate in (("one", 10_000, 1), ("many", 200, 0)):
        recipe = tiny_recipe(num_steps=4, optimiser="adamw")
        data = StageData(
            train=[files / "train.parquet"],
            validation=[files / "validation.parquet"],
            max_positions=positions,
            max_length=100,
            code_noise=0,
            reference_probability=1.0,
        )
        work = tmp_path / name
        if not accumulate:  # as many as make an epoch
            accumulate = batches_in_an_epoch(files, data)
            assert accumulate > 3
        train_stage(
            replace(recipe, accumulate=accumulate),
            data,
            from_language_model(files),
            work=work,
            out=None,
            processes=ALONE,
        )
        losses.append([row["audio_loss"] for row in metrics(work)])
        weights.append(checkpoint(work)["model"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for name, value in weights[0].items():
        torch.testing.assert_close(value, weights[1][name], rtol=1e-4, atol=1e-6)


def batches_in_an_epoch(files: Path, data: StageData) -> int:
    """Counted by a run that stops after the first of the second epoch."""
    recipe = tiny_recipe(num_steps=1)
    trained = []

    def count(number: int) -> int:
        work = files / f"count_{number}"
        train_stage(
            replace(recipe, num_steps=number),
            data,
            from_language_model(files),
            work=work,
            out=None,
            processes=ALONE,
        )
        trained.append(number)
        return checkpoint(work)["positions"][0]["epoch"]

    return next(n for n in range(1, 30) if count(n) == 1) - 1


def test_a_gradient_that_is_no_number_stops_the_run_and_names_the_rows(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny_recipe(num_steps=9, save_every=2)
    original = Trainer.forward

    def forward(self: Trainer, *arguments: Any) -> Any:
        total, losses, output = original(self, *arguments)
        return total * (float("nan") if self.step_index == 3 else 1), losses, output

    monkeypatch.setattr(Trainer, "forward", forward)
    with pytest.raises(
        UserError, match=r"gradient of step 4 is nan.*train\.parquet rows [\d, ]+\. The"
    ):
        train(files, tmp_path, recipe)
    assert checkpoint(tmp_path)["step"] == 2
    monkeypatch.undo()
    train(files, tmp_path, recipe)
    train(files, tmp_path / "whole", recipe)
    assert_same(checkpoint(tmp_path)["model"], checkpoint(tmp_path / "whole")["model"])
    assert [row["step"] for row in metrics(tmp_path)] == list(range(1, 10))


def test_chance_goes_on_where_it_was() -> None:
    def draw() -> list[float]:
        return [
            random.random(),
            float(np.random.rand()),  # noqa: NPY002
            float(torch.rand(())),
        ]

    states = random_states()
    first = draw()
    buffer = io.BytesIO()
    torch.save(states, buffer)
    assert draw() != first
    buffer.seek(0)
    set_random_states(torch.load(buffer, weights_only=True))
    assert draw() == first


def test_blocks_computed_again_learn_the_same(files: Path, tmp_path: Path) -> None:
    for name, recompute in (("kept", False), ("again", True)):
        recipe = tiny_recipe(num_steps=3, recompute=recompute)
        train(files, tmp_path / name, recipe)
    kept, again = (checkpoint(tmp_path / n)["model"] for n in ("kept", "again"))
    for name, value in kept.items():
        torch.testing.assert_close(value, again[name], rtol=1e-5, atol=1e-7)


def test_a_run_that_gets_no_better_ends_early(files: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(
        num_steps=40, learning_rate=1e-12, validate_every=2, patience=3
    )
    figures = train(files, tmp_path, recipe)
    assert checkpoint(tmp_path)["step"] < 20
    assert "text_loss" in figures
    assert OmniModel.from_pretrained(tmp_path / "model").config == tiny_config()
    # Started again, it stays where it is.
    train(files, tmp_path, recipe)
    assert checkpoint(tmp_path)["step"] < 20


def test_what_was_asked_for_lies_beside_the_checkpoint(
    files: Path, tmp_path: Path
) -> None:
    train(files, tmp_path, tiny_recipe(num_steps=1))
    settings = json.loads((tmp_path / "settings.json").read_text())
    assert settings["recipe"]["num_steps"] == 1
    assert settings["data"]["train"] == [str(files / "train.parquet")]
    assert settings["init"] == str(files / "llm")
    assert settings["processes"] == 1


def test_tensorboard_has_what_the_metrics_file_has(files: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(num_steps=4, save_every=2, tensorboard=True)
    train(files, tmp_path, recipe)
    (board,) = (tmp_path / "tensorboard").glob("events.*")
    found = {
        (value.tag, event.step): value.simple_value
        for event in board_events(board)
        for value in event.summary.value
    }
    rows = [(f"train/{name}", row) for row in metrics(tmp_path) for name in row]
    wanted = {
        (tag, int(row["step"])): row[tag[6:]] for tag, row in rows if "loss" in tag
    }
    assert wanted
    assert {key: found[key] for key in wanted} == pytest.approx(wanted, rel=1e-6)


def board_events(path: Path) -> list[Event]:
    """The records of a TensorBoard file: length, its checksum, record, its checksum."""
    data, events = path.read_bytes(), []
    while data:
        size = int.from_bytes(data[:8], "little")
        events.append(Event.FromString(data[12 : 12 + size]))
        data = data[16 + size :]
    return events


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles with g++")
def test_compiling_or_not_is_no_matter_to_a_resumed_run(
    files: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sigterm_at: Callable[[int], None],
) -> None:
    for first in (False, True):
        whole, parts = tmp_path / f"whole_{first}", tmp_path / f"parts_{first}"
        recipe = tiny_recipe(num_steps=6, save_every=3, compile=first)
        train(files, whole, recipe)
        sigterm_at(3)
        with pytest.raises(SystemExit):
            train(files, parts, recipe)
        monkeypatch.undo()
        train(files, parts, replace(recipe, compile=not first))
        for one, other in zip(metrics(whole), metrics(parts), strict=True):
            assert one["loss"] == pytest.approx(other["loss"], rel=1e-5)
        weights = checkpoint(parts)["model"]
        for name, value in checkpoint(whole)["model"].items():
            error = (weights[name] - value).norm() / value.norm().clamp(min=1e-9)
            assert float(error) < 1e-5, name
