"""A look inside the Thinker: attention, states, experts, and what the states know.

Shapes: T position, D width, H head, X expert, N word, K label, L layer (the embedding
is layer 0 of the states).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from minimind_o.data.world import Dialogue, read_aloud
from minimind_o.errors import UserError
from minimind_o.model import OmniModel
from minimind_o.model.blocks import Captured, Experts
from minimind_o.tokenizer import Tokenizer

RIDGE = 1e-2
"""Of a probe, for each state that it is fitted on."""
_MARKED = re.compile(r"([A-Za-z']+)\{([^}]*)\}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Inside:
    """What one text left in the Thinker."""

    states_LTD: Tensor
    """After the embedding and after every layer."""
    attention_LHTT: Tensor
    """Of every layer: query position before key position."""


@torch.inference_mode()
def look_inside(model: OmniModel, text_ids: Sequence[int]) -> Inside:
    """Run the Thinker on one text and keep everything."""
    thinker = model.thinker
    x_BTD = thinker.embed_tokens(torch.tensor([list(text_ids)]))
    rotary = thinker.rotary(0, x_BTD.shape[1])
    states, attention = [x_BTD[0]], []
    for index, layer in enumerate(thinker.layers):
        capture = Captured()
        x_BTD = layer(x_BTD, rotary, None, index, capture)
        states.append(x_BTD[0])
        attention.append(capture[0][0])
    return Inside(states_LTD=torch.stack(states), attention_LHTT=torch.stack(attention))


def chosen_experts(model: OmniModel, text_ids: Sequence[int]) -> NDArray[np.int64]:
    """The expert that each layer of the Thinker sends each position to, (L, T).

    Where a position has several, the one that the gate likes best.

    Raises:
        UserError: the model has no experts.
    """
    layers = [m for m in model.thinker.modules() if isinstance(m, Experts)]
    if not layers:
        raise UserError("the model has no experts: take one whose config says use_moe.")
    with watched_gates(layers) as logits:
        look_inside(model, text_ids)
    return torch.stack(logits).argmax(dim=-1).numpy()


@contextmanager
def watched_gates(layers: Sequence[Experts]) -> Iterator[list[Tensor]]:
    """Inside, every pass leaves what each gate said of its positions, (N, X), in order.

    The list holds logits; what is chosen are the greatest.
    """
    said: list[Tensor] = []

    def note(module: torch.nn.Module, inputs: object, logits_NX: Tensor) -> None:
        said.append(logits_NX)

    handles = [layer.gate.register_forward_hook(note) for layer in layers]
    try:
        yield said
    finally:
        for handle in handles:
            handle.remove()


@dataclass(frozen=True, kw_only=True, eq=False)
class SpokenWord:
    """One heteronym in a sentence: how it is said there, and the states at its end."""

    word: str
    sound: str
    """Its phonemes, as the synthesiser is told them."""
    states_LD: Tensor


def heteronyms(
    model: OmniModel, tokenizer: Tokenizer, words: Sequence[str], count: int, seed: int
) -> list[SpokenWord]:
    """Read-aloud requests that hold one of `words`, read by the Thinker.

    The states are those where the *answer* has spoken the word's letters: the request
    before it has told the whole sentence.

    Raises:
        UserError: the world's texts hold none of the words.
    """
    rng = np.random.default_rng(seed)
    found: list[SpokenWord] = []
    for _ in range(200 * count):
        dialogue = read_aloud(rng, "en", int(rng.integers(3, 9)))
        found += _spoken_words(model, tokenizer, dialogue, words)
        if len(found) >= count:
            return found[:count]
    raise UserError(
        f"the world's sentences hold {len(found)} of the words {', '.join(words)}; "
        f"{count} were asked for."
    )


def _spoken_words(
    model: OmniModel, tokenizer: Tokenizer, dialogue: Dialogue, words: Sequence[str]
) -> list[SpokenWord]:
    marked = dialogue.marked_answer
    places = []
    removed = 0
    for match in _MARKED.finditer(marked):
        word, sound = match.groups()
        end = match.start() + len(word) - removed
        removed += len(match.group()) - len(word)
        if word.lower() in words:
            places.append((word.lower(), sound, end - 1))
    if not places:
        return []
    turns = [
        {"role": "user", "content": dialogue.question},
        {"role": "assistant", "content": dialogue.answer},
    ]
    text = tokenizer.encode_conversation(turns)
    inside = look_inside(model, text.text_ids)
    return [
        SpokenWord(
            word=word,
            sound=sound,
            states_LD=inside.states_LTD[:, int(text.answer_positions[character])],
        )
        for word, sound, character in places
    ]


def probe_layers(
    known: Sequence[SpokenWord], fresh: Sequence[SpokenWord]
) -> NDArray[np.float64]:
    """For each layer the share of fresh words whose sound a linear map gets right.

    The map is fitted on `known` by least squares with a little ridge.
    """
    sounds = sorted({word.sound for word in known})
    targets = torch.tensor([sounds.index(word.sound) for word in known])
    wanted = torch.nn.functional.one_hot(targets, len(sounds)).double()
    labels = [word.sound for word in fresh]
    shares = []
    for layer in range(len(known[0].states_LD)):
        inputs = with_one(torch.stack([word.states_LD[layer] for word in known]))
        weights = fit_probe(inputs, wanted, RIDGE * len(inputs))
        tested = with_one(torch.stack([word.states_LD[layer] for word in fresh]))
        guessed = (tested @ weights).argmax(dim=1).tolist()
        right = [sounds[g] == label for g, label in zip(guessed, labels, strict=True)]
        shares.append(float(np.mean(right)))
    return np.array(shares)


def fit_probe(states_ND: Tensor, targets_NK: Tensor, ridge: float) -> Tensor:
    """Weights (D, K) of the linear map from states to targets: ridge regression."""
    identity_DD = torch.eye(states_ND.shape[1], dtype=states_ND.dtype)
    square_DD = states_ND.T @ states_ND + ridge * identity_DD
    return torch.linalg.solve(square_DD, states_ND.T @ targets_NK)


def with_one(states_ND: Tensor) -> Tensor:
    """Normalised states and a column of ones."""
    states = torch.nn.functional.normalize(states_ND.double(), dim=1) * 4
    return torch.cat([states, torch.ones(len(states), 1, dtype=torch.double)], dim=1)
