"""Chapter 7: answers and checkers for rows, splits and sizes.

Shape legend: Q codebook, F frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minimind_o.exercises.marking import (
    Function,
    Wrong,
    mark,
    same_array,
    same_number,
)

NUM_CODEBOOKS = 8


def unflatten(flat: ArrayLike) -> NDArray[np.int64]:
    """Codes (Q, F) of a row's flat list, which is written frame by frame."""
    return np.asarray(flat, np.int64).reshape(-1, NUM_CODEBOOKS).T


def check_unflatten(answer: Function) -> Function:
    """Check the order of frames and codebooks."""

    def examine(read: Function) -> None:
        for num_frames in (1, 3, 8):
            flat = np.arange(8 * num_frames)
            found = np.asarray(read(flat.tolist()))
            right = unflatten(flat)
            question = f"{8 * num_frames} codes"
            by_codebook = flat.reshape(NUM_CODEBOOKS, -1)
            if num_frames not in (1, 8) and np.array_equal(found, by_codebook):
                raise Wrong(
                    f"For {question} you read codebook by codebook; a row holds the 8 "
                    "codes of frame 0, then those of frame 1, and so on."
                )
            if found.shape == right.shape[::-1] and found.shape != right.shape:
                raise Wrong(
                    f"For {question} your array has shape {found.shape}: frames before "
                    "codebooks. Turn it, so that a row is a codebook."
                )
            same_array(found, right, question)

    return mark(answer, unflatten, examine)


def split_by_text(texts: Sequence[str], every: int) -> list[bool]:
    """Which items are held out: every so-manieth different text, all its items."""
    order = {text: rank for rank, text in enumerate(dict.fromkeys(texts))}
    return [order[text] % every == 0 for text in texts]


def check_split_by_text(answer: Function) -> Function:
    """Check that no text is on both sides, and that the share is right."""
    texts = ["a", "b", "a", "c", "d", "b", "e", "a", "f", "d"]

    def examine(split: Function) -> None:
        for every in (2, 3):
            question = f"10 items and every={every}"
            found = [bool(value) for value in split(list(texts), every)]
            if len(found) != len(texts):
                raise Wrong(
                    f"For {question} you give {len(found)} values; one for each item "
                    "is wanted."
                )
            held_out = {t for t, out in zip(texts, found, strict=True) if out}
            kept = {t for t, out in zip(texts, found, strict=True) if not out}
            both = held_out & kept
            if both:
                raise Wrong(
                    f"For {question} the text '{min(both)}' is on both sides: a model "
                    "that learns it by heart would look as if it had understood."
                )
            same_number(
                len(held_out),
                math.ceil(6 / every),
                f"the number of held-out texts for {question}",
                f"there are 6 different texts, and the first of every {every} is held "
                "out",
            )

    return mark(answer, split_by_text, examine)
