"""Mark an exercise: the verdict in one sentence, and something right to go on with.

A notebook says ``unstagger = exercises.check_unstagger(unstagger)``. The verdict is
printed; what comes back is the learner's function where it is right and the package's
own where it is not, so that the rest of the notebook runs either way.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

Function = Callable[..., Any]
MAX_DIFFERENCE = 1e-4


class Wrong(Exception):
    """What is wrong with an answer, in one sentence that helps."""


class _Unanswered(Exception):
    """The stub is still empty."""


def mark(
    answer: Function, reference: Function, examine: Callable[[Function], None]
) -> Function:
    """Print a verdict on `answer` and return it if it is right, else `reference`.

    Args:
        answer: the learner's function; returning None means: not written yet.
        reference: the package's own function with the same arguments.
        examine: calls the function it is given and raises `Wrong` with the reason.
    """
    name = getattr(answer, "__name__", "your answer")

    def asked(*arguments: Any) -> Any:
        value = answer(*map(_own_copy, arguments))
        if value is None or value is ...:
            raise _Unanswered
        return value

    try:
        examine(asked)
    except (_Unanswered, NotImplementedError):
        verdict = f"to do: {name} returns nothing yet."
    except Wrong as fault:
        verdict = f"not yet: {fault}"
    except Exception as error:  # whatever a learner's code raises is an answer
        verdict = f"not yet: {name} stops with {type(error).__name__}: {error}."
    else:
        print(f"ok: {name} is right.")
        return answer
    print(f"{verdict} Until then the package's own stands in.")
    return reference


def _own_copy(argument: Any) -> Any:
    # An answer that writes into its input must spoil nothing.
    own = isinstance(argument, np.ndarray | list)
    return copy.copy(argument) if own else argument


def same_number(found: Any, expected: int, question: str, because: str) -> None:
    """Compare whole numbers.

    Raises:
        Wrong: saying for which `question`, and `because` of what.
    """
    if isinstance(found, bool) or not isinstance(found, int | np.integer):
        raise Wrong(f"For {question} you give {found!r}; a whole number is wanted.")
    if found != expected:
        raise Wrong(f"For {question} you give {found}; it is {expected}: {because}.")


def same_shape(found: Any, right: Any) -> None:
    """Compare the shapes of two tensors.

    Raises:
        Wrong: with both of them.
    """
    if tuple(found.shape) != tuple(right.shape):
        raise Wrong(
            f"The result has shape {tuple(found.shape)}; it must be "
            f"{tuple(right.shape)}."
        )


def same_numbers(
    found: Tensor, right: Tensor, faults: Mapping[str, Tensor], whose: str = "package"
) -> None:
    """Compare two tensors, shapes and all, to 1e-4.

    Args:
        faults: what would come out of a mistake, by what to say of it.
        whose: the numbers that are right.

    Raises:
        Wrong: with the mistake, where it is a known one.
    """
    same_shape(found, right)
    for fault, wrong in faults.items():
        if torch.allclose(found, wrong, atol=MAX_DIFFERENCE):
            raise Wrong(f"So far so good, but {fault}.")
    if not torch.allclose(found, right, atol=MAX_DIFFERENCE):
        raise Wrong(f"The numbers differ from the {whose}'s.")


def same_array(found: Any, expected: np.ndarray, question: str) -> None:
    """Compare integer arrays (rows are layers, columns positions or frames).

    Raises:
        Wrong: with the two shapes, or the first cell that differs.
    """
    array = np.asarray(found)
    if array.shape != expected.shape:
        raise Wrong(
            f"For {question} your array has shape {array.shape}; "
            f"it must be {expected.shape}."
        )
    differs = np.argwhere(array != expected)
    if len(differs):
        row, column = map(int, differs[0])
        raise Wrong(
            f"For {question} row {row}, column {column} holds {array[row, column]}; "
            f"it must be {expected[row, column]}."
        )
