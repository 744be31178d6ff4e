"""One optimiser step, validation, and the loop around them.

Losses divide by the number of labels in the whole step, over all processes, so that the
objective does not hang on how the batch is split.
"""

import json
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm.auto import tqdm

from minimind_o.model.omni import OmniModel, OmniOutput
from minimind_o.training.checkpoint import load_checkpoint, save_checkpoint
from minimind_o.training.guidance import alignment_accuracy, guidance_loss
from minimind_o.training.optimiser import (
    build_optimiser,
    learning_rate_at,
    set_learning_rate,
)
from minimind_o.training.processes import Processes, autocast

Batch = dict[str, Tensor]


class Batches(Protocol):
    """Where batches come from: endless, from any batch index on, the same every time."""

    def iterate(self, start: int) -> Iterator[Batch]:
        """Batches `start`, `start + 1`, … of this process."""
        ...


@dataclass(frozen=True, kw_only=True)
class TrainingRecipe:
    """Everything about the optimisation that decides the outcome.

    stage: names the run; a checkpoint of another stage is refused.
    codebook_weights: weight of each codebook in the audio loss that is minimised, their
        mean 1; empty: all alike, as released. What is logged is never weighted.
    guidance_weight: weight of the guided-attention loss, 0 for none; it fades out
        linearly over the last `guidance_fade` of the run.
    guidance_layers, guidance_lags: guided Talker layers; one head per lag in each.
    thinker_only: train the language model alone.
    """

    stage: str
    seed: int = 0
    num_steps: int = 1000
    learning_rate: float = 2e-3
    warmup_steps: int = 100
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    text_weight: float = 1.0
    codebook_weights: tuple[float, ...] = ()
    guidance_weight: float = 0.0
    guidance_fade: float = 0.0
    guidance_layers: tuple[int, ...] = (1, 2)
    guidance_lags: tuple[int, ...] = (0, 2, 4, 6)
    thinker_only: bool = False
    precision: str = "auto"
    validate_every: int = 250
    save_every: int = 250
    log_every: int = 25


class Trainer:
    """A model, its optimiser and the run's files in `work`.

    Files: `checkpoint.pt` (resume), `metrics.jsonl` (one line per log or validation).
    """

    def __init__(
        self, model: OmniModel, recipe: TrainingRecipe, work: Path, processes: Processes
    ) -> None:
        self.recipe, self.work, self.processes = recipe, work, processes
        self.model = model.to(processes.device)
        _freeze_unreachable(self.model, recipe)
        self.wrapped: nn.Module = self.model
        if processes.world_size > 1:
            self.wrapped = DistributedDataParallel(self.model, broadcast_buffers=False)
        self.optimiser = build_optimiser(self.model, recipe.learning_rate, recipe.weight_decay)
        self.step_index, self.minutes = 0, 0.0
        self._stop = False
        self._resume()

    # Loss

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss to differentiate and its parts, by name, of one batch."""
        recipe = self.recipe
        weight = self._guidance_weight()
        with autocast(self.processes.device, recipe.precision):
            output: OmniOutput = self.wrapped(
                batch["input_ids"],
                speaker_embedding=batch.get("speaker_embedding"),
                text_labels=batch["text_labels"],
                audio_labels=None if recipe.thinker_only else batch["audio_labels"],
                capture_attention=recipe.guidance_layers if weight > 0 else None,
                thinker_only=recipe.thinker_only,
            )
        losses = self._global_means(output)
        total = recipe.text_weight * losses["text_loss"] + losses["balance_loss"]
        if not recipe.thinker_only:
            total = total + losses.pop("weighted_audio_loss")
        if weight > 0:
            per_layer = [
                guidance_loss(attention, batch["alignment"], recipe.guidance_lags)
                for attention in output.talker_attention.values()
            ]
            losses["guidance_loss"] = torch.stack(per_layer).mean()
            total = total + weight * losses["guidance_loss"]
        return total, losses

    def _global_means(self, output: OmniOutput) -> dict[str, Tensor]:
        """Sums of this process over counts of all, times their number (DDP averages)."""
        world = self.processes.world_size
        assert output.text_loss_sum is not None and output.text_count is not None
        count = self.processes.sum(output.text_count.detach().clone().float())
        losses = {"text_loss": output.text_loss_sum * world / count.clamp(min=1)}
        if output.audio_loss_sum is not None and output.audio_count is not None:
            counts = self.processes.sum(output.audio_count.detach().clone().float())
            per_codebook = output.audio_loss_sum * world / counts.clamp(min=1)
            weights = self.recipe.codebook_weights or (1.0,) * len(per_codebook)
            losses["audio_loss"] = per_codebook.mean()
            losses["codebook_0_loss"] = per_codebook[0]
            losses["weighted_audio_loss"] = (
                per_codebook * per_codebook.new_tensor(weights)
            ).mean()
        assert output.balance_loss is not None
        losses["balance_loss"] = output.balance_loss
        return losses

    def _guidance_weight(self) -> float:
        recipe = self.recipe
        if recipe.guidance_weight == 0 or recipe.thinker_only:
            return 0.0
        left = 1 - self.step_index / recipe.num_steps
        fade = min(1.0, left / recipe.guidance_fade) if recipe.guidance_fade > 0 else 1.0
        return recipe.guidance_weight * fade

    # Steps

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """One optimiser update."""
        recipe = self.recipe
        rate = learning_rate_at(
            self.step_index, recipe.num_steps, recipe.learning_rate, recipe.warmup_steps
        )
        set_learning_rate(self.optimiser, rate)
        total, losses = self.forward(batch)
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip_norm)
        self.optimiser.step()
        self.step_index += 1
        return {name: value.detach() for name, value in losses.items()}

    @torch.no_grad()
    def validate(self, batches: list[Batch]) -> dict[str, float]:
        """Losses over the validation batches, and how well the guided head aligns."""
        self.model.eval()
        sums: dict[str, float] = {}
        for batch in batches:
            batch = _to(batch, self.processes.device)
            _, losses = self.forward(batch)
            values = {name: float(value) for name, value in losses.items()}
            if self._guidance_weight() > 0:
                layer = self.recipe.guidance_layers[-1]
                output = self.model(batch["input_ids"], capture_attention=(layer,))
                values["alignment"] = alignment_accuracy(
                    output.talker_attention[layer], batch["alignment"]
                )
            for name, value in values.items():
                sums[name] = sums.get(name, 0.0) + value / len(batches)
        self.model.train()
        return sums

    def run(
        self,
        train: Batches,
        validation: list[Batch],
        on_save: Callable[["Trainer"], None] | None = None,
    ) -> dict[str, float]:
        """Train from the last checkpoint to the recipe's last step.

        SIGTERM ends the process after the step at hand, with a checkpoint and code 0.

        Returns:
            The last validation losses and the minutes of training so far.
        """
        recipe, main = self.recipe, self.processes.is_main
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "_stop", True))
        self.model.train()
        self._started = time.monotonic()
        bar = tqdm(
            total=recipe.num_steps, initial=self.step_index, desc=recipe.stage,
            mininterval=5, disable=not main,
        )  # fmt: skip
        sums: dict[str, float] = {}
        last: dict[str, float] = {}
        positions, window = 0, 0
        for batch in train.iterate(self.step_index):
            if self.step_index >= recipe.num_steps or self._stop:
                break
            losses = self.step(_to(batch, self.processes.device))
            positions += batch["input_ids"].shape[0] * batch["input_ids"].shape[-1]
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + float(value)
            window += 1
            bar.update()
            if self.step_index % recipe.log_every == 0:
                means = {name: value / window for name, value in sums.items()}
                self._log("train", means | {"positions": positions})
                bar.set_postfix({k: f"{v:.3f}" for k, v in means.items() if v})
                sums, window = {}, 0
            if self.step_index % recipe.validate_every == 0:
                last = self.validate(validation)
                self._log("validation", last)
            if self.step_index % recipe.save_every == 0:
                self._save(on_save)
        self._save(on_save)
        if self._stop:
            raise SystemExit(0)
        return last | {"minutes": self._elapsed()}

    # Files

    def _elapsed(self) -> float:
        return self.minutes + (time.monotonic() - self._started) / 60

    def _log(self, split: str, values: dict[str, float]) -> None:
        if not self.processes.is_main:
            return
        row: dict[str, Any] = {
            "split": split, "step": self.step_index, "minutes": round(self._elapsed(), 3)
        }  # fmt: skip
        row |= {name: round(value, 5) for name, value in values.items()}
        self.work.mkdir(parents=True, exist_ok=True)
        with (self.work / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")

    def _identity(self) -> dict[str, Any]:
        return {"stage": self.recipe.stage, "config": self.model.config.to_dict()}

    def _save(self, on_save: Callable[["Trainer"], None] | None) -> None:
        if self.processes.is_main:
            state = {
                "identity": self._identity(),
                "recipe": asdict(self.recipe),
                "step": self.step_index,
                "minutes": self._elapsed(),
                "model": self.model.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "random": torch.get_rng_state(),
            }
            save_checkpoint(self.work / "checkpoint.pt", state)
            if on_save is not None:
                on_save(self)
        self.processes.barrier()

    def _resume(self) -> None:
        state = load_checkpoint(self.work / "checkpoint.pt", self._identity())
        if state is None:
            return
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step_index, self.minutes = state["step"], state["minutes"]
        torch.set_rng_state(state["random"])


def _freeze_unreachable(model: OmniModel, recipe: TrainingRecipe) -> None:
    """Parameters no example of the stage can reach get no gradient (DDP insists)."""
    unreachable = [model.audio_projector, model.image_projector]
    if recipe.thinker_only:
        unreachable.append(model.talker)
    for module in unreachable:
        module.requires_grad_(False)


def _to(batch: Batch, device: torch.device) -> Batch:
    return {name: tensor.to(device) for name, tensor in batch.items()}
