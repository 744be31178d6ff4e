"""Quickstart: answers and checkers for events, temperature and the first sound.

Shape legend: N sample, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from minimind_o.exercises.marking import Function, Wrong, mark, same_number
from minimind_o.generation.events import AudioEvent, EndEvent, Event, TextEvent, Timings

Floats = NDArray[np.floating]


def gather(events: Iterable[Event]) -> tuple[str, Floats]:
    """The whole text and the whole sound (N,) of an answer."""
    text = ""
    pieces: list[Floats] = [np.zeros(0, np.float32)]
    for event in events:
        if isinstance(event, TextEvent):
            text += event.text
        elif isinstance(event, AudioEvent):
            pieces.append(event.pcm_N)
    return text, np.concatenate(pieces)


def check_gather(answer: Function) -> Function:
    """Check an answer with sound, one whose text outlasts it, and a silent one."""

    def examine(collect: Function) -> None:
        for question, order in (
            ("text and sound in turn", "ttatataaa"),
            ("text that goes on after the sound", "taatt"),
            ("an answer without sound", "tt"),
        ):
            events = _events(order)
            right_text, right_wave = gather(events)
            found = collect(list(events))
            if not (isinstance(found, tuple | list) and len(found) == 2):
                raise Wrong(f"For {question} return two things: the text, the sound.")
            text, wave = found[0], np.asarray(found[1])
            if text == right_text * 2:
                raise Wrong(
                    f"For {question} you have the text twice: the EndEvent repeats it."
                )
            if text != right_text:
                raise Wrong(
                    f"For {question} your text is {text!r}; it is {right_text!r}."
                )
            if wave.shape != right_wave.shape:
                raise Wrong(
                    f"For {question} your sound has shape {wave.shape}; "
                    f"it must be {right_wave.shape}."
                )
            if not np.array_equal(wave, right_wave):
                raise Wrong(f"For {question} your pieces of sound are out of order.")

    return mark(answer, gather, examine)


def probabilities(logits_V: Floats, temperature: float) -> Floats:
    """Probability of each token (V,) at a temperature; 0: all on the likeliest."""
    logits_V = np.asarray(logits_V, float)
    if temperature == 0:
        return np.eye(len(logits_V))[logits_V.argmax()]
    scaled = (logits_V - logits_V.max()) / temperature
    return np.exp(scaled) / np.exp(scaled).sum()


def check_probabilities(answer: Function) -> Function:
    """Check temperatures from 0 to 2, and logits too large for a bare exp."""

    def examine(soften: Function) -> None:
        plain = np.array([2.0, 1.0, 0.0, -1.0])
        for question, logits, temperature in (
            ("temperature 1", plain, 1.0),
            ("temperature 2", plain, 2.0),
            ("temperature 0.5", plain, 0.5),
            ("logits around 1000", plain + 1000, 1.0),
            ("temperature 0", plain, 0.0),
        ):
            with np.errstate(all="ignore"):
                found = np.asarray(soften(logits, temperature), float)
            right = probabilities(logits, temperature)
            if found.shape != right.shape:
                raise Wrong(f"For {question} return {len(right)} numbers.")
            if not np.isfinite(found).all():
                why = "divide by no 0" if temperature == 0 else "take the maximum off"
                raise Wrong(f"For {question} you give {found.tolist()}: {why} first.")
            wrong_way = probabilities(logits * temperature, 1.0)
            if temperature not in (0.0, 1.0) and np.allclose(found, wrong_way):
                raise Wrong(f"For {question} you multiply; divide the logits by it.")
            if not np.allclose(found, right, atol=1e-6):
                raise Wrong(
                    f"For {question} you give {found.round(3).tolist()}; "
                    f"it is {right.round(3).tolist()}."
                )

    return mark(answer, probabilities, examine)


def steps_until_heard(frame: int, num_codebooks: int) -> int:
    """Steps of the model, from the end of the prompt, until a frame can be decoded."""
    return frame + num_codebooks


def check_steps_until_heard(answer: Function) -> Function:
    """Check the first frame and later ones, with 8 codebooks and with fewer."""

    def examine(count: Function) -> None:
        for frame, num_codebooks in ((0, 8), (1, 8), (20, 8), (5, 1)):
            last = num_codebooks - 1
            same_number(
                count(frame, num_codebooks),
                steps_until_heard(frame, num_codebooks),
                f"frame {frame} with {num_codebooks} codebooks",
                f"codebook 0's code of it comes with step {frame + 1}, and codebook "
                f"{last} is {last} steps later",
            )

    return mark(answer, steps_until_heard, examine)


def _events(order: str) -> list[Event]:
    events: list[Event] = []
    text = ""
    for number, kind in enumerate(order):
        if kind == "t":
            piece = f" word{number}"
            text += piece
            events.append(TextEvent(text=piece, token_id=number))
        else:
            frame = order[:number].count("a")
            pcm = np.full(1920, 0.01 * (frame + 1), np.float32)
            codes = np.full(8, frame, np.int64)
            events.append(AudioEvent(pcm_N=pcm, frame=frame, codes_Q=codes))
    timings = Timings(
        time_to_first_text_s=0.0, time_to_first_audio_s=None, total_s=0.1, audio_s=0.0
    )
    codes_QF = np.zeros((8, order.count("a")), np.int64)
    events.append(
        EndEvent(reason="stop", text=text, codes_QF=codes_QF, timings=timings)
    )
    return events
