"""One optimiser step, validation, and the loop around them.

Losses divide by the number of labels in the whole step, over all processes, so that the
objective does not hang on how the batch is split. One part does: the experts' balance
loss is a product of two means over a batch, and, as released, each batch has its own.
"""

import itertools
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm.auto import tqdm

from minimind_o.data.prefetch import prefetched
from minimind_o.data.stream import Position
from minimind_o.errors import UserError
from minimind_o.model.blocks import Block
from minimind_o.model.losses import IGNORE
from minimind_o.model.omni import OmniModel, OmniOutput
from minimind_o.training import sharding
from minimind_o.training.checkpoint import load_checkpoint, save_checkpoint
from minimind_o.training.guidance import (
    alignment_accuracy,
    guidance_counts,
    guidance_sums,
)
from minimind_o.training.metrics import Metrics
from minimind_o.training.optimiser import (
    build_optimiser,
    freeze_others,
    learning_rate_at,
    set_learning_rate,
)
from minimind_o.training.processes import Processes, autocast, on_termination
from minimind_o.training.random_states import random_states, set_random_states
from minimind_o.training.recipe import TrainingRecipe

Batch = dict[str, Tensor]
Counts = dict[str, Tensor]
"""Numbers of labels, by what they are labels of."""
MEDIA = (
    "audio_states",
    "audio_lengths",
    "image_states",
    "image_lengths",
    "speaker_embedding",
)
"""What a batch has only where a row of it has."""


@dataclass
class Best:
    """The lowest validation loss so far, and how many validations ago it was."""

    loss: float = float("inf")
    ago: int = 0

    def note(self, loss: float) -> None:
        """Take a validation's loss into account."""
        self.loss, self.ago = (
            (loss, 0) if loss < self.loss else (self.loss, self.ago + 1)
        )


class Batches(Protocol):
    """Where batches come from: endless, and the same every time."""

    def iterate(
        self, positions: Sequence[Position] | None
    ) -> Iterator[tuple[Batch, Position]]:
        """Batches of this process, each with the position after it.

        `positions` are those of all processes of an earlier run; None is the beginning.
        """
        ...

    def where(self, position: Position, num_rows: int) -> str:
        """The rows of the last batch before a position, in words."""
        ...


class Trainer:
    """A model, its optimiser and the run's files in `work`.

    Files: `checkpoint.pt` (resume), the one before it, and those of `Metrics`.

    Args:
        model: on any device; it is moved.
        recipe: how it learns.
        work: the folder.
        processes: this one among the others.
        tokenizer: the digest of the one that made the batches (`Tokenizer.digest`).

    Raises:
        UserError: the checkpoint in `work` cannot be read, or is of another stage,
            model or tokenizer.
    """

    def __init__(
        self,
        model: OmniModel,
        recipe: TrainingRecipe,
        work: Path,
        processes: Processes,
        *,
        tokenizer: str,
    ) -> None:
        self.recipe, self.work, self.processes = recipe, work, processes
        self.tokenizer = tokenizer
        self.model = model.to(processes.device)
        freeze_others(self.model, recipe.learning)
        for module in self.model.modules():
            if isinstance(module, Block):
                module.recomputes = recipe.recompute
                if recipe.compile:
                    module.compile(dynamic=True)
        self.wrapped: nn.Module = self.model
        if processes.world_size > 1 and recipe.fsdp:
            sharding.shard(self.model, processes)
        elif processes.world_size > 1:
            self.wrapped = DistributedDataParallel(self.model, broadcast_buffers=False)
        self.optimiser = build_optimiser(self.model, recipe, processes)
        if sharding.is_sharded(self.model):
            for group in self.optimiser.param_groups:
                group["foreach"] = False  # whole scalars and cut matrices do not mix
        self.metrics = Metrics(
            work, recipe.stage, recipe.num_steps, tensorboard=recipe.tensorboard
        )
        self.step_index, self.minutes, self.positions_seen = 0, 0.0, 0
        self.window: list[dict[str, float]] = []
        self.positions: Sequence[Position] | None = None
        self.position: Position | None = None
        self.best = Best()
        self._stop = False
        self._resume()

    # Loss

    def counts(self, batches: Sequence[Batch]) -> Counts:
        """How many labels of each kind the batches of a step hold, on this process."""
        heads = self.recipe.guided_layers
        text = sum((b["text_labels"] != IGNORE).sum() for b in batches)
        counts = {"text": torch.as_tensor(text)}
        if self.recipe.runs_talker:
            per_codebook = [(b["audio_labels"] != IGNORE).sum((0, 2)) for b in batches]
            counts["audio"] = torch.stack(per_codebook).sum(0)
        if self._guidance_weight() > 0:
            for layer, guided in heads.items():
                each = [guidance_counts(b["alignment"], guided) for b in batches]
                counts[f"guidance_{layer}"] = torch.stack(each).sum(0)
        return {name: count.double() for name, count in counts.items()}

    def _global(self, counts: Counts) -> Counts:
        """The counts of all processes together, at one exchange."""
        flat = torch.cat([count.reshape(-1) for count in counts.values()])
        parts = self.processes.sum(flat).split([c.numel() for c in counts.values()])
        return {
            name: part.view_as(count)
            for (name, count), part in zip(counts.items(), parts, strict=True)
        }

    def forward(
        self, batch: Batch, counts: Counts, share: float = 1.0
    ) -> tuple[Tensor, dict[str, Tensor], OmniOutput]:
        """The loss to differentiate, its parts by name, and the model's output.

        Args:
            batch: of this process.
            counts: labels by which the batch's sums are divided, those of the step.
            share: of the balance loss, which no count divides.
        """
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
        losses = self._means(output, counts)
        losses["balance_loss"] = losses["balance_loss"] * share
        total = losses["balance_loss"]
        if recipe.has_text_loss:
            total = total + recipe.text_weight * losses["text_loss"]
        if recipe.runs_talker:
            total = total + losses.pop("weighted_audio_loss")
        if weight > 0:
            losses["guidance_loss"] = self._guidance(output, batch["alignment"], counts)
            total = total + weight * losses["guidance_loss"]
        return total, losses, output

    def _means(self, output: OmniOutput, counts: Counts) -> dict[str, Tensor]:
        """The batch's sums over the counts of the step."""
        losses: dict[str, Tensor] = {}
        if output.text_loss_sum is not None:
            losses["text_loss"] = output.text_loss_sum / _divisor(counts["text"])
        if output.audio_loss_sum is not None:
            per_codebook = output.audio_loss_sum / _divisor(counts["audio"])
            weights = self.recipe.codebook_weights or (1.0,) * len(per_codebook)
            losses["audio_loss"] = per_codebook.mean()
            losses["codebook_0_loss"] = per_codebook[0]
            losses["weighted_audio_loss"] = (
                per_codebook * per_codebook.new_tensor(weights)
            ).mean()
        assert output.balance_loss is not None
        losses["balance_loss"] = output.balance_loss
        return losses

    def _guidance(
        self, output: OmniOutput, alignment_BT: Tensor, counts: Counts
    ) -> Tensor:
        """As `_means`, then the mean over the heads."""
        means = []
        for layer, heads in self.recipe.guided_layers.items():
            sums = guidance_sums(output.talker_attention[layer], alignment_BT, heads)[0]
            means.append(sums / _divisor(counts[f"guidance_{layer}"]))
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

    def step(self, batches: Sequence[Batch]) -> dict[str, Tensor]:
        """One optimiser update on some batches; the losses, means over all processes.

        Raises:
            UserError: the gradient is no number any more; nothing was updated.
        """
        recipe, world = self.recipe, self.processes.world_size
        rate = learning_rate_at(
            self.step_index, recipe.num_steps, recipe.learning_rate, recipe.warmup_steps
        )
        set_learning_rate(self.optimiser, rate)
        self.optimiser.zero_grad(set_to_none=True)
        counts = self._global(self.counts(batches))
        sums: dict[str, Tensor] = {}
        for number, batch in enumerate(batches, 1):
            with self._exchanging(number == len(batches)):
                total, losses, _ = self.forward(batch, counts, 1 / world / len(batches))
                # Processes' gradients are averaged; these are parts of one sum.
                (total * world).backward()
            losses["loss"] = total
            for name, loss in losses.items():
                sums[name] = sums.get(name, loss.new_zeros(())) + loss.detach()
        sharding.exchange_scalars(self.model, self.processes)
        norm = sharding.clip_gradients(self.model, recipe.clip_norm)
        if not norm.isfinite():
            raise UserError(
                f"the gradient of step {self.step_index + 1} is {float(norm)}"
            )
        self.optimiser.step()
        self.step_index += 1
        means = self.processes.sum(torch.stack(list(sums.values())))
        return dict(zip(sums, means, strict=True))

    def _exchanging(self, is_last: bool) -> AbstractContextManager:
        """Only a step's last batch has the processes exchange their gradients."""
        if is_last or not isinstance(self.wrapped, DistributedDataParallel):
            return nullcontext()  # a sharded model adds up its own share
        return self.wrapped.no_sync()

    @torch.no_grad()
    def validate(self, batches: list[Batch]) -> dict[str, float]:
        """Losses over the validation batches, and how well the guided head aligns."""
        self.model.eval()
        sums: dict[str, float] = {}
        for batch in batches:
            batch = to_device(batch, self.processes.device)
            total, losses, output = self.forward(batch, self.counts([batch]))
            values = {name: float(value) for name, value in losses.items()}
            values["loss"] = float(total)
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
        if not self._has_ended():
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
            disable=not (self.processes.is_main and sys.stderr.isatty()),
        )
        last: dict[str, float] = {}
        validated = -1
        stream = prefetched(train.iterate(self.positions))
        while not (self._has_ended() or self._told_to_stop()):
            drawn = list(itertools.islice(stream, recipe.accumulate))
            batches = [to_device(batch, self.processes.device) for batch, _ in drawn]
            try:
                losses = self.step(batches)
            except UserError as error:
                raise self._lost(error, train, drawn) from None
            self.position = drawn[-1][1]
            self.positions_seen += sum(b["input_ids"][:, 0].numel() for b in batches)
            self.window.append({name: float(value) for name, value in losses.items()})
            bar.update()
            if self.step_index % recipe.log_every == 0:
                means = {
                    name: sum(step[name] for step in self.window) / len(self.window)
                    for name in losses
                }
                self.window = []
                self._log("train", means | {"positions": self.positions_seen})
                bar.set_postfix({k: f"{v:.3f}" for k, v in means.items() if v})
            if self.step_index % recipe.validate_every == 0:
                last, validated = self._validate(validation), self.step_index
            if self.step_index % recipe.save_every == 0:
                self._save(on_save)
        bar.close()
        stream.close()
        return last, validated

    def _lost(
        self,
        error: UserError,
        train: Batches,
        drawn: Sequence[tuple[Batch, Position]],
    ) -> UserError:
        """The error with the rows of the step and what is left of the run."""
        rows = [train.where(position, len(b["input_ids"])) for b, position in drawn]
        everywhere = "; ".join(itertools.chain(*self.processes.gather(rows)))
        return UserError(
            f"{error}: lower the learning rate, or look at {everywhere}. The "
            f"checkpoint in {self.work} is of an earlier step."
        )

    def _has_ended(self) -> bool:
        """Whether all steps are made, or nothing got better for too long."""
        patience = self.recipe.patience
        is_stuck = patience > 0 and self.best.ago >= patience
        return is_stuck or self.step_index >= self.recipe.num_steps

    def _told_to_stop(self) -> bool:
        """Whether any process was: all must leave after the same step."""
        told = torch.tensor(float(self._stop), device=self.processes.device)
        return bool(self.processes.sum(told) > 0)

    def _validate(self, batches: list[Batch]) -> dict[str, float]:
        losses = self.validate(batches)
        self._log("validation", losses)
        self.best.note(losses["loss"])
        return losses

    # Files

    def _elapsed(self) -> float:
        return self.minutes + (time.monotonic() - self._started) / 60

    def _log(self, split: str, values: dict[str, float]) -> None:
        if self.processes.is_main:
            self.metrics.log(split, self.step_index, self._elapsed(), values)

    def _identity(self) -> dict[str, Any]:
        return {
            "stage": self.recipe.stage,
            "config": self.model.config.to_dict(),
            "tokenizer": self.tokenizer,
            "is_sharded": sharding.is_sharded(self.model),
        }

    def save_model(self, directory: Path) -> None:
        """Write the model as it is now, in 16 bits; all processes take part."""
        weights = sharding.weights(self.model)
        if self.processes.is_main:
            whole = OmniModel(self.model.config)
            whole.load_state_dict(weights)
            whole.save(directory, torch.float16)

    def _save(self, on_save: Callable[["Trainer"], None] | None) -> None:
        positions = self.processes.gather(self.position)
        chance = self.processes.gather(random_states())
        weights = sharding.weights(self.model)
        optimiser = sharding.optimiser_states(self.model, self.optimiser)
        if self.processes.is_main:
            state = {
                "identity": self._identity(),
                "recipe": asdict(self.recipe),
                "step": self.step_index,
                "positions_seen": self.positions_seen,
                "window": self.window,
                "minutes": self._elapsed(),
                "model": weights,
                "optimiser": optimiser,
                "positions": positions,
                "random": chance,
                "best": asdict(self.best),
                "metrics_size": self.metrics.size,
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
        sharding.set_weights(self.model, state["model"])
        try:
            sharding.set_optimiser_states(
                self.model, self.optimiser, state["optimiser"]
            )
        except ValueError:
            raise UserError(
                f"the checkpoint {path} trained other parameters of the model: choose "
                "another --work folder."
            ) from None
        self.step_index, self.minutes = state["step"], state["minutes"]
        self.best = Best(**state["best"])
        self.positions_seen, self.window = state["positions_seen"], state["window"]
        rank = self.processes.rank
        if state["positions"][0] is not None:
            self.positions = state["positions"]
            self.position = self.positions[min(rank, len(self.positions) - 1)]
        if rank < len(state["random"]):
            set_random_states(state["random"][rank])
        if self.processes.is_main:
            self.metrics.resume(state["metrics_size"], self.step_index)


def _divisor(count: Tensor) -> Tensor:
    return count.clamp(min=1).float()


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch where the model is."""
    return {name: tensor.to(device) for name, tensor in batch.items()}
