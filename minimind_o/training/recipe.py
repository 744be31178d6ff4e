"""What decides the outcome of a training, in one place."""

from dataclasses import dataclass

from minimind_o.errors import UserError
from minimind_o.training.guidance import GuidedHead

PRECISIONS = ("auto", "bf16", "fp32")


@dataclass(frozen=True, kw_only=True)
class TrainingRecipe:
    """Everything about the optimisation that decides the outcome.

    stage: names the run; a checkpoint of another stage is refused.
    codebook_weights: weight of each codebook in the audio loss that is minimised, their
        mean 1; empty: all alike, as released. What is logged is never weighted.
    guidance_weight: weight of the guided-attention loss, 0 for none; it fades out
        linearly over the last `guidance_fade` of the run.
    guided_heads: the heads of the Talker that are guided, and to what.
    thinker_rate: the Thinker's learning rate as a share of the rest's.
    thinker_only: train the language model alone.
    """

    stage: str
    seed: int = 0
    num_steps: int = 1000
    learning_rate: float = 2e-3
    thinker_rate: float = 1.0
    warmup_steps: int = 100
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    text_weight: float = 1.0
    codebook_weights: tuple[float, ...] = ()
    guidance_weight: float = 0.0
    guidance_fade: float = 0.0
    guided_heads: tuple[GuidedHead, ...] = (GuidedHead(layer=1), GuidedHead(layer=2))
    thinker_only: bool = False
    precision: str = "auto"
    validate_every: int = 250
    save_every: int = 250
    log_every: int = 25

    @property
    def guided_layers(self) -> dict[int, tuple[GuidedHead, ...]]:
        """The guided heads of each layer that has any."""
        layers = sorted({head.layer for head in self.guided_heads})
        return {
            layer: tuple(head for head in self.guided_heads if head.layer == layer)
            for layer in layers
        }

    def __post_init__(self) -> None:
        for name in ("num_steps", "validate_every", "save_every", "log_every"):
            if getattr(self, name) < 1:
                raise UserError(
                    f"{name} is {getattr(self, name)}; it must be at least 1."
                )
        if not self.learning_rate > 0:
            raise UserError(
                f"learning_rate is {self.learning_rate}; it must be above 0."
            )
        if self.precision not in PRECISIONS:
            raise UserError(
                f"precision is {self.precision!r}; it must be one of "
                f"{', '.join(PRECISIONS)}."
            )
