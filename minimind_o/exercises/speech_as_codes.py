"""Chapter 2: answers and checkers for codes, codebooks and streams.

Shape legend: Q codebook, T frame, N sample, D entry width, K entries of a codebook.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from minimind_o.evaluation.codec_probe import lookup_accuracy
from minimind_o.exercises.marking import Function, Wrong, mark, same_array
from minimind_o.frozen.codebooks import round_off
from minimind_o.frozen.mimi import Mimi

MAX_DIFFERENCE = 1e-4


def bits_per_second(num_codebooks: int, num_codes: int, frame_rate: float) -> float:
    """What must be sent each second so that the other end can say which codes."""
    return num_codebooks * math.log2(num_codes) * frame_rate


def check_bits_per_second(answer: Function) -> Function:
    """Check three codecs, one of them with a single codebook."""

    def examine(count: Function) -> None:
        for size in ((8, 512, 12.5), (8, 2048, 12.5), (1, 1024, 75.0)):
            question = "{} codebooks of {} entries at {} frames a second".format(*size)
            found, right = count(*size), bits_per_second(*size)
            codes_a_second = size[0] * size[2]
            if found == codes_a_second:
                raise Wrong(
                    f"For {question} you give {found}: those are codes a second; "
                    f"one code of {size[1]} takes {math.log2(size[1]):.0f} bits."
                )
            if not math.isclose(found, right, rel_tol=1e-6):
                raise Wrong(f"For {question} you give {found}; it is {right}.")

    return mark(answer, bits_per_second, examine)


def check_round_off(answer: Function) -> Function:
    """Check residual rounding on small random codebooks."""

    def examine(quantise: Function) -> None:
        generator = torch.Generator().manual_seed(0)
        for num_books, num_frames in ((1, 5), (2, 6), (4, 9)):
            scale = 0.5 ** torch.arange(num_books)[:, None, None]
            books = torch.randn(num_books, 16, 3, generator=generator) * scale
            vectors = torch.randn(num_frames, 3, generator=generator)
            question = f"{num_books} codebooks and {num_frames} vectors"
            codes = quantise(vectors.clone(), books.clone())
            found = np.asarray(codes)
            right = round_off(vectors, books).numpy()
            anew = torch.cdist(vectors, books).argmin(dim=-1).numpy()
            if num_books > 1 and np.array_equal(found, anew):
                raise Wrong(
                    f"For {question} every codebook rounds the same vectors; subtract "
                    "the chosen entry before the next codebook has its turn."
                )
            same_array(found, right, question)

    return mark(answer, round_off, examine)


def check_lookup_accuracy(answer: Function) -> Function:
    """Check the lookup table: majority, fresh frames, and codes never seen."""
    old = np.array([0, 0, 0, 1, 1, 2, 2]), np.array(list("aabbbcc"))
    cases = (
        ("the frames the table was made of", old, 6 / 7),
        ("fresh frames", (np.array([0, 0, 1, 2]), np.array(list("abbb"))), 0.5),
        (
            "fresh frames with a code the table has never seen (guess the commonest "
            "label)",
            (np.array([9, 9, 1, 2]), np.array(list("bbbc"))),
            1.0,
        ),
    )

    def examine(measure: Function) -> None:
        for question, (codes, labels), right in cases:
            found = float(measure(*old, codes, labels))
            if question != cases[0][0] and math.isclose(found, 6 / 7):
                raise Wrong(
                    f"For {question} you give {found:.3f}, what the table scores on "
                    "the frames it was made of; score it on the new ones."
                )
            if not math.isclose(found, right, abs_tol=1e-6):
                raise Wrong(f"For {question} you give {found:.3f}; it is {right:.3f}.")

    return mark(answer, lookup_accuracy, examine)


def speak_as_it_comes(mimi: Mimi, frames: Iterable[Tensor]) -> Iterator[Tensor]:
    """Sound (1920,) of each frame's codes (Q,), given before the next is read."""
    with mimi.streaming(1):
        for codes_Q in frames:
            yield mimi.step(codes_Q[None, :, None])[0]


def check_speak_as_it_comes(answer: Function, mimi: Mimi, codes_QT: Tensor) -> Function:
    """Check a streaming decoder against offline decoding, and that it does not wait.

    Args:
        answer: takes the codec and frames (Q,) and gives their sounds one by one.
        mimi: the codec.
        codes_QT: codes to try it on.
    """
    codes_QT = codes_QT[:, :12]
    num_frames, size = codes_QT.shape[1], mimi.frame_size

    def examine(speak: Function) -> None:
        offline = mimi.decode(codes_QT[None])[0]
        read = 0

        def frames() -> Iterator[Tensor]:
            nonlocal read
            for codes_Q in codes_QT.T:
                read += 1
                yield codes_Q.clone()

        pieces: list[Tensor] = []
        sounds = iter(speak(mimi, frames()))
        try:
            for piece in sounds:
                pieces.append(torch.as_tensor(piece).reshape(-1))
                if len(pieces) == 1 and read > 1:
                    raise Wrong(
                        f"You read {read} frames before the first sound; give each "
                        "frame's sound before you read the next."
                    )
        finally:
            if hasattr(sounds, "close"):
                sounds.close()
        if mimi.model.is_streaming:
            raise Wrong("You leave the codec's stream open; use `with mimi.streaming`.")
        _same_sound(pieces, offline, num_frames, size)

    try:
        return mark(answer, speak_as_it_comes, examine)
    finally:
        if mimi.model.is_streaming:
            mimi.model._stop_streaming()


def _same_sound(
    pieces: list[Tensor], offline: Tensor, num_frames: int, size: int
) -> None:
    if len(pieces) != num_frames:
        raise Wrong(f"You give {len(pieces)} sounds for {num_frames} frames.")
    for frame, piece in enumerate(pieces):
        if len(piece) != size:
            raise Wrong(
                f"The sound of frame {frame} has {len(piece)} samples of {size}."
            )
        right = offline[frame * size : (frame + 1) * size]
        if not torch.allclose(piece, right, atol=MAX_DIFFERENCE):
            raise Wrong(
                f"The sound of frame {frame} is not that of offline decoding: keep "
                "one stream open over all frames, so that the codec remembers."
            )
