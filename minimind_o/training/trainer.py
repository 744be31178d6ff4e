"""One optimiser step, validation, and the loop around them.

Losses divide by the number of labels in the whole step, over all processes, so that the
objective does not hang on how the batch is split.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm.auto import tqdm

from minimind_o.errors import UserError
from minimind_o.model.omni import OmniModel, OmniOutput
from minimind_o.training.checkpoint import load_checkpoint, save_checkpoint
from minimind_o.training.guidance import alignment_accuracy, guidance_sums
from minimind_o.training.optimiser import (
    build_optimiser,
    freeze_others,
    learning_rate_at,
    set_learning_rate,
)
from minimind_o.training.processes import Processes, autocast, on_termination
from minimind_o.training.recipe import TrainingRecipe

Batch = dict[str, Tensor]
MEDIA = (
    "audio_states",
    "audio_lengths",
    "image_states",
    "image_lengths",
    "speaker_embedding",
)
"""What a batch has only where a row of it has."""


class Batches(Protocol):
    """Where batches come from: endless, the same every time, from any index on."""

    def iterate(self, start: int) -> Iterator[Batch]:
        """Batches `start`, `start + 1`, … of this process."""
        ...


class Trainer:
    """A model, its optimiser and the run's files in `work`.

    Files: `checkpoint.pt` (resume), `metrics.jsonl` (one line per log or validation).
    """

    def __init__(
        self, model: OmniModel, recipe: TrainingRecipe, work: Path, processes: Processes
    ) -> None:
        self.recipe, self.work, self.processes = recipe, work, processes
        self.model = model.to(processes.device)
        freeze_others(self.model, recipe.learning)
        self.wrapped: nn.Module = self.model
        if processes.world_size > 1:
            self.wrapped = DistributedDataParallel(self.model, broadcast_buffers=False)
        self.optimiser = build_optimiser(self.model, recipe)
        self.step_index, self.minutes = 0, 0.0
        self._stop = False
        self._resume()

    # Loss

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor], OmniOutput]:
        """The loss to differentiate, its parts by name, and the model's output."""
        recipe = self.recipe
        weight = self._guidance_weight()
        with autocast(self.processes.device, recipe.precision):
            output: OmniOutput = self.wrapped(
                batch["input_ids"],
                **{name: batch.get(name) for name in MEDIA},
                text_labels=batch["text_labels"] if recipe.has_text_loss else None,
                audio_labels=batch["audio_labels"] if recipe.runs_talker else None,
                capture_attention=tuple(recipe.guided_layers) if weight > 0 else None,
                thinker_only=not recipe.runs_talker,
            )
        losses = self._global_means(output)
        total = losses["balance_loss"]
        if recipe.has_text_loss:
            total = total + recipe.text_weight * losses["text_loss"]
        if recipe.runs_talker:
            total = total + losses.pop("weighted_audio_loss")
        if weight > 0:
            losses["guidance_loss"] = self._guidance_mean(output, batch["alignment"])
            total = total + weight * losses["guidance_loss"]
        return total, losses, output

    def _global_means(self, output: OmniOutput) -> dict[str, Tensor]:
        """Sums of this process over counts of all, times their number.

        The gradients, which DDP averages, are then those of the global mean.
        """
        world = self.processes.world_size
        losses: dict[str, Tensor] = {}
        if output.text_loss_sum is not None and output.text_count is not None:
            count = self.processes.sum(output.text_count.detach().clone().float())
            losses["text_loss"] = output.text_loss_sum * world / count.clamp(min=1)
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

    def _guidance_mean(self, output: OmniOutput, alignment_BT: Tensor) -> Tensor:
        """As `_global_means`: over all processes' positions, then over the heads."""
        world, means = self.processes.world_size, []
        for layer, heads in self.recipe.guided_layers.items():
            attention_BHTT = output.talker_attention[layer]
            sums, counts = guidance_sums(attention_BHTT, alignment_BT, heads)
            total = self.processes.sum(counts.float()).clamp(min=1)
            means.append(sums * world / total)
        return torch.cat(means).mean()

    def _guidance_weight(self) -> float:
        recipe = self.recipe
        if recipe.guidance_weight == 0 or not recipe.runs_talker:
            return 0.0
        left = 1 - self.step_index / recipe.num_steps
        fade = (
            min(1.0, left / recipe.guidance_fade) if recipe.guidance_fade > 0 else 1.0
        )
        return recipe.guidance_weight * fade

    # Steps

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """One optimiser update; the losses, means over all processes."""
        recipe = self.recipe
        rate = learning_rate_at(
            self.step_index, recipe.num_steps, recipe.learning_rate, recipe.warmup_steps
        )
        set_learning_rate(self.optimiser, rate)
        total, losses, _ = self.forward(batch)
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip_norm)
        self.optimiser.step()
        self.step_index += 1
        means = self.processes.mean(torch.stack(list(losses.values())).detach())
        return dict(zip(losses, means, strict=True))

    @torch.no_grad()
    def validate(self, batches: list[Batch]) -> dict[str, float]:
        """Losses over the validation batches, and how well the guided head aligns."""
        self.model.eval()
        sums: dict[str, float] = {}
        for batch in batches:
            batch = _to(batch, self.processes.device)
            _, losses, output = self.forward(batch)
            values = {name: float(value) for name, value in losses.items()}
            if self._guidance_weight() > 0:
                layer = max(self.recipe.guided_layers)
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
        self.model.train()
        self._started = time.monotonic()
        with on_termination(lambda: setattr(self, "_stop", True)):
            last, validated = self._steps(train, validation, on_save)
            self._save(on_save)
        if self.step_index < self.recipe.num_steps:
            raise SystemExit(0)
        if validated < self.step_index:
            last = self._validate(validation)
        return last | {"minutes": self._elapsed()}

    def _steps(
        self,
        train: Batches,
        validation: list[Batch],
        on_save: Callable[["Trainer"], None] | None,
    ) -> tuple[dict[str, float], int]:
        """Steps to the last, or until told to stop; the last validation, its step."""
        recipe = self.recipe
        bar = tqdm(
            total=recipe.num_steps,
            initial=self.step_index,
            desc=recipe.stage,
            mininterval=5,
            disable=not self.processes.is_main,
        )
        sums: dict[str, float] = {}
        last: dict[str, float] = {}
        positions, window, validated = 0, 0, -1
        for batch in train.iterate(self.step_index):
            if self.step_index >= recipe.num_steps or self._told_to_stop():
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
                last, validated = self._validate(validation), self.step_index
            if self.step_index % recipe.save_every == 0:
                self._save(on_save)
        bar.close()
        return last, validated

    def _told_to_stop(self) -> bool:
        """Whether any process was: all must leave after the same step."""
        told = torch.tensor(float(self._stop), device=self.processes.device)
        return bool(self.processes.sum(told) > 0)

    def _validate(self, batches: list[Batch]) -> dict[str, float]:
        losses = self.validate(batches)
        self._log("validation", losses)
        return losses

    # Files

    def _elapsed(self) -> float:
        return self.minutes + (time.monotonic() - self._started) / 60

    def _log(self, split: str, values: dict[str, float]) -> None:
        if not self.processes.is_main:
            return
        row: dict[str, Any] = {
            "split": split,
            "step": self.step_index,
            "minutes": round(self._elapsed(), 3),
        }
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
        path = self.work / "checkpoint.pt"
        state = load_checkpoint(path, self._identity())
        if state is None:
            return
        self.model.load_state_dict(state["model"])
        try:
            self.optimiser.load_state_dict(state["optimiser"])
        except ValueError:
            raise UserError(
                f"the checkpoint {path} trained other parameters of the model: choose "
                "another --work folder."
            ) from None
        self.step_index, self.minutes = state["step"], state["minutes"]
        torch.set_rng_state(state["random"])


def _to(batch: Batch, device: torch.device) -> Batch:
    return {name: tensor.to(device) for name, tensor in batch.items()}
