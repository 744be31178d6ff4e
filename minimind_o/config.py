"""What a model is made of: sizes, ids and weights of the losses, in one place.

The defaults are those of the released 0.1B model; a `config.json` beside the weights
says what differs. The same loader reads ours and the released one.
"""

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, get_args

from minimind_o.errors import UserError
from minimind_o.foreign_json import parse_json
from minimind_o.released_config import from_released, is_released

CONFIG_FILE = "config.json"
WeightPrecision = Literal["fp32", "bf16", "int8"]
"""How a model's weights are kept for answering (`minimind_o.model.precision`)."""
WEIGHT_PRECISIONS: tuple[WeightPrecision, ...] = get_args(WeightPrecision)
ExportFormat = Literal["released", "released-pth", "safetensors"]
"""How a model is written for other programs (`minimind_o.model.export`)."""
EXPORT_FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)
CodecFormat = Literal["moshi", "transformers"]
"""Whose names a codec's files use (`minimind_o.frozen.mimi_names`)."""
CODEC_FORMATS: tuple[CodecFormat, ...] = get_args(CodecFormat)
Mark = Literal["none", "audible", "inaudible"]
"""How an answer says that it is synthetic (`minimind_o.generation.marking`)."""
MARKS: tuple[Mark, ...] = get_args(Mark)
FULL = -1
"""As a rank: no adapter on a shared table, but each codebook its own whole table."""
EMBEDDING = -1
"""As a bridge layer: the text embedding, before any block."""
EXPORT_DTYPES = ("keep", "fp32", "bf16", "fp16")
"""Of the numbers written; `keep` is as they are."""
MAX_PARAMETERS = 20_000_000_000
"""Sixty times the largest released model; what claims more is refused unbuilt."""
MAX_ROTARY_NUMBERS = 1 << 26
"""In each table of the rotary embedding; the released model's have 3 million."""
_WIDTH, _LAYERS, _IDS = (1, 32_768), (1, 128), (0, 1 << 20)
_RANK = (FULL, 32_768)
_RANGES: Mapping[str, tuple[float, float]] = {
    "vocab_size": (1, 1 << 20),
    "hidden_size": _WIDTH,
    "num_hidden_layers": _LAYERS,
    "num_attention_heads": (1, 512),
    "num_key_value_heads": (1, 512),
    "intermediate_size": (1, 1 << 18),
    "rms_norm_eps": (0.0, 1.0),
    "rope_theta": (1.0, 1e12),
    "yarn_factor": (1.0, 1024.0),
    "yarn_beta_fast": (1e-3, 1e6),
    "yarn_beta_slow": (1e-3, 1e6),
    "yarn_original_max_position_embeddings": (1, 1 << 20),
    "max_position_embeddings": (1, 1 << 20),
    "num_experts": (1, 64),
    "num_experts_per_token": (1, 64),
    "balance_loss_weight": (0.0, 1e3),
    "bridge_layer": (EMBEDDING, 127),
    "num_talker_hidden_layers": _LAYERS,
    "talker_hidden_size": _WIDTH,
    "talker_embedding_rank": _RANK,
    "talker_head_rank": _RANK,
    "num_codebooks": (1, 64),
    "codebook_delay": (0, 64),
    "num_codes": (1, 1 << 17),
    "audio_vocab_size": (1, 1 << 18),
    "audio_pad_token": _IDS,
    "audio_stop_token": _IDS,
    "audio_speaker_token": _IDS,
    "stop_loss_weight": (0.0, 1e6),
    "audio_hidden_size": _WIDTH,
    "image_hidden_size": _WIDTH,
    "num_image_tokens": (1, 1 << 16),
    "speaker_embedding_size": _WIDTH,
    "audio_token_id": _IDS,
    "image_token_id": _IDS,
    "pad_token_id": _IDS,
}
"""The least and the most of every number, in the order of the fields."""


@dataclass(frozen=True, kw_only=True)
class OmniConfig:
    """Sizes and ids of one model; frozen, so that a model and its config agree.

    Raises:
        UserError: a value is impossible, or two values contradict each other.
    """

    vocab_size: int = 6400
    """Entries of the text vocabulary; embedding and text head share one table."""
    hidden_size: int = 768
    """Width of the Thinker."""
    num_hidden_layers: int = 8
    """Blocks of the Thinker."""
    num_attention_heads: int = 8
    """Query heads, in Thinker and Talker."""
    num_key_value_heads: int = 4
    """Key and value heads; each serves a group of query heads."""
    intermediate_size: int | None = None
    """Width inside the Thinker's SwiGLU; None: ceil(hidden·π/64)·64."""
    rms_norm_eps: float = 1e-6
    """Added to the mean square in every RMSNorm."""
    rope_theta: float = 1e6
    """Base of the rotary embedding's wavelengths."""
    yarn: bool = False
    """Stretch the long wavelengths (YaRN, arXiv 2309.00071) for longer contexts."""
    yarn_factor: float = 16.0
    """How many times longer than the original context."""
    yarn_beta_fast: float = 32.0
    """Wavelengths turning more often than this in the original context stay."""
    yarn_beta_slow: float = 1.0
    """Wavelengths turning less often than this are stretched in full."""
    yarn_original_max_position_embeddings: int = 2048
    """The original context, in positions."""
    max_position_embeddings: int = 32768
    """Longest sequence, in positions."""
    use_moe: bool = False
    """Replace every feed-forward by experts, in Thinker and Talker."""
    num_experts: int = 4
    """Experts in one feed-forward."""
    num_experts_per_token: int = 1
    """Experts that each position is sent to."""
    balance_loss_weight: float = 5e-4
    """Weight of the loss that keeps the experts evenly used."""
    bridge_layer: int | None = None
    """Thinker block whose output the Talker reads; None: the last of the lower half;
    `EMBEDDING`: none, but the embedding."""
    num_talker_hidden_layers: int = 4
    """Blocks of the Talker."""
    talker_hidden_size: int = 768
    """Width of the Talker."""
    talker_embedding_rank: int = 256
    """Rank of the adapter that each codebook adds to the shared code embedding; 0: none
    adds any; `FULL`: each has its own whole table and nothing is shared."""
    talker_head_rank: int = 256
    """Rank of the adapter that each codebook adds to the shared audio head; 0 and
    `FULL` likewise."""
    num_codebooks: int = 8
    """Audio streams: the codebooks of Mimi that are modelled."""
    num_codes: int = 2048
    """Entries of one codebook."""
    codebook_delay: int = 1
    """Steps that each audio stream waits longer than the one before it; 0: the codes of
    a frame come all at once. As released, 1."""
    audio_vocab_size: int = 2112
    """Codes and special codes of one audio stream."""
    audio_pad_token: int = 2049
    """Audio code where a stream holds no sound."""
    audio_stop_token: int = 2050
    """Audio code that ends a stream."""
    audio_speaker_token: int = 2051
    """Audio code whose embedding gives way to the projected speaker embedding."""
    stop_loss_weight: float = 10.0
    """Weight of a stop target in the numerator of the audio loss."""
    audio_hidden_size: int = 512
    """Width of the speech encoder's states."""
    image_hidden_size: int = 768
    """Width of the vision encoder's states."""
    num_image_tokens: int = 64
    """Text positions that one image takes."""
    speaker_embedding_size: int = 192
    """Width of the speaker embedding."""
    audio_token_id: int = 16
    """Text id of the speech placeholder, `<|audio_pad|>`."""
    image_token_id: int = 12
    """Text id of the image placeholder, `<|image_pad|>`."""
    pad_token_id: int = 0
    """Text id that fills a sequence up."""

    def __post_init__(self) -> None:
        self._check_ranges()
        for width_name in ("hidden_size", "talker_hidden_size"):
            width = getattr(self, width_name)
            if width % (2 * self.num_attention_heads):
                raise UserError(
                    f"{width_name}={width} does not divide into "
                    f"num_attention_heads={self.num_attention_heads} heads of even "
                    f"width; use a multiple of {2 * self.num_attention_heads}."
                )
        if self.num_attention_heads % self.num_key_value_heads:
            raise UserError(
                f"num_attention_heads={self.num_attention_heads} is not a multiple of "
                f"num_key_value_heads={self.num_key_value_heads}."
            )
        if not EMBEDDING <= self.bridge_index < self.num_hidden_layers:
            raise UserError(
                f"bridge_layer={self.bridge_layer} is not one of the Thinker's layers "
                f"0 to {self.num_hidden_layers - 1}, nor {EMBEDDING}, its embedding."
            )
        if not 1 <= self.num_experts_per_token <= self.num_experts:
            raise UserError(
                f"num_experts_per_token={self.num_experts_per_token} is not between 1 "
                f"and num_experts={self.num_experts}."
            )
        special = (
            self.audio_pad_token,
            self.audio_stop_token,
            self.audio_speaker_token,
        )
        if len(set(special)) < 3 or not all(
            self.num_codes <= code < self.audio_vocab_size for code in special
        ):
            raise UserError(
                "audio_pad_token, audio_stop_token and audio_speaker_token are "
                f"{special}; they must be three different ids from "
                f"num_codes={self.num_codes} to {self.audio_vocab_size - 1}."
            )
        for width in (self.hidden_size, self.talker_hidden_size):
            size = self.max_position_embeddings * (width // self.num_attention_heads)
            if size > MAX_ROTARY_NUMBERS:
                raise UserError(
                    f"max_position_embeddings={self.max_position_embeddings} with "
                    f"{self.num_attention_heads} heads in a width of {width} takes "
                    f"rotary tables of {size / 1e6:.0f} million numbers; the most is "
                    f"{MAX_ROTARY_NUMBERS / 1e6:.0f} million."
                )
        if self.least_num_parameters > MAX_PARAMETERS:
            raise UserError(
                f"A model of these sizes has {self.least_num_parameters / 1e9:.3g} "
                f"billion parameters; the most is {MAX_PARAMETERS / 1e9:g} billion."
            )

    def _check_ranges(self) -> None:
        for field in dataclasses.fields(self):
            value, name = getattr(self, field.name), field.name
            if name not in _RANGES:
                if not isinstance(value, bool):
                    raise UserError(f"{name}={value!r} must be true or false.")
                continue
            if value is None and field.default is None:
                continue
            least, most = _RANGES[name]
            is_whole = isinstance(least, int)
            kinds = int if is_whole else (int, float)
            if (
                isinstance(value, bool)
                or not isinstance(value, kinds)
                or not least <= value <= most  # nor is NaN
            ):
                what = "a whole number" if is_whole else "a number"
                raise UserError(
                    f"{name}={shortened(value)} must be {what} from {least:g} to "
                    f"{most:g}."
                )

    @property
    def least_num_parameters(self) -> int:
        """Parameters of embeddings, attention and feed-forwards: most of them.

        Counted from the sizes alone, before anything is built.
        """
        num_experts = self.num_experts if self.use_moe else 1
        group = self.num_attention_heads // self.num_key_value_heads
        total = self.vocab_size * self.hidden_size
        total += self.audio_vocab_size * self.talker_hidden_size
        for num_layers, width, inner in (
            (self.num_hidden_layers, self.hidden_size, self.thinker_intermediate_size),
            (
                self.num_talker_hidden_layers,
                self.talker_hidden_size,
                self.talker_intermediate_size,
            ),
        ):
            attention = 2 * width * width + 2 * width * width // group
            total += num_layers * (attention + 3 * width * inner * num_experts)
        return total

    @property
    def bridge_index(self) -> int:
        """Thinker block whose output the Talker reads."""
        if self.bridge_layer is not None:
            return self.bridge_layer
        return max(self.num_hidden_layers // 2 - 1, 0)

    @property
    def frame_steps(self) -> int:
        """Steps from a frame's first code to its last, both counted."""
        return 1 + self.codebook_delay * (self.num_codebooks - 1)

    @property
    def thinker_intermediate_size(self) -> int:
        """Width inside the Thinker's SwiGLU."""
        return self.intermediate_size or swiglu_width(self.hidden_size)

    @property
    def talker_intermediate_size(self) -> int:
        """Width inside the Talker's SwiGLU: the Thinker's where the widths agree."""
        if self.talker_hidden_size == self.hidden_size:
            return self.thinker_intermediate_size
        return swiglu_width(self.talker_hidden_size)

    @classmethod
    def from_dict(cls, values: dict[str, Any], source: str = "config") -> Self:
        """Build from the fields of a `config.json`, ours or the released one.

        Raises:
            UserError: an unknown field (in ours), a value that is not a number, or a
                released model that this one cannot be.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        if is_released(values):
            ours = from_released(values, source)
            values = {name: v for name, v in ours.items() if name in known}
        unknown = sorted(set(values) - known)
        if unknown:
            raise UserError(
                f"{source} has the unknown field {unknown[0]!r}; the fields of "
                "OmniConfig are in minimind_o/config.py."
            )
        for name, value in values.items():
            if not isinstance(value, int | float | None):
                raise UserError(
                    f"{source} gives {name} as {shortened(value)}; it must be a number."
                )
        try:
            return cls(**values)
        except UserError as error:
            raise UserError(f"{source} describes no model: {error}") from None

    def to_dict(self) -> dict[str, Any]:
        """Every field, ready for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def load(cls, directory: str | Path) -> Self:
        """Read `config.json` in a model directory.

        Raises:
            UserError: as `read`.
        """
        return cls.read(Path(directory) / CONFIG_FILE)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read one JSON file, of our fields or the released ones.

        Raises:
            UserError: no such file, or not a JSON object of known fields.
        """
        try:
            values = parse_json(path.read_text(encoding="utf-8"))
        except OSError:
            raise UserError(
                f"There is no readable {path}; a model directory holds {CONFIG_FILE} "
                "and model.safetensors."
            ) from None
        except ValueError:
            raise UserError(f"{path} is not valid JSON.") from None
        if not isinstance(values, dict):
            raise UserError(f"{path} must hold one JSON object.")
        return cls.from_dict(values, source=str(path))

    def save(self, directory: str | Path) -> None:
        """Write `config.json` into a model directory, which is made if needed."""
        path = Path(directory) / CONFIG_FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")


def shortened(value: object) -> str:
    """A value from a file as it stands there, short enough for one sentence."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def swiglu_width(width: int) -> int:
    """Width inside a SwiGLU of about as many weights as a 4-fold GELU layer."""
    return math.ceil(width * math.pi / 64) * 64
