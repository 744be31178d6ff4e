"""What each layer of the Thinker knows: this token, the next one, how a word sounds.

Shapes: L layer (the embedding is layer 0), N position, D width, V vocabulary,
P phrase, T position of one text.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from minimind_o.ablations.experiment import Trained
from minimind_o.ablations.heteronyms import Phrase, phrases, takes_of
from minimind_o.ablations.measures import code_losses
from minimind_o.data.world import Dialogue
from minimind_o.evaluation.thinker_probe import (
    RIDGE,
    fit_probe,
    look_inside,
    with_one,
)
from minimind_o.model import OmniModel
from minimind_o.tokenizer import EncodedConversation, Tokenizer

_MARKED = re.compile(r"([A-Za-z']+|[㐀-鿿])\{[^}]*\}")


@dataclass(frozen=True, kw_only=True, eq=False)
class TokenStates:
    """Positions of answers, and the tokens at them and after them."""

    states_LND: Tensor
    here_N: Tensor
    next_N: Tensor


def token_states(
    model: OmniModel, tokenizer: Tokenizer, dialogues: Sequence[Dialogue]
) -> TokenStates:
    """The Thinker reads dialogues; every position of an answer but its last."""
    states, here, after = [], [], []
    for dialogue in dialogues:
        text = _encoded(tokenizer, dialogue)
        ids = torch.tensor(text.text_ids)
        inside = look_inside(model, text.text_ids).states_LTD
        answer = slice(text.assistant_start, len(ids) - 1)
        states.append(inside[:, answer])
        here.append(ids[answer])
        after.append(ids[text.assistant_start + 1 :])
    return TokenStates(
        states_LND=torch.cat(states, dim=1),
        here_N=torch.cat(here),
        next_N=torch.cat(after),
    )


def token_probes(
    known: TokenStates, fresh: TokenStates
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share of fresh positions at which a linear map names this token, and the next.

    One map a layer, fitted on `known` by least squares with a little ridge; (L,) each.
    """
    vocab_size = 1 + int(torch.cat([known.here_N, known.next_N]).max())
    targets_NK = torch.cat(
        [
            F.one_hot(labels, vocab_size).double()
            for labels in (known.here_N, known.next_N)
        ],
        dim=1,
    )
    shares = []
    for layer, states_ND in enumerate(known.states_LND):
        weights_DK = _fit(states_ND, targets_NK)
        scores_NK = with_one(fresh.states_LND[layer]) @ weights_DK
        here_NV, next_NV = scores_NK.split(vocab_size, dim=1)
        shares.append(
            (
                float((here_NV.argmax(dim=1) == fresh.here_N).double().mean()),
                float((next_NV.argmax(dim=1) == fresh.next_N).double().mean()),
            )
        )
    here, after = np.array(shares).T
    return here, after


@torch.inference_mode()
def logit_lens(model: OmniModel, states_LTD: Tensor) -> Tensor:
    """Each layer's states read as if they were the last one's: logits (L, T, V).

    (nostalgebraist 2020: the final norm and the text head, on every layer.)
    """
    return model.thinker.text_logits(model.thinker.norm(states_LTD))


def reading_probe(
    model: OmniModel, tokenizer: Tokenizer, marked: Sequence[Phrase] | None = None
) -> tuple[NDArray[np.float64], int]:
    """Share of phrases whose heteronym a linear map reads right, by layer; how many.

    Phrases are asked in pairs, one of each reading of a word, by a map that has seen
    neither: whoever knows the word alone says the same of both, and is right in half.
    """
    chosen = list(phrases() if marked is None else marked)
    states_LPD = torch.stack(
        [_word_state(model, tokenizer, phrase) for phrase in chosen], dim=1
    )
    folds: dict[tuple[str, int], list[int]] = defaultdict(list)
    places: dict[tuple[str, str], int] = defaultdict(int)
    for index, phrase in enumerate(chosen):
        place = places[phrase.word, phrase.sound]
        places[phrase.word, phrase.sound] += 1
        folds[phrase.word, place].append(index)
    sounds = sorted({(phrase.word, phrase.sound) for phrase in chosen})
    of_word = {
        word: [i for i, (other, _) in enumerate(sounds) if other == word]
        for word, _ in sounds
    }
    labels_P = torch.tensor([sounds.index((p.word, p.sound)) for p in chosen])
    targets_PK = F.one_hot(labels_P, len(sounds)).double()
    # A fold in which a reading has no phrase left would tell by elimination.
    whole = [
        fold
        for (word, _), fold in folds.items()
        if len({int(labels_P[i]) for i in fold}) == len(of_word[word])
    ]
    shares = []
    for states_PD in states_LPD:
        right = []
        for fold in whole:
            rest = [i for i in range(len(chosen)) if i not in fold]
            weights_DK = _fit(states_PD[rest], targets_PK[rest])
            for index in fold:
                own = of_word[chosen[index].word]
                scores = (with_one(states_PD[index : index + 1]) @ weights_DK)[0, own]
                right.append(own[int(scores.argmax())] == int(labels_P[index]))
        shares.append(float(np.mean(right)))
    return np.array(shares), sum(map(len, whole))


def other_readings() -> list[int]:
    """For each of `phrases()` the number of one with the same word, said otherwise."""
    found = []
    for index, phrase in enumerate(phrases()):
        same, other = (
            [
                i
                for i, each in enumerate(phrases())
                if each.word == phrase.word and (each.sound == phrase.sound) == is_same
            ]
            for is_same in (True, False)
        )
        found.append(other[same.index(index) % len(other)])
    return found


def swapped_losses(run: Trained, donors: Sequence[int]) -> tuple[Tensor, Tensor]:
    """`reading_losses` where the bridge has the word's states from another phrase.

    (Activation patching: only the states at the word itself are exchanged.)

    Args:
        run: the model and its recordings.
        donors: for each of `phrases()` the number of the phrase to take from.
    """
    tokenizer = run.bench.tokenizer
    places = [_word_positions(tokenizer, phrase) for phrase in phrases()]
    bridge = run.model.config.bridge_index + 1
    states = [look_inside(run.model, ids).states_LTD[bridge] for ids, _ in places]
    losses = []
    for donor, (_, mine), take in zip(donors, places, takes_of(run), strict=True):
        theirs = places[donor][1]
        count = min(len(mine), len(theirs))
        given = states[donor][theirs[-count:]]
        with _bridge_given(run.model, mine[-count:], given):
            losses.append(code_losses(run, take[:2]))
    losses_N2Q = torch.stack(losses)
    return losses_N2Q[:, 0], losses_N2Q[:, 1]


@contextmanager
def _bridge_given(
    model: OmniModel, places: list[int], states_ND: Tensor
) -> Iterator[None]:
    """Inside, the Talker reads these states at these positions."""

    def change(
        module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        codes_BQT, bridge_BTD = args
        bridge_BTD = bridge_BTD.clone()
        bridge_BTD[:, places] = states_ND.to(bridge_BTD)
        return (codes_BQT, bridge_BTD), kwargs

    handle = model.talker.register_forward_pre_hook(change, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def _word_positions(
    tokenizer: Tokenizer, phrase: Phrase
) -> tuple[list[int], list[int]]:
    """A phrase's ids, and where the answer writes the word."""
    match = _MARKED.search(phrase.right)
    assert match is not None
    text = _encoded(tokenizer, phrase.request)
    letters = slice(match.start(), match.start() + len(match.group(1)))
    return text.text_ids, sorted(set(text.answer_positions[letters].tolist()))


def _word_state(model: OmniModel, tokenizer: Tokenizer, phrase: Phrase) -> Tensor:
    """(L, D): where the answer has written the whole word."""
    ids, places = _word_positions(tokenizer, phrase)
    return look_inside(model, ids).states_LTD[:, places[-1]]


def _encoded(tokenizer: Tokenizer, dialogue: Dialogue) -> EncodedConversation:
    return tokenizer.encode_conversation(
        [
            {"role": "user", "content": dialogue.question},
            {"role": "assistant", "content": dialogue.answer},
        ]
    )


def _fit(states_ND: Tensor, targets_NK: Tensor) -> Tensor:
    inputs = with_one(states_ND)
    return fit_probe(inputs, targets_NK, RIDGE * len(inputs))
