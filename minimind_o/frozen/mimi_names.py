"""The two spellings of Mimi's weights: moshi's and transformers'.

Known facts (transformers, `models/mimi/convert_mimi_checkpoint_to_pytorch.py`, which
made the published `kyutai/mimi` from kyutai's file): the names below; query, key and
value lie in one matrix in moshi and in three in transformers; and the rows of query and
key are in another order there, because moshi rotates neighbouring pairs of a head
(0 and 1, 2 and 3, ...) and transformers its two halves.

moshi's own class of today writes `in_projs.0.weight` and `out_projs.0.weight` where
kyutai's file has `in_proj_weight` and `out_proj.weight`; it reads both, and so does
this module, which writes those of the file.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from minimind_o.config import CodecFormat

# Start of a name, in both; every name starts with one of these.
_SEMANTIC = "quantizer.semantic_residual_vector_quantizer."
_ACOUSTIC = "quantizer.acoustic_residual_vector_quantizer."
_MODULES = (
    ("encoder.model.", "encoder.layers."),
    ("decoder.model.", "decoder.layers."),
    ("encoder_transformer.transformer.layers.", "encoder_transformer.layers."),
    ("decoder_transformer.transformer.layers.", "decoder_transformer.layers."),
    ("downsample.conv.conv.conv.", "downsample.conv."),
    ("upsample.convtr.convtr.convtr.", "upsample.conv."),
    ("quantizer.rvq_first.vq.layers.", f"{_SEMANTIC}layers."),
    ("quantizer.rvq_first.", _SEMANTIC),
    ("quantizer.rvq_rest.vq.layers.", f"{_ACOUSTIC}layers."),
    ("quantizer.rvq_rest.", _ACOUSTIC),
)
_PARTS = (
    ("._codebook._initialized", ".codebook.initialized"),
    ("._codebook.cluster_usage", ".codebook.cluster_usage"),
    ("._codebook.embedding_sum", ".codebook.embed_sum"),
    (".self_attn.out_proj.", ".self_attn.o_proj."),
    (".norm1.", ".input_layernorm."),
    (".norm2.", ".post_attention_layernorm."),
    (".linear1.", ".mlp.fc1."),
    (".linear2.", ".mlp.fc2."),
    (".layer_scale_1.", ".self_attn_layer_scale."),
    (".layer_scale_2.", ".mlp_layer_scale."),
)
_IN_PROJ = ".self_attn.in_proj_weight"
_Q, _K, _V = (f".self_attn.{part}_proj.weight" for part in "qkv")


def codec_format(names: Mapping[str, object]) -> CodecFormat:
    """Whose names these are; moshi's where they are nobody's."""
    theirs = ("encoder.layers.", _SEMANTIC)
    is_transformers = any(name.startswith(theirs) for name in names)
    return "transformers" if is_transformers else "moshi"


def to_transformers(tensors: Mapping[str, Tensor], num_heads: int) -> dict[str, Tensor]:
    """moshi's weights under transformers' names, rows of query and key reordered.

    A name that is not moshi's stays as it is, to be reported by who loads it.

    Args:
        tensors: name -> tensor, of kyutai's file or moshi's class.
        num_heads: attention heads of the codec's transformers.
    """
    converted: dict[str, Tensor] = {}
    for moshi_name, tensor in tensors.items():
        name = name_in_file(moshi_name)
        if name.startswith(("encoder.model.", "decoder.model.")):
            for convolution in (".convtr.convtr.", ".conv.conv."):
                name = name.replace(convolution, ".conv.")
        name = _renamed(name, 0, 1)
        if not name.endswith(_IN_PROJ):
            converted[name] = tensor
            continue
        layer = name.removesuffix(_IN_PROJ)
        query, key, value = tensor.chunk(3)
        converted[layer + _Q] = _pairs_to_halves(query, num_heads)
        converted[layer + _K] = _pairs_to_halves(key, num_heads)
        converted[layer + _V] = value.contiguous()
    return converted


def to_moshi(tensors: Mapping[str, Tensor], num_heads: int) -> dict[str, Tensor]:
    """transformers' weights under the names of kyutai's file; undoes `to_transformers`.

    Args:
        tensors: name -> tensor of a `MimiModel`.
        num_heads: attention heads of the codec's transformers.
    """
    last = max((_decoder_layer(name) for name in tensors), default=0)
    attentions = {name.removesuffix(_Q) for name in tensors if name.endswith(_Q)}
    whole = {a for a in attentions if a + _K in tensors and a + _V in tensors}
    converted: dict[str, Tensor] = {}
    for theirs, tensor in tensors.items():
        name = _renamed(theirs, 1, 0)
        layer = theirs.partition(".self_attn.")[0]
        if theirs.endswith(_Q) and layer in whole:
            query, key = (
                _halves_to_pairs(tensors[layer + part], num_heads) for part in (_Q, _K)
            )
            mixed = torch.cat([query, key, tensors[layer + _V]])
            converted[name.removesuffix(_Q) + _IN_PROJ] = mixed
        elif theirs.endswith((_K, _V)) and layer in whole:
            continue  # went with the query
        elif name.startswith(("encoder.model.", "decoder.model.")):
            # Between its first and last layer, what the decoder has outside of
            # residual blocks are transposed convolutions.
            transposed = ".block." not in name and 0 < _decoder_layer(theirs) < last
            kind = "convtr" if transposed else "conv"
            converted[name.replace(".conv.", f".{kind}.{kind}.")] = tensor
        else:
            converted[name] = tensor
    return converted


def _renamed(name: str, old: int, new: int) -> str:
    for module in _MODULES:
        if name.startswith(module[old]):
            name = module[new] + name.removeprefix(module[old])
            break
    for part in _PARTS:
        name = name.replace(part[old], part[new])
    return name


def name_in_file(name: str) -> str:
    """What kyutai's file calls it that moshi's class calls `name`."""
    name = name.replace(".self_attn.in_projs.0.weight", _IN_PROJ)
    return name.replace(".self_attn.out_projs.0.", ".self_attn.out_proj.")


def _decoder_layer(name: str) -> int:
    match = re.match(r"decoder\.layers\.(\d+)\.", name)
    return int(match[1]) if match else 0


def _pairs_to_halves(rows: Tensor, num_heads: int) -> Tensor:
    """Rows 0, 1, 2, 3, ... of each head become 0, 2, ... 1, 3, ..."""
    pairs = rows.unflatten(0, (num_heads, -1, 2))
    return pairs.transpose(1, 2).flatten(0, 2).contiguous()


def _halves_to_pairs(rows: Tensor, num_heads: int) -> Tensor:
    halves = rows.unflatten(0, (num_heads, 2, -1))
    return halves.transpose(1, 2).flatten(0, 2).contiguous()
