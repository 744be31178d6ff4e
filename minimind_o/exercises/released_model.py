"""Chapter 13: answers and checkers for the released model's sizes, names and rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from minimind_o.config import OmniConfig
from minimind_o.exercises.marking import Function, Wrong, mark, same_number
from minimind_o.model.names import omni_names
from minimind_o.model.omni import OmniModel

NUM_CODES = 2048

# How large a block is


def block_parameters(width: int, heads: int, kv_heads: int, inner: int) -> int:
    """Parameters of one block of the Thinker.

    Args:
        width: of the states.
        heads: query heads.
        kv_heads: key and value heads, as wide as the query heads.
        inner: width inside the feed-forward, which has three matrices.
    """
    head = width // heads
    attention = 2 * width * width + 2 * width * kv_heads * head
    norms = 2 * width + 2 * head
    return attention + 3 * width * inner + norms


def check_block_parameters(answer: Function) -> Function:
    """Compare with the models' own blocks, the released one among them."""

    def examine(count: Function) -> None:
        for width, heads, kv_heads, inner in (
            (768, 8, 4, 2432),
            (256, 8, 2, 832),
            (64, 4, 4, 256),
        ):
            config = OmniConfig(
                hidden_size=width,
                num_attention_heads=heads,
                num_key_value_heads=kv_heads,
                intermediate_size=inner,
            )
            shapes = OmniModel.parameter_shapes(config)
            parts = {
                name: shape.numel()
                for name, shape in shapes.items()
                if name.startswith("thinker.layers.0.")
            }
            right = sum(parts.values())
            question = (
                f"width {width}, {heads} heads, {kv_heads} of keys and values, and "
                f"{inner} inside"
            )
            found = count(width, heads, kv_heads, inner)
            norms = sum(n for name, n in parts.items() if "norm" in name)
            because = f"the block has {len(parts)} parameter tensors"
            if found == right - norms:
                because = "you have all matrices, and the four norms are missing"
            elif found == right + 2 * width * (heads - kv_heads) * (width // heads):
                because = "keys and values have fewer heads than queries"
            same_number(found, right, question, because)

    return mark(answer, block_parameters, examine)


# One name map


def released_projector_name(ours: str) -> str:
    """The released name of one of our projectors' parameters.

    Args:
        ours: such as `audio_projector.norm.weight`.
    """
    projector, part, kind = ours.split(".")
    there = {"audio_projector": "audio_proj", "image_projector": "vision_proj"}
    place = {"norm": 0, "input_proj": 1, "output_proj": 3}
    return f"{there[projector]}.mlp.{place[part]}.{kind}"


def check_released_projector_name(answer: Function) -> Function:
    """Check all twelve parameters of the two projectors against the package's map."""
    right = {
        ours: theirs[0]
        for ours, theirs in omni_names(OmniConfig()).items()
        if "projector" in ours
    }

    def examine(name: Function) -> None:
        for ours, theirs in right.items():
            found = name(ours)
            if found == theirs:
                continue
            if isinstance(found, str) and found.replace("mlp.2", "mlp.3") == theirs:
                raise Wrong(
                    f"For {ours} you give {found}: place 2 is the GELU, which has no "
                    "parameters but takes a place."
                )
            raise Wrong(f"For {ours} you give {found!r}; the file has {theirs}.")

    return mark(answer, released_projector_name, examine)


# What training takes


def training_bytes(parameters: int, learning: int) -> int:
    """Bytes of fp32 training with AdamW, without what a batch takes.

    Args:
        parameters: of the model; 4 bytes each.
        learning: of these, those that learn: a gradient and AdamW's two means more.
    """
    return 4 * parameters + 12 * learning


def check_training_bytes(answer: Function) -> Function:
    """Check a stage in which all learns, and one in which a projector does."""

    def examine(count: Function) -> None:
        for parameters, learning in ((1000, 1000), (1000, 10), (113_131_266, 987_392)):
            found, right = (
                count(parameters, learning),
                training_bytes(parameters, learning),
            )
            because = "4 for every weight, and 4 + 8 for each that learns"
            if found == 16 * parameters != right:
                because = "what does not learn has no gradient and no means"
            elif found == 4 * parameters + 8 * learning:
                because = "AdamW keeps two means of each gradient, and there is the "
                because += "gradient itself"
            question = f"{parameters} parameters of which {learning} learn"
            same_number(found, right, question, because)

    return mark(answer, training_bytes, examine)


# Rows that training would stumble over


def is_fit(row: Mapping[str, Any]) -> bool:
    """Whether a row has whole frames, codes of the codebook, and an answer."""
    turns = json.loads(row["conversations"])
    spoken = [*row["answer_audios"], row["ref_audios"] or []]
    return (
        all(len(codes) % 8 == 0 for codes in spoken)
        and all(0 <= code < NUM_CODES for codes in spoken for code in codes)
        and bool(turns)
        and turns[-1]["role"] == "assistant"
    )


_FAULTS: Mapping[str, Mapping[str, Any]] = {
    "nothing is wrong with it": {},
    "it has no speech and no voice prompt, which is allowed": {
        "answer_audios": [],
        "ref_audios": None,
    },
    "its answer has 17 codes, and a frame has 8": {"answer_audios": [list(range(17))]},
    "its answer holds the code 2048": {"answer_audios": [[2048] * 8]},
    "its answer holds the code -1": {"answer_audios": [[-1] * 8]},
    "its voice prompt holds the code 2050": {"ref_audios": [2050] * 8},
    "its voice prompt has 7 codes": {"ref_audios": [1] * 7},
    "it ends with a question": {
        "conversations": json.dumps([{"role": "user", "content": "And then?"}])
    },
}


def check_is_fit(answer: Function) -> Function:
    """Check rows with one fault each, and rows without any."""
    whole = {
        "conversations": json.dumps(
            [
                {"role": "user", "content": "What is it?"},
                {"role": "assistant", "content": "A red cat."},
            ]
        ),
        "answer_audios": [[0, 2047, *range(6)] * 2],
        "ref_audios": list(range(16)),
    }

    def examine(judge: Function) -> None:
        for what, changes in _FAULTS.items():
            row = {**whole, **changes}
            found, right = bool(judge(row)), is_fit(row)
            if found == right:
                continue
            verdict = "let a row pass" if found else "refuse a row"
            raise Wrong(f"You {verdict}, but {what}.")

    return mark(answer, is_fit, examine)
