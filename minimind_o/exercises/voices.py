"""Chapter 10: answers and checkers for speaker vectors and voice prompts.

Shape legend: S width of a speaker vector.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from minimind_o.exercises.marking import Function, Wrong, mark


def cosine(a_S: ArrayLike, b_S: ArrayLike) -> float:
    """The cosine of the angle between two vectors."""
    a, b = np.asarray(a_S, float), np.asarray(b_S, float)
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def check_cosine(answer: Function) -> Function:
    """Check vectors of other lengths, opposite and at right angles."""
    cases = (
        ("(1, 0) and (3, 0)", [1, 0], [3, 0]),
        ("(1, 0) and (0, 2)", [1, 0], [0, 2]),
        ("(1, 1) and (-2, -2)", [1, 1], [-2, -2]),
        ("(3, 4) and (4, 3)", [3, 4], [4, 3]),
    )

    def examine(measure: Function) -> None:
        for question, a, b in cases:
            found = float(measure(np.array(a, float), np.array(b, float)))
            right = cosine(a, b)
            if math.isclose(found, float(np.dot(a, b))) and abs(found) > 1:
                raise Wrong(
                    f"For {question} you give {found:g}, the dot product; divide it by "
                    "the lengths of both vectors."
                )
            if not math.isclose(found, right, abs_tol=1e-6):
                raise Wrong(f"For {question} you give {found:g}; it is {right:g}.")

    return mark(answer, cosine, examine)


def nearest_voice(vector_S: ArrayLike, known: Mapping[str, ArrayLike]) -> str:
    """The name of the voice whose vector makes the smallest angle with this one."""
    return max(known, key=lambda name: cosine(vector_S, known[name]))


def check_nearest_voice(answer: Function) -> Function:
    """Check that the angle decides, not the distance and not the first name."""
    known = {"long": np.array([9.0, 9.0]), "near": np.array([1.0, 0.1])}
    cases = (
        ("a vector in the direction of the long one", np.array([1.0, 0.9]), "long"),
        ("a vector in the direction of the short one", np.array([9.0, 0.5]), "near"),
        ("a vector that points away from both", np.array([-1.0, -0.2]), "long"),
    )

    def examine(find: Function) -> None:
        for question, vector, right in cases:
            found = find(vector, dict(known))
            if found not in known:
                raise Wrong(f"For {question} you give {found!r}; give a voice's name.")
            if found != right:
                raise Wrong(
                    f"For {question} you give '{found}'; '{right}' makes the smaller "
                    "angle. Distance is not what counts: vectors differ in length."
                )

    return mark(answer, nearest_voice, examine)


def prompt_positions(assistant_start: int, num_reference: int) -> tuple[int, int]:
    """Where the speaker code and the first reference code stand."""
    kept = min(num_reference, assistant_start - 1)
    first = assistant_start - kept
    return first - 1, first


def check_prompt_positions(answer: Function) -> Function:
    """Check prompts that fit and prompts that are cut."""

    def examine(place: Function) -> None:
        for start, frames in ((40, 25), (30, 0), (20, 25), (26, 25), (2, 25)):
            question = f"an answer at position {start} and {frames} reference frames"
            found = tuple(map(int, place(start, frames)))
            right = prompt_positions(start, frames)
            if len(found) != 2:
                raise Wrong(f"For {question} you give {found}; two numbers are wanted.")
            if min(found) < 0:
                raise Wrong(
                    f"For {question} you give {found}: there is no position below 0. A "
                    "long prompt loses its beginning, and one position stays for the "
                    "speaker."
                )
            if found != right:
                raise Wrong(f"For {question} you give {found}; it is {right}.")

    return mark(answer, prompt_positions, examine)
