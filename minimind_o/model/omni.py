"""Thinker, bridge and Talker as one model over nine streams.

What deviates from the textbook, and why: heads run only at labelled positions in
training and only at the last position in decoding; the Thinker's layers above the
bridge, which serve the text alone, stop where the text stops.

Shapes: B batch, S = 9 streams (8 codebooks, then text), Q = 8 codebooks, T position,
D width, V vocabulary, L encoder frame.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from minimind_o.config import OmniConfig
from minimind_o.errors import UserError
from minimind_o.model import files, names
from minimind_o.model.blocks import Experts, RotaryEmbedding, balance_loss
from minimind_o.model.cache import KVCache, OmniCache
from minimind_o.model.checkpoints import read_checkpoint
from minimind_o.model.initialise import init_weights, warm_start_talker
from minimind_o.model.losses import IGNORE, audio_loss, text_loss
from minimind_o.model.projectors import Projector, scatter_states
from minimind_o.model.talker import CodeEmbedding, Talker
from minimind_o.model.thinker import Thinker


@dataclass(kw_only=True)
class OmniOutput:
    """What a forward pass gives; what was not asked for is None."""

    text_logits: Tensor | None = None
    """(B, T, V); only without labels."""
    audio_logits: Tensor | None = None
    """(B, Q, T, V); only without labels."""
    text_loss: Tensor | None = None
    """Mean text cross-entropy of this batch."""
    audio_loss: Tensor | None = None
    """Mean over the codebooks of their mean cross-entropies in this batch."""
    balance_loss: Tensor | None = None
    """The experts' balance loss, weighted; 0 in the dense model."""
    text_loss_sum: Tensor | None = None
    """Sum behind `text_loss`."""
    text_count: Tensor | None = None
    """Number of text labels."""
    audio_loss_sum: Tensor | None = None
    """(Q,) sums behind `audio_loss`, a stop target weighing more."""
    audio_count: Tensor | None = None
    """(Q,) numbers of labels."""
    talker_attention: dict[int, Tensor] = field(default_factory=dict)
    """Talker layer -> probabilities (B, heads, T, T) in float32."""


class ParameterCounts(NamedTuple):
    """How large a model is."""

    total: int
    active: int
    """Without the experts that a position is not sent to."""


class OmniModel(nn.Module):
    """The model of one `OmniConfig`, with random weights unless loaded."""

    def __init__(self, config: OmniConfig) -> None:
        super().__init__()
        self.config = config
        self.thinker = Thinker(config)
        self.talker = Talker(config)
        self.audio_projector = Projector(config.audio_hidden_size, config.hidden_size)
        self.image_projector = Projector(config.image_hidden_size, config.hidden_size)
        self.init_weights()

    def init_weights(self, generator: torch.Generator | None = None) -> None:
        """Draw every weight matrix anew (`minimind_o.model.initialise`)."""
        init_weights(self, generator)

    def forward(
        self,
        input_ids_BST: Tensor,
        *,
        audio_states: Tensor | None = None,
        audio_lengths: Tensor | None = None,
        image_states: Tensor | None = None,
        image_lengths: Tensor | None = None,
        speaker_embedding: Tensor | None = None,
        text_labels: Tensor | None = None,
        audio_labels: Tensor | None = None,
        capture_attention: tuple[int, ...] | None = None,
        thinker_only: bool = False,
    ) -> OmniOutput:
        """Losses where labels are given, all logits where none are.

        Args:
            input_ids_BST: (B, 9, T) ids, text last.
            audio_states: (B, L, E) states of the speech encoder.
            audio_lengths: (B,) how many of the L are real; None: all, in every row
                that has placeholders.
            image_states: (B, L, E) states of the vision encoder.
            image_lengths: likewise.
            speaker_embedding: (B, 192), put where the streams hold the speaker code.
            text_labels: (B, T), -100 where there is none; the label at p is the input
                at p + 1.
            audio_labels: (B, 8, T), likewise.
            capture_attention: Talker layers whose attention is wanted.
            thinker_only: run the language model alone; (B, 1, T) ids are enough then.

        Raises:
            UserError: placeholders and encoder states differ in number (names the
                row), the sequence is too long, or a captured layer does not exist.
        """
        num_text_positions = self._num_text_positions(text_labels, audio_labels)
        if thinker_only and num_text_positions is not None:
            input_ids_BST = input_ids_BST[..., :num_text_positions]
        self._check_length(input_ids_BST.shape[-1])
        embedded_BTD = self.embed(
            input_ids_BST[:, -1],
            audio_states,
            audio_lengths,
            image_states,
            image_lengths,
        )
        bridge_BTD, states_BTD = self.thinker(
            embedded_BTD,
            num_text_positions=num_text_positions,
        )
        output = OmniOutput()
        has_labels = text_labels is not None or audio_labels is not None
        if text_labels is not None:
            num_positions = states_BTD.shape[1]
            total, count = text_loss(
                self.thinker, states_BTD, text_labels[:, :num_positions]
            )
            output.text_loss_sum, output.text_count = total, count
            output.text_loss = total / count.clamp(min=1)
        elif not has_labels:
            output.text_logits = self.thinker.text_logits(states_BTD)
        if not thinker_only:
            capture = self._capture(capture_attention)
            talker_BTD = self.talker(
                input_ids_BST[:, :-1],
                bridge_BTD,
                speaker_embedding=speaker_embedding,
                capture=capture,
            )
            output.talker_attention = capture
            if audio_labels is not None:
                totals, counts = audio_loss(
                    self.talker.code_heads, talker_BTD, audio_labels, self.config
                )
                output.audio_loss_sum, output.audio_count = totals, counts
                output.audio_loss = (totals / counts.clamp(min=1)).mean()
            elif not has_labels:
                output.audio_logits = self._all_audio_logits(talker_BTD)
        output.balance_loss = self._balance_loss(embedded_BTD, thinker_only)
        return output

    def num_parameters(self) -> ParameterCounts:
        """All parameters, and those that work on one position."""
        total = sum(parameter.numel() for parameter in self.parameters())
        idle = 0
        for module in self.modules():
            if isinstance(module, Experts):
                size = sum(p.numel() for p in module.experts[0].parameters())
                idle += size * (len(module.experts) - module.num_chosen)
        return ParameterCounts(total=total, active=total - idle)

    def new_cache(self, batch_size: int, max_length: int) -> OmniCache:
        """Room for the keys and values of `max_length` positions.

        Raises:
            UserError: longer than the model's positions.
        """
        self._check_length(max_length)
        config, weight = self.config, self.thinker.embed_tokens.weight

        def kv_cache(num_layers: int, width: int) -> KVCache:
            return KVCache(
                num_layers=num_layers,
                batch_size=batch_size,
                num_heads=config.num_key_value_heads,
                max_length=max_length,
                head_size=width // config.num_attention_heads,
                device=weight.device,
                dtype=weight.dtype,
            )

        return OmniCache(
            thinker=kv_cache(config.num_hidden_layers, config.hidden_size),
            talker=kv_cache(config.num_talker_hidden_layers, config.talker_hidden_size),
            code_table=self.talker.code_embedding.full_table().detach(),
        )

    def step(
        self,
        input_ids_BST: Tensor,
        cache: OmniCache,
        *,
        audio_states: Tensor | None = None,
        audio_lengths: Tensor | None = None,
        image_states: Tensor | None = None,
        image_lengths: Tensor | None = None,
        speaker_embedding: Tensor | None = None,
        with_text: bool = True,
    ) -> tuple[Tensor | None, Tensor]:
        """Append positions to the cache; logits (B, V) and (B, Q, V) after the last.

        Once the text has ended, `with_text=False` leaves out the Thinker's layers above
        the bridge: the text logits are None, and the cache can give none any more.

        Raises:
            UserError: as `forward`, or the cache is full.
        """
        embedded_BTD = self.embed(
            input_ids_BST[:, -1],
            audio_states,
            audio_lengths,
            image_states,
            image_lengths,
        )
        bridge_BTD, states_BTD = self.thinker(
            embedded_BTD, cache.thinker, None if with_text else 0
        )
        talker_BTD = self.talker(
            input_ids_BST[:, :-1],
            bridge_BTD,
            speaker_embedding=speaker_embedding,
            cache=cache.talker,
            code_table=cache.code_table,
        )
        audio_QBV = self.talker.code_heads(talker_BTD[:, -1])
        text_BV = self.thinker.text_logits(states_BTD[:, -1]) if with_text else None
        return text_BV, audio_QBV.transpose(0, 1)

    def warm_start_talker(self) -> bool:
        """Copy the last Thinker blocks into the Talker; whether the widths allowed."""
        return warm_start_talker(self.config, self.thinker, self.talker)

    # Files

    @classmethod
    def from_pretrained(
        cls,
        path: str | Path,
        dtype: torch.dtype = torch.float32,
        *,
        config: OmniConfig | None = None,
        generator: torch.Generator | None = None,
        warm_start: bool = True,
        must_speak: bool = False,
    ) -> Self:
        """Read a model, ours or a released one (`minimind_o.model.checkpoints`).

        A language model becomes a new omni model: its Talker starts from the last
        Thinker blocks, as released, where the widths agree and `warm_start` says so,
        the rest of it from random weights.

        Args:
            path: a model directory or a `.pth` file.
            dtype: of the parameters.
            config: of the new model where `path` is a language model; None: its own.
            generator: of the random weights.
            warm_start: False: the Talker's blocks are random as well.
            must_speak: refuse a language model, whose Talker has learned nothing.

        Raises:
            UserError: a missing or damaged file; parameters missing, unexpected or of
                another shape.
        """
        checkpoint = read_checkpoint(path)
        tensors, source = checkpoint.tensors, checkpoint.source
        if not checkpoint.is_language_model:
            return cls._filled(checkpoint.config, tensors, source).to(dtype)
        if must_speak:
            raise UserError(
                f"{source} is a language model, without a Talker: train one on it with "
                f"'python -m minimind_o.training --init {path}'."
            )
        config = config or checkpoint.config
        thinker = names.from_released(
            names.thinker_names(config), tensors, cls.parameter_shapes(config), source
        )
        model = cls(config)
        model.init_weights(generator)
        model.load_state_dict(thinker, strict=False)
        if warm_start:
            model.warm_start_talker()
        return model.to(dtype)

    def save(self, directory: str | Path, dtype: torch.dtype | None = None) -> None:
        """Write `config.json` and `model.safetensors` in the released names."""
        released = names.to_released(names.omni_names(self.config), self.state_dict())
        files.write_weights(directory, self.config, released, dtype)

    def load_released(self, tensors: dict[str, Tensor], source: str) -> None:
        """Load the whole model from tensors in the released names, strictly."""
        name_map = names.omni_names(self.config)
        self.load_state_dict(
            names.from_released(name_map, tensors, _shapes(self), source)
        )

    def save_thinker(
        self, directory: str | Path, dtype: torch.dtype | None = None
    ) -> None:
        """Write the language model alone."""
        released = names.to_released(
            names.thinker_names(self.config), self.state_dict()
        )
        files.write_weights(directory, self.config, released, dtype)

    @classmethod
    def parameter_shapes(cls, config: OmniConfig) -> dict[str, torch.Size]:
        """Name (ours) -> shape of every parameter, at the cost of no memory."""
        with torch.device("meta"):
            return _shapes(cls(config))

    @classmethod
    def _filled(
        cls, config: OmniConfig, tensors: dict[str, Tensor], source: str
    ) -> Self:
        """The model of these tensors; nothing is allocated before they are checked."""
        with torch.device("meta"):
            model = cls(config)
        name_map = names.omni_names(config)
        ours = names.from_released(name_map, tensors, _shapes(model), source)
        model.to_empty(device="cpu")
        for module in model.modules():
            if isinstance(module, RotaryEmbedding | CodeEmbedding):
                module.reset()
        model.load_state_dict(ours)
        return model

    # Parts of a pass

    def embed(
        self,
        text_BT: Tensor,
        audio_states: Tensor | None = None,
        audio_lengths: Tensor | None = None,
        image_states: Tensor | None = None,
        image_lengths: Tensor | None = None,
    ) -> Tensor:
        """What the Thinker reads, (B, T, D): embeddings, states in their places.

        Raises:
            UserError: as `forward`.
        """
        x_BTD = self.thinker.embed_tokens(text_BT)
        for kind, token, states, lengths, projector in (
            ("speech", self.config.audio_token_id, audio_states, audio_lengths,
             self.audio_projector),
            ("image", self.config.image_token_id, image_states, image_lengths,
             self.image_projector),
        ):  # fmt: skip
            if states is not None:
                is_placeholder = text_BT == token
                if lengths is None:
                    lengths = is_placeholder.any(dim=1) * states.shape[1]
                x_BTD = scatter_states(
                    x_BTD, is_placeholder, states, lengths, projector, kind
                )
            elif self.training and projector.input_proj.weight.requires_grad:
                # Nothing to project: a zero that gives the projector its gradient,
                # which data-parallel training waits for.
                x_BTD = x_BTD + projector.of_nothing()
        return x_BTD

    def _num_text_positions(
        self, text_labels: Tensor | None, audio_labels: Tensor | None
    ) -> int | None:
        """How many first positions the text needs; None: all.

        The experts' balance loss counts every position of every layer, so in the MoE
        variant all of them run.
        """
        if self.config.use_moe or (text_labels is None and audio_labels is None):
            return None
        if text_labels is None:
            return 0
        labelled = (text_labels != IGNORE).any(dim=0).nonzero()
        # At least one, so that every parameter has a gradient, which data-parallel
        # training waits for.
        return int(labelled[-1]) + 1 if labelled.numel() else 1

    def _all_audio_logits(self, talker_BTD: Tensor) -> Tensor:
        logits_QNV = self.talker.code_heads(talker_BTD.flatten(0, 1))
        return logits_QNV.unflatten(1, talker_BTD.shape[:2]).transpose(0, 1)

    def _balance_loss(self, like: Tensor, thinker_only: bool) -> Tensor:
        stacks = (self.thinker,) if thinker_only else (self.thinker, self.talker)
        losses = [balance_loss(stack.layers) for stack in stacks]
        total = sum((loss for loss in losses if loss is not None), like.new_zeros(()))
        return total * self.config.balance_loss_weight

    def _capture(self, wanted: tuple[int, ...] | None) -> dict[int, Tensor]:
        num_layers = self.config.num_talker_hidden_layers
        for layer in wanted or ():
            if not 0 <= layer < num_layers:
                raise UserError(
                    f"capture_attention asks for Talker layer {layer}; the Talker has "
                    f"layers 0 to {num_layers - 1}."
                )
        return {layer: torch.empty(0) for layer in wanted or ()}

    def _check_length(self, length: int) -> None:
        if length > self.config.max_position_embeddings:
            raise UserError(
                f"A sequence of {length} positions is longer than the model's "
                f"max_position_embeddings={self.config.max_position_embeddings}."
            )


def _shapes(model: nn.Module) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in model.state_dict().items()}
