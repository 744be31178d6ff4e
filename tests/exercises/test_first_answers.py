"""The checkers of the quickstart pass right answers and say what others lack."""

import re

import numpy as np
import pytest

from minimind_o.exercises import first_answers as exercises
from tests.exercises.verdicts import stub


def own_gather(events):
    sounds = [e.pcm_N for e in events if hasattr(e, "pcm_N")]
    wave = np.concatenate(sounds) if sounds else np.zeros(0, np.float32)
    return events[-1].text, wave


def twice(events):
    return "".join(getattr(e, "text", "") for e in events), own_gather(events)[1]


def own_probabilities(logits, temperature):
    if temperature == 0:
        return [float(i == np.argmax(logits)) for i in range(len(logits))]
    powers = np.exp(np.array(logits - np.max(logits)) / temperature)
    return powers / powers.sum()


def bare(logits, temperature):
    return np.exp(logits / temperature) / np.exp(logits / temperature).sum()


def careful_but_zero(logits, temperature):
    return bare(logits - np.max(logits), temperature)


RIGHT = {
    "gather": own_gather,
    "probabilities": own_probabilities,
    "steps_until_heard": lambda frame, q: q + frame,
}


def checker(name):
    return getattr(exercises, f"check_{name}")


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_answer_passes_and_is_kept(name, capsys):
    assert checker(name)(RIGHT[name]) is RIGHT[name]
    assert capsys.readouterr().out.startswith("ok: ")


@pytest.mark.parametrize("name", RIGHT)
def test_an_empty_stub_is_to_do_and_the_reference_stands_in(name, capsys):
    assert checker(name)(stub) is getattr(exercises, name)
    assert capsys.readouterr().out.startswith("to do: stub returns nothing yet.")


@pytest.mark.parametrize("name", RIGHT)
def test_the_reference_passes_its_own_checker(name, capsys):
    checker(name)(getattr(exercises, name))
    assert capsys.readouterr().out.startswith("ok: ")


@pytest.mark.parametrize(
    ("name", "wrong", "words"),
    [
        ("gather", twice, "the text twice"),
        ("gather", lambda e: own_gather(e)[0], "return two things"),
        ("gather", lambda e: (own_gather(e)[0][1:], own_gather(e)[1]), "your text is"),
        ("gather", lambda e: (own_gather(e)[0], own_gather(e)[1][:1920]), "has shape"),
        (
            "gather",
            lambda e: (own_gather(e)[0], own_gather(e)[1][::-1]),
            "out of order",
        ),
        ("probabilities", lambda x, t: own_probabilities(x, 1.0), "For temperature 2"),
        (
            "probabilities",
            lambda x, t: own_probabilities(x * t, 1.0),
            "you multiply; divide",
        ),
        ("probabilities", bare, "take the maximum off"),
        ("probabilities", careful_but_zero, "divide by no 0"),
        ("probabilities", lambda x, t: own_probabilities(x, t)[:2], "return 4 numbers"),
        ("steps_until_heard", lambda frame, q: frame, "codebook 7 is 7 steps later"),
        ("steps_until_heard", lambda frame, q: frame + 8, "with 1 codebooks"),
    ],
)
def test_a_wrong_answer_is_refused_with_a_reason(name, wrong, words, capsys):
    assert checker(name)(wrong) is getattr(exercises, name)
    said = capsys.readouterr().out
    assert said.startswith("not yet: ")
    assert len(said.splitlines()) == 1
    assert re.search(words, said), said
