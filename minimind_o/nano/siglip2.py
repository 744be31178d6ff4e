"""Train the nano SigLIP2: pictures and what can be said of them find each other.

transformers' own two towers, with the sigmoid loss of Zhai et al. 2023
(arXiv 2303.15343): every pair of a picture and a text in the batch is a question of yes
or no. Only the vision tower is kept.

The texts are short, a word or two ("tree", "red tree", "three tree"), because a text
that names every attribute can be told from the others by the easiest of them, and the
harder ones are then never learnt (LOG.md). And a batch asks all texts that are true of
any of its pictures: what costs is the pictures, so every one is asked everything.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import SiglipConfig, SiglipModel, SiglipVisionModel

from minimind_o import tokenizer as tokenizers
from minimind_o.frozen.siglip2 import NANO_SIGLIP2, load_siglip2, save_siglip2
from minimind_o.nano.captioned import Captioned, draw_captioned
from minimind_o.nano.picture_probes import probe
from minimind_o.nano.progress import Progress
from minimind_o.training.optimiser import (
    is_block_matrix,
    learning_rate_at,
    muon_and_adamw,
    set_learning_rate,
)
from minimind_o.training.processes import autocast


@dataclass(frozen=True, kw_only=True)
class Siglip2Recipe:
    """Everything that decides the outcome."""

    seed: int = 0
    pictures: int = 60_000
    steps: int = 4500
    batch_size: int = 128
    learning_rate: float = 1.5e-3
    warmup_steps: int = 100
    text_layers: int = 2


def sigmoid_loss(logits_BT: Tensor, true_BT: Tensor) -> Tensor:
    """Per picture, the sum over all texts of -log σ(±logit); mean of these.

    Args:
        logits_BT: picture (row) against text (column).
        true_BT: whether the text is true of the picture.
    """
    signs = torch.where(true_BT, 1.0, -1.0)
    return -F.logsigmoid(signs * logits_BT).sum(dim=1).mean()


class ContrastiveTrainer:
    """Both towers, the optimiser, and one step."""

    def __init__(
        self, recipe: Siglip2Recipe, tokenizer: tokenizers.Tokenizer, data: Captioned
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.data = recipe, data
        self.ids_TL = encode_texts(data.texts, tokenizer)
        self.model = SiglipModel(towers(recipe, tokenizer, self.ids_TL.shape[1]))
        groups: dict[bool, list[torch.nn.Parameter]] = {True: [], False: []}
        for name, parameter in self.model.named_parameters():
            groups[is_block_matrix(name, parameter)].append(parameter)
        matrices, others = (
            [{"params": groups[chosen], "weight_decay": 0.02}]
            for chosen in (True, False)
        )
        self.optimiser = muon_and_adamw(matrices, others, recipe.learning_rate)
        self.index = 0

    def step(self) -> dict[str, float]:
        """One update: random pictures, and every text that is true of any of them."""
        recipe = self.recipe
        rng = np.random.default_rng([recipe.seed, self.index])
        rows = rng.choice(len(self.data.pixels), recipe.batch_size, replace=False)
        true_BT = self.data.true_NT[rows]
        asked = true_BT.any(axis=0)
        ids_TL = self.ids_TL[asked]
        set_learning_rate(
            self.optimiser,
            learning_rate_at(
                self.index, recipe.steps, recipe.learning_rate, recipe.warmup_steps
            ),
        )
        with autocast(torch.device("cpu"), "auto"):
            output = self.model(
                input_ids=ids_TL,
                attention_mask=(ids_TL != 0).long(),
                pixel_values=to_pixels(self.data.pixels[rows]),
            )
        loss = sigmoid_loss(
            output.logits_per_image.float(), torch.from_numpy(true_BT[:, asked])
        )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.index += 1
        return {"loss": float(loss.detach())}

    def state(self) -> dict:
        """What `load_state` needs to go on."""
        return {
            "index": self.index,
            "recipe": asdict(self.recipe),
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def load_state(self, state: dict) -> None:
        """Go on where a checkpoint stopped."""
        self.index = state["index"]
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])


def towers(
    recipe: Siglip2Recipe, tokenizer: tokenizers.Tokenizer, length: int
) -> SiglipConfig:
    """The vision tower that is kept, and a text tower as wide that is not."""
    text = {
        "vocab_size": tokenizer.vocab_size,
        "hidden_size": NANO_SIGLIP2["hidden_size"],
        "intermediate_size": NANO_SIGLIP2["intermediate_size"],
        "num_hidden_layers": recipe.text_layers,
        "num_attention_heads": NANO_SIGLIP2["num_attention_heads"],
        "max_position_embeddings": length,
        "projection_size": NANO_SIGLIP2["hidden_size"],
    }
    return SiglipConfig(text_config=text, vision_config=NANO_SIGLIP2)


def encode_texts(texts: Sequence[str], tokenizer: tokenizers.Tokenizer) -> Tensor:
    """Ids (T, L), padded on the left: the text tower reads its last position."""
    rows = [tokenizer.encode(text) for text in texts]
    length = max(map(len, rows))
    return torch.tensor([[0] * (length - len(row)) + row for row in rows])


def to_pixels(pictures: np.ndarray) -> Tensor:
    """(B, H, W, 3) uint8 to (B, 3, H, W) in [-1, 1], as the image processor does."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


def train_siglip2(
    recipe: Siglip2Recipe, tokenizer_directory: Path, work: Path, out: Path
) -> dict[str, float]:
    """Train (or resume from `work/siglip2.pt`) and write the directory `out`.

    Returns the figures of the card: the last loss and the probes' shares of right
    answers on held-out combinations.
    """
    tokenizer = tokenizers.load(tokenizer_directory)
    data = draw_captioned(recipe.seed, recipe.pictures, held_out=False)
    trainer = ContrastiveTrainer(recipe, tokenizer, data)
    progress = Progress(work / "siglip2.pt")
    progress.resume(trainer)
    for _ in progress.steps(trainer, recipe.steps, save_every=500):
        progress.note(trainer.step())
    save_siglip2(_vision_tower(trainer.model), out)
    ran = {"minutes": progress.minutes, "steps": float(recipe.steps)}
    return progress.means | ran | probe(load_siglip2(out), data, recipe.seed)


def _vision_tower(model: SiglipModel) -> SiglipVisionModel:
    vision = SiglipVisionModel(model.config.vision_config)
    vision.vision_model.load_state_dict(model.vision_model.state_dict())
    return vision.eval()
