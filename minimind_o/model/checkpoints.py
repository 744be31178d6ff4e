"""One reader for every file a model comes in.

- our directory: `config.json` in our fields and `model.safetensors`;
- a released Transformers directory: `config.json` in the released fields and
  `model.safetensors` or `pytorch_model.bin`, or either in shards, in bfloat16;
- a released state dict, `sft_omni_768.pth`, `sft_omni_768_moe.pth`, `llm_768.pth` or
  `llm_768_moe.pth`, in float16 and without a config: that is derived from the shapes.

Known facts (github.com/jingyaogong/minimind-o, `trainer/train_sft_omni.py`): such a
state dict has the names of `minimind_o.model.names`, no buffers, and the text head
beside the embedding that it is tied to.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from minimind_o.config import CONFIG_FILE, OmniConfig
from minimind_o.model.derived_config import config_from_shapes
from minimind_o.model.files import find_weights, read_tensors
from minimind_o.model.names import TEXT_EMBEDDING, TIED_HEAD

_BEYOND_THE_THINKER = ("talker.", "audio_proj.", "vision_proj.")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What a file or directory says, not yet checked against each other.

    config: the model's, read or derived.
    tensors: released name -> tensor, the file mapped into memory where it can be.
    source: the file of weights, for messages.
    is_language_model: nothing of Talker and projectors is in it.
    """

    config: OmniConfig
    tensors: dict[str, Tensor]
    source: str
    is_language_model: bool


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a model directory or one file of weights.

    The config is the `config.json` of a directory; of a `.pth` file it is the file of
    the same name that ends in `.json`; where there is none, it is derived.

    Raises:
        UserError: a file is missing, damaged or holds more than tensors; or there is no
            config and none can be derived.
    """
    path = Path(path)
    weights = find_weights(path) if path.is_dir() else path
    tensors = read_tensors(weights)
    if TIED_HEAD in tensors:  # one table, which a file may hold under either name
        tensors.setdefault(TEXT_EMBEDDING, tensors[TIED_HEAD])
    is_language_model = not any(n.startswith(_BEYOND_THE_THINKER) for n in tensors)
    config_file = _config_file(path, weights)
    if config_file is not None:
        config = OmniConfig.read(config_file)
    else:
        shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        config = config_from_shapes(shapes, str(weights), is_language_model)
    return Checkpoint(
        config=config,
        tensors=tensors,
        source=str(weights),
        is_language_model=is_language_model,
    )


def config_beside(weights: Path) -> Path:
    """Where the config of a bare `.pth` file is, if it has one."""
    return weights.with_suffix(".json")


def _config_file(path: Path, weights: Path) -> Path | None:
    """None where the config is to be derived."""
    bare = weights.suffix == ".pth"
    if bare and config_beside(weights).is_file():
        return config_beside(weights)
    in_folder = weights.parent / CONFIG_FILE
    if bare and (path == weights or not in_folder.is_file()):
        return None  # a config.json beside a file that was named may be another's
    return in_folder
