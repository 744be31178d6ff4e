"""Train the nano Mimi on synthetic speech (DESIGN: a recipe that was seen to work).

Loss: L1 of log-mel spectrograms at three resolutions, L1 of the wave, commitment, and a
phoneme classifier on the first codebook. The last one does what WavLM distillation does
in Mimi (arXiv 2410.00037, section 3.3): it makes codebook 0 say *what* is spoken. From
`adversarial_from` on, a small multi-resolution STFT discriminator with feature matching
takes the buzz out.
"""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from moshi.models import loaders
from moshi.models.compression import MimiModel
from torch import Tensor, nn

from minimind_o.frozen.mimi import NANO_MIMI, save_mimi
from minimind_o.nano.codec_losses import Discriminator, LogMel
from minimind_o.nano.progress import Progress
from minimind_o.nano.speech_pool import SpeechPool, build_pool
from minimind_o.training.optimiser import set_learning_rate


@dataclass(frozen=True, kw_only=True)
class MimiRecipe:
    """Everything that decides the outcome.

    steps: optimiser steps; the phases below are shares of them.
    quantise_from: before it, no quantiser; bypass_until: 20 % of the items bypass it.
    """

    seed: int = 0
    hours: float = 1.5
    steps: int = 4000
    batch_size: int = 8
    num_frames: int = 12
    learning_rate: float = 8e-4
    quantise_from: float = 0.08
    adversarial_from: float = 0.6
    bypass_until: float = 0.8
    phoneme_weight: float = 0.5


def initialise(model: MimiModel, generator: torch.Generator) -> None:
    """Convolutions ~ N(0, 1.2/√fan_in), biases 0, the last one small: so it trains."""
    last = None
    for module in model.modules():
        if (
            isinstance(module, nn.Conv1d | nn.ConvTranspose1d)
            and module.kernel_size[0] > 0
        ):
            weight = module.weight
            if isinstance(module, nn.ConvTranspose1d):
                per_group = weight.shape[0] // module.groups
                fan_in = per_group * module.kernel_size[0] / module.stride[0]
            else:
                fan_in = weight.shape[1] * module.kernel_size[0]
            with torch.no_grad():
                weight.normal_(0, 1.2 / math.sqrt(fan_in), generator=generator)
                if module.bias is not None:
                    module.bias.zero_()
    for module in model.decoder.modules():
        if isinstance(module, nn.Conv1d):
            last = module
    assert last is not None
    with torch.no_grad():
        last.weight.mul_(0.1)


class CodecTrainer:
    """The codec, its optimisers and its losses; `step` does one update."""

    def __init__(self, recipe: MimiRecipe, pool: SpeechPool) -> None:
        torch.manual_seed(recipe.seed)
        generator = torch.Generator().manual_seed(recipe.seed)
        self.recipe, self.pool = recipe, pool
        self.rng = np.random.default_rng(recipe.seed + 1)
        self.model = loaders.get_mimi(None, NANO_MIMI, "cpu", 8)
        initialise(self.model, generator)
        self.model.train()
        self.phoneme_head = nn.Linear(128, 2 * len(pool.phonemes))
        self.log_mel, self.discriminator = LogMel(), Discriminator()
        parameters = [*self.model.parameters(), *self.phoneme_head.parameters()]
        self.optimiser = torch.optim.AdamW(
            parameters, recipe.learning_rate, betas=(0.8, 0.99), weight_decay=1e-2
        )
        self.discriminator_optimiser = torch.optim.AdamW(
            self.discriminator.parameters(), 4e-4, betas=(0.5, 0.9)
        )
        self.index = 0

    def forward(self, wave_BN: Tensor, quantise: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstruction (B, N), first-codebook output (B, D, T), commitment loss."""
        model = self.model
        (latent,) = model.encoder_transformer(model.encoder(wave_BN[:, None]))
        latent = model._to_framerate(latent)
        quantizer = model.quantizer
        if quantise:
            first = quantizer.rvq_first(latent, 12.5)
            rest = quantizer.rvq_rest(latent, 12.5)
            semantic, commitment = first.x, (first.penalty + 7 * rest.penalty) / 8
            quantised = first.x + rest.x
        else:
            semantic = quantizer.rvq_first.output_proj(
                quantizer.rvq_first.input_proj(latent)
            )
            rest = quantizer.rvq_rest.output_proj(quantizer.rvq_rest.input_proj(latent))
            quantised, commitment = semantic + rest, latent.new_zeros(())
        (decoded,) = model.decoder_transformer(model._to_encoder_framerate(quantised))
        return model.decoder(decoded)[:, 0, : wave_BN.shape[1]], semantic, commitment

    def step(self) -> dict[str, float]:
        """One update on random crops; the losses by name."""
        recipe, progress = self.recipe, self.index / self.recipe.steps
        self._schedule(progress)
        waves, labels = self.pool.crops(self.rng, recipe.batch_size, recipe.num_frames)
        gain = self.rng.uniform(0.5, 1.0, (recipe.batch_size, 1)).astype(np.float32)
        wave = torch.from_numpy(waves * gain)
        bypass = 0.2 if progress < recipe.bypass_until else 0.0
        for quantizer in (
            self.model.quantizer.rvq_first,
            self.model.quantizer.rvq_rest,
        ):
            quantizer.no_quantization_rate = bypass
        output, semantic, commitment = self.forward(
            wave, progress >= recipe.quantise_from
        )
        losses = self._losses(
            wave, output, semantic, commitment, torch.from_numpy(labels)
        )
        adversarial = progress >= recipe.adversarial_from
        if adversarial:
            losses |= self._adversarial(wave, output)
        total = torch.stack(list(losses.values())).sum()
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 20.0)
        self.optimiser.step()
        # moshi's codebooks replace dead entries with live activations: cut the graph.
        for buffer in self.model.quantizer.buffers():
            buffer.detach_()
        if adversarial:
            losses["discriminator"] = self._update_discriminator(wave, output.detach())
        self.index += 1
        return {name: float(value.detach()) for name, value in losses.items()}

    def _schedule(self, progress: float) -> None:
        warm = min(1.0, (self.index + 1) / 100)
        rate = (
            self.recipe.learning_rate
            * warm
            * (0.04 + 0.96 * 0.5 * (1 + math.cos(math.pi * progress)))
        )
        set_learning_rate(self.optimiser, rate)

    def _losses(
        self,
        wave: Tensor,
        output: Tensor,
        semantic: Tensor,
        commitment: Tensor,
        labels: Tensor,
    ) -> dict[str, Tensor]:
        pairs = zip(self.log_mel(output), self.log_mel(wave), strict=True)
        mel = torch.stack([F.l1_loss(a, b) for a, b in pairs]).sum()
        logits = self.phoneme_head(semantic.transpose(1, 2))
        logits = logits.reshape(-1, len(self.pool.phonemes))
        phoneme = F.cross_entropy(logits, labels.reshape(-1))
        return {
            "mel": mel,
            "wave": 0.5 * F.l1_loss(output, wave),
            "commitment": commitment,
            "phoneme": self.recipe.phoneme_weight * phoneme,
        }

    def _adversarial(self, wave: Tensor, output: Tensor) -> dict[str, Tensor]:
        scores, features = self.discriminator(output)
        with torch.no_grad():
            _, real_features = self.discriminator(wave)
        generator_loss = torch.stack([F.relu(1 - s).mean() for s in scores]).mean()
        pairs = zip(features, real_features, strict=True)
        matching = torch.stack(
            [(a - b).abs().mean() / b.abs().mean() for a, b in pairs]
        ).mean()
        return {"generator": 0.3 * generator_loss, "features": 1.5 * matching}

    def _update_discriminator(self, wave: Tensor, output: Tensor) -> Tensor:
        real, _ = self.discriminator(wave)
        fake, _ = self.discriminator(output)
        pairs = zip(real, fake, strict=True)
        loss = torch.stack(
            [(F.relu(1 - r) + F.relu(1 + f)).mean() for r, f in pairs]
        ).mean()
        self.discriminator_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.discriminator_optimiser.step()
        return loss.detach()

    def state(self) -> dict:
        """What `load_state` needs to go on."""
        return {
            "index": self.index,
            "recipe": asdict(self.recipe),
            "model": self.model.state_dict(),
            "phoneme_head": self.phoneme_head.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "discriminator_optimiser": self.discriminator_optimiser.state_dict(),
            "rng": json.dumps(self.rng.bit_generator.state),
        }

    def load_state(self, state: dict) -> None:
        """Go on where a checkpoint stopped."""
        self.index = state["index"]
        for name in (
            "model",
            "phoneme_head",
            "discriminator",
            "optimiser",
            "discriminator_optimiser",
        ):
            getattr(self, name).load_state_dict(state[name])
        self.rng.bit_generator.state = json.loads(state["rng"])


def train_mimi(recipe: MimiRecipe, work: Path, out: Path) -> dict[str, float]:
    """Train (or resume from `work/mimi.pt`) and write the codec directory `out`.

    Returns the figures of the card.
    """
    trainer = CodecTrainer(recipe, build_pool(recipe.seed, recipe.hours))
    progress = Progress(work / "mimi.pt")
    progress.resume(trainer)
    for _ in progress.steps(trainer, recipe.steps, save_every=400):
        progress.note(trainer.step())
    save_mimi(trainer.model.eval(), NANO_MIMI, out)
    return progress.means | {"minutes": progress.minutes, "steps": recipe.steps}
