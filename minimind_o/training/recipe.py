"""What decides the outcome of a training, in one place."""

from dataclasses import dataclass

from minimind_o.errors import UserError
from minimind_o.training.guidance import GuidedHead

PRECISIONS = ("auto", "bf16", "fp32")
OPTIMISERS = ("adamw", "muon")
PARTS = ("thinker", "talker", "audio_projector", "image_projector")
"""The parts of an `OmniModel`."""
MODES = {
    "t2a": ("thinker", "talker"),
    "talker": ("talker",),
    "audio_proj": ("audio_projector",),
    "vision_proj": ("image_projector",),
    "all": PARTS,
}
"""What learns in each kind of stage; `talker` is ours, the others are as released."""


@dataclass(frozen=True, kw_only=True)
class TrainingRecipe:
    """Everything about the optimisation that decides the outcome.

    stage: names the run; a checkpoint of another stage is refused.
    codebook_weights: weight of each codebook in the audio loss that is minimised, their
        mean 1; empty: all alike, as released. The parts of the loss that are logged are
        never weighted.
    guidance_weight: weight of the guided-attention loss, 0 for none; it fades out
        linearly over the last `guidance_fade` of the run.
    guided_heads: the heads of the Talker that are guided, and to what.
    thinker_rate: the Thinker's learning rate as a share of the rest's.
    learning: the parts of the model that learn; the others stay as they are, and what
        only they would need is not computed.
    accumulate: batches of each process in one step.
    optimiser: `adamw`, or `muon` for the matrices of the blocks and AdamW for the rest.
    recompute: keep less in memory and compute the blocks again for the gradient.
    compile: have torch compile the blocks; the first steps are slow.
    fsdp: cut the model among the processes in place of one whole on each.
    tensorboard: write the metrics for TensorBoard as well.
    patience: end early after so many validations without a better one; 0 for never.
    """

    stage: str
    seed: int = 0
    num_steps: int = 1000
    accumulate: int = 1
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
    learning: tuple[str, ...] = ("thinker", "talker")
    optimiser: str = "adamw"
    precision: str = "auto"
    recompute: bool = False
    compile: bool = False
    fsdp: bool = False
    tensorboard: bool = False
    patience: int = 0
    validate_every: int = 250
    save_every: int = 250
    log_every: int = 25

    @property
    def runs_talker(self) -> bool:
        """Whether there is an audio loss."""
        return "talker" in self.learning

    @property
    def has_text_loss(self) -> bool:
        """Whether a part learns that the text hangs on."""
        return self.learning != ("talker",)

    @property
    def guided_layers(self) -> dict[int, tuple[GuidedHead, ...]]:
        """The guided heads of each layer that has any."""
        layers = sorted({head.layer for head in self.guided_heads})
        return {
            layer: tuple(head for head in self.guided_heads if head.layer == layer)
            for layer in layers
        }

    def __post_init__(self) -> None:
        for name in (
            "num_steps", "accumulate", "validate_every", "save_every", "log_every"
        ):  # fmt: skip
            if getattr(self, name) < 1:
                raise UserError(
                    f"{name} is {getattr(self, name)}; it must be at least 1."
                )
        if self.fsdp and self.optimiser == "muon":
            raise UserError(
                "muon needs a matrix whole, and fsdp cuts it: choose adamw with fsdp."
            )
        if self.patience < 0:
            raise UserError(f"patience is {self.patience}; it must be at least 0.")
        if not self.learning_rate > 0:
            raise UserError(
                f"learning_rate is {self.learning_rate}; it must be above 0."
            )
        if not self.learning:
            raise UserError("learning is empty; name at least one part of the model.")
        for part in self.learning:
            if part not in PARTS:
                raise UserError(
                    f"learning names {part!r}; the parts are {', '.join(PARTS)}."
                )
        for name, known in (("precision", PRECISIONS), ("optimiser", OPTIMISERS)):
            if getattr(self, name) not in known:
                raise UserError(
                    f"{name} is {getattr(self, name)!r}; it must be one of "
                    f"{', '.join(known)}."
                )
