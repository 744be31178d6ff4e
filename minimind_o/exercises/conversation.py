"""Chapter 9: answers and checkers for conversation in real time."""

from __future__ import annotations

from collections.abc import Sequence

from minimind_o.exercises.marking import Function, Wrong, mark, same_number
from minimind_o.realtime.heard import heard_part

# The delayed schedule


def whole_frames(steps: int, num_codebooks: int) -> int:
    """Frames all of whose codes exist after so many steps of the model."""
    return max(0, steps - num_codebooks + 1)


def check_whole_frames(answer: Function) -> Function:
    """Check before the first frame, at it, and long after."""

    def examine(count: Function) -> None:
        because = "codebook q writes a frame q steps after codebook 0"
        for steps, codebooks in ((0, 8), (7, 8), (8, 8), (9, 8), (100, 8), (3, 1)):
            question = f"{steps} steps and {codebooks} codebooks"
            right = whole_frames(steps, codebooks)
            same_number(count(steps, codebooks), right, question, because)

    return mark(answer, whole_frames, examine)


# The end of an utterance


def end_of_speech(probabilities: Sequence[float], patience: int) -> int:
    """The window at which it has been silent for `patience` windows after speech.

    Speech is 0.5 and more, silence below 0.35; what is between them is neither new
    speech nor silence. -1: not yet.
    """
    has_spoken, silent = False, 0
    for window, probability in enumerate(probabilities):
        has_spoken = has_spoken or probability >= 0.5
        silent = silent + 1 if has_spoken and probability < 0.35 else 0
        if silent == patience:
            return window
    return -1


def check_end_of_speech(answer: Function) -> Function:
    """Check silence alone, a pause, what is in between, and an end."""
    cases = (
        ("silence alone", [0.0] * 9, 3),
        ("speech that goes on", [0.0, 0.9, 0.9, 0.8], 2),
        ("speech and then silence", [0.1, 0.9, 0.9, 0.1, 0.1, 0.1, 0.1], 3),
        ("a pause that is too short", [0.9, 0.1, 0.1, 0.9, 0.1, 0.1, 0.1], 3),
        ("a window of 0.4 in the silence", [0.9, 0.1, 0.1, 0.4, 0.1, 0.1, 0.1], 3),
    )

    def examine(find: Function) -> None:
        for question, probabilities, patience in cases:
            right = end_of_speech(probabilities, patience)
            because = f"the probabilities are {probabilities}, the patience {patience}"
            same_number(find(list(probabilities), patience), right, question, because)

    return mark(answer, end_of_speech, examine)


# What was heard


def heard_words(text: str, played: int, there_are: int) -> str:
    """The words of a whole answer of which all sound was played (in samples)."""
    return heard_part(text, played, there_are, is_whole=True)


def check_heard_words(answer: Function) -> Function:
    """Check nothing, all, a cut between words and one inside a word."""
    text = "January, February, March, April and May."

    def examine(heard: Function) -> None:
        for played in (0, 1000, 4000, 4600, 9999, 10_000):
            found = heard(text, played, 10_000)
            right = heard_words(text, played, 10_000)
            question = f"For {played:,} of 10,000 samples you give {found!r}"
            if not isinstance(found, str):
                raise Wrong(f"{question}; a text is wanted.")
            if found.strip() == right.strip():
                continue
            if not text.startswith(found):
                raise Wrong(f"{question}, which nobody has said.")
            if len(found) > len(right):
                raise Wrong(
                    f"{question}; its last word was not heard to its end: {right!r}."
                )
            raise Wrong(f"{question}; more was heard: {right!r}.")

    return mark(answer, heard_words, examine)
