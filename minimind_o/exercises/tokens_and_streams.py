"""Chapter 1: answers and checkers for tokens and the nine streams.

Shape legend: S stream (Q audio streams, then text), Q codebook, F frame, T position.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from minimind_o.exercises.marking import (
    Function,
    Wrong,
    mark,
    same_array,
    same_number,
)
from minimind_o.layout import (
    IGNORE,
    Example,
    LayoutSpec,
    build_example,
    example_length,
    frame_position,
    read_codes,
)
from minimind_o.tokenizer import Tokenizer

IntArray = NDArray[np.int32]
SPEC = LayoutSpec(
    num_codes=512, audio_pad_token=513, audio_stop_token=514, audio_speaker_token=515
)
DIAGNOSES = ("fine", "shifted labels", "labelled prompt", "no delay", "half frame")

CONVERSATIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("one question and its answer", ("What is two plus two?", "Two plus two is four.")),
    ("two questions", ("Hello.", "Hello!", "What day is today?", "Today is Monday.")),
    ("a question in Mandarin", ("二加二等于几？", "二加二等于四。")),
)


def find_assistant_start(text_ids: Sequence[int], tokenizer: Tokenizer) -> int:
    """Position of the last answer's first token, in a conversation without thoughts."""
    header = tokenizer.encode("<|im_start|>assistant\n")
    ids = list(text_ids)
    places = range(len(ids) - len(header), -1, -1)
    return len(header) + next(p for p in places if ids[p : p + len(header)] == header)


def check_find_assistant_start(answer: Function, tokenizer: Tokenizer) -> Function:
    """Check that the answer's first token is found, whatever comes before it."""

    def examine(find: Function) -> None:
        for question, contents in CONVERSATIONS:
            roles = ("user", "assistant") * (len(contents) // 2)
            turns = [
                {"role": role, "content": content}
                for role, content in zip(roles, contents, strict=True)
            ]
            encoded = tokenizer.encode_conversation(turns)
            tokens = tokenizer.tokens(encoded.text_ids)
            found, right = find(encoded.text_ids, tokenizer), encoded.assistant_start
            because = f"the last answer begins with {tokens[right]!r}"
            if isinstance(found, int) and 0 <= found < len(tokens):
                because += f", you point at {tokens[found]!r}"
            same_number(found, right, question, because)

    return mark(answer, find_assistant_start, examine)


def num_positions(text_length: int, assistant_start: int, num_frames: int) -> int:
    """Positions T of an example: as long as its text or its slowest layer."""
    return example_length(SPEC, text_length, assistant_start, num_frames)


def check_num_positions(answer: Function) -> Function:
    """Check the length with long and short sounds."""

    def examine(count: Function) -> None:
        for text_length, start, frames in ((20, 12, 30), (20, 12, 0), (60, 12, 30)):
            stop = frame_position(start, 7, frames)
            sound = f"layer 7 has its stop at position {stop}"
            text = f"the text reaches position {text_length - 1}, beyond the sound"
            same_number(
                count(text_length, start, frames),
                num_positions(text_length, start, frames),
                f"text_length={text_length}, assistant_start={start}, "
                f"num_frames={frames}",
                text if text_length > stop else sound,
            )

    return mark(answer, num_positions, examine)


def unstagger(grid: IntArray, assistant_start: int, num_codes: int) -> IntArray:
    """The answer's codes (Q, F) out of a grid (S, T)."""
    spec = replace(SPEC, num_codebooks=len(grid) - 1, num_codes=num_codes)
    return read_codes(spec, grid, assistant_start)


def check_unstagger(answer: Function) -> Function:
    """Check reading back: whole, with a voice prompt, cut off, and silent answers."""

    def examine(read: Function) -> None:
        for seed, (question, frames, reference, length) in enumerate(
            (
                ("an answer of 6 frames", 6, 0, None),
                ("an answer of 1 frame", 1, 0, None),
                ("an answer behind a voice prompt", 5, 9, None),
                ("an answer of 12 frames in a grid cut after 30 positions", 12, 0, 30),
                ("an answer of no frames", 0, 0, None),
            )
        ):
            example, codes = _random_example(seed, frames, reference, length)
            start = example.assistant_start
            right = codes[:, : example.num_frames]
            found = np.asarray(read(example.grid, start, SPEC.num_codes))
            undelayed = example.grid[:-1, start + 1 : start + 1 + right.shape[1]]
            if right.shape[1] > 1 and np.array_equal(found, undelayed):
                raise Wrong(
                    f"For {question} you read all layers from the same position; "
                    "layer q begins q positions after layer 0."
                )
            if found.size and (found >= SPEC.num_codes).any():
                raise Wrong(
                    f"For {question} your codes hold {found.max()}, a special code; "
                    "the answer ends before layer 0's first special code."
                )
            same_array(found, right, question)

    return mark(answer, unstagger, examine)


def stagger(codes: IntArray, delays: Sequence[int], pad: int) -> IntArray:
    """Codes (Q, F) with layer q moved right by delays[q], pad everywhere else."""
    num_layers, num_frames = codes.shape
    out = np.full((num_layers, num_frames + max(delays)), pad, codes.dtype)
    for q, delay in enumerate(delays):
        out[q, delay : delay + num_frames] = codes[q]
    return out


def check_stagger(answer: Function) -> Function:
    """Check four delay patterns, one of them not a staircase."""

    def examine(move: Function) -> None:
        for question, delays in (
            ("delays 1, 2, …, 8", tuple(range(1, 9))),
            ("all delays 0", (0,) * 8),
            ("delay 0 for layer 0 and 1 for the others", (0,) + (1,) * 7),
            ("the delays 2, 0, 1", (2, 0, 1)),
        ):
            codes = np.arange(len(delays) * 5, dtype=np.int32).reshape(-1, 5)
            right = stagger(codes, delays, SPEC.audio_pad_token)
            same_array(move(codes, delays, SPEC.audio_pad_token), right, question)

    return mark(answer, stagger, examine)


def diagnose(spec: LayoutSpec, example: Example) -> str:
    """What is wrong with an example's audio streams: one of `DIAGNOSES`."""
    grid, labels = example.grid[:-1], example.audio_labels
    learned = labels != IGNORE
    start = example.assistant_start
    if (labels != grid[:, 1:])[learned].any():
        return "shifted labels"
    if learned[:, :start].any():
        return "labelled prompt"
    if any(learned[q, : start + q].any() for q in range(spec.num_codebooks)):
        return "no delay"
    if len(set(learned.sum(axis=1).tolist())) > 1:
        return "half frame"
    return "fine"


def check_diagnose(answer: Function) -> Function:
    """Check sound examples and four broken ones, each in several sizes."""

    def examine(look: Function) -> None:
        for question, example, right in _patients():
            found = look(SPEC, example)
            if found not in DIAGNOSES:
                names = ", ".join(map(repr, DIAGNOSES))
                raise Wrong(f"You answer {found!r}; the answers are {names}.")
            if found != right:
                raise Wrong(f"For {question} you say {found!r}; it is {right!r}.")

    return mark(answer, diagnose, examine)


def break_example(example: Example, fault: str) -> Example:
    """The example with one of the faults of `DIAGNOSES` but "half frame" in it."""
    labels, grid = example.audio_labels, example.grid.copy()
    start = example.assistant_start
    if fault == "shifted labels":
        return replace(example, audio_labels=np.roll(labels, 1, axis=1))
    if fault == "labelled prompt":
        labels = labels.copy()
        labels[:, : start - 1] = grid[:-1, 1:start]
        return replace(example, audio_labels=labels)
    if fault == "no delay":
        labels = labels.copy()
        for q in range(1, len(labels)):
            grid[q, start:] = np.roll(grid[q, start:], -q)
            labels[q, start:] = np.roll(labels[q, start:], -q)
        return replace(example, grid=grid, audio_labels=labels)
    raise ValueError(fault)


def _patients() -> Iterator[tuple[str, Example, str]]:
    for seed, (frames, reference) in enumerate(((6, 0), (11, 4), (9, 30))):
        example, _ = _random_example(seed, frames, reference, None)
        size = f"{frames} frames after {reference} of a voice prompt"
        yield f"a sound example of {size}", example, "fine"
        cut = example.grid.shape[1] - 4
        for keep, name in (("drop", "fine"), ("keep", "half frame")):
            part, _ = _random_example(seed, frames, reference, cut, keep)
            yield f"{size}, cut at position {cut}", part, name
        for fault in ("shifted labels", "labelled prompt", "no delay"):
            broken = break_example(example, fault)
            yield f"an example of {size} with a fault in it", broken, fault


def _random_example(
    seed: int,
    num_frames: int,
    num_reference: int,
    max_length: int | None,
    half_frames: str = "drop",
) -> tuple[Example, IntArray]:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, SPEC.num_codes, (8, num_frames), dtype=np.int32)
    example = build_example(
        SPEC,
        rng.integers(36, 2000, 18),
        12,
        codes,
        rng.integers(0, SPEC.num_codes, (8, num_reference)) if num_reference else None,
        max_length=max_length,
        half_frames=half_frames,  # type: ignore[arg-type]
    )
    return example, codes
