"""The checkers of chapter 2 pass right answers and say what is wrong with others."""

import math

import numpy as np
import pytest
import torch

from minimind_o.assets import Assets
from minimind_o.exercises import speech_as_codes as exercises
from minimind_o.frozen.mimi import load_mimi
from tests.exercises.verdicts import assert_right, assert_wrong, stub


@pytest.fixture(scope="module")
def mimi():
    return load_mimi(Assets.find().mimi)


@pytest.fixture(scope="module")
def codes_QT():
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 512, (8, 20), generator=generator)


def own_bits(num_codebooks, num_codes, frame_rate):
    return num_codebooks * frame_rate * math.log(num_codes) / math.log(2)


def own_round_off(vectors, books):
    codes = torch.zeros(len(books), len(vectors), dtype=torch.long)
    for frame, vector in enumerate(vectors):
        for q, book in enumerate(books):
            codes[q, frame] = ((book - vector) ** 2).sum(dim=1).argmin()
            vector = vector - book[codes[q, frame]]
    return codes


def careless_round_off(vectors, books):
    codes = []
    for book in books:
        code = torch.cdist(vectors, book).argmin(dim=-1)
        vectors -= book[code]
        codes.append(code)
    return torch.stack(codes)


def rounding_anew(vectors, books):
    return torch.stack([torch.cdist(vectors, b).argmin(dim=-1) for b in books])


def own_accuracy(codes, labels, new_codes, new_labels):
    def common(values):
        return max(sorted(set(values)), key=list(values).count)

    right = 0
    for code, label in zip(new_codes, new_labels, strict=True):
        seen = labels[codes == code]
        right += common(seen if len(seen) else labels) == label
    return right / len(new_labels)


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (exercises.check_bits_per_second, own_bits),
        (exercises.check_round_off, own_round_off),
        (exercises.check_lookup_accuracy, own_accuracy),
    ],
)
def test_a_right_answer_passes_and_a_stub_is_to_do(check, answer, capsys):
    assert_right(check, answer, capsys)


def test_an_answer_that_writes_into_its_input_spoils_nothing(capsys):
    assert exercises.check_round_off(careless_round_off) is careless_round_off


@pytest.mark.parametrize(
    ("check", "answer", "words"),
    [
        (exercises.check_bits_per_second, lambda q, k, f: q * f, "9 bits"),
        (
            exercises.check_bits_per_second,
            lambda q, k, f: q * k * f,
            "you give 51200.0; it is 900.0",
        ),
        (exercises.check_round_off, rounding_anew, "subtract the chosen entry"),
        (
            exercises.check_round_off,
            lambda v, b: own_round_off(v, b).T,
            "must be (1, 5)",
        ),
        (
            exercises.check_round_off,
            lambda v, b: own_round_off(v, b) + 1,
            "row 0, column 0",
        ),
        (
            exercises.check_lookup_accuracy,
            lambda c, x, n, y: own_accuracy(c, x, c, x),
            "score it on the new ones",
        ),
        (
            exercises.check_lookup_accuracy,
            lambda c, x, n, y: own_accuracy(c, x, n, y) - 0.5 * (9 in n),
            "never seen",
        ),
    ],
)
def test_a_wrong_answer_is_told_why(check, answer, words, capsys):
    assert_wrong(check, answer, words, capsys)


def own_speech(mimi, frames):
    with mimi.streaming(1):
        for codes in frames:
            yield mimi.step(codes.view(1, 8, 1)).view(-1)


def forgetful(mimi, frames):
    for codes in frames:
        yield mimi.decode(codes.view(1, 8, 1)).view(-1)


def patient(mimi, frames):
    yield from own_speech(mimi, list(frames))


def in_pairs(mimi, frames):
    yield torch.cat([next(frames_of := own_speech(mimi, frames)), next(frames_of)])
    yield from frames_of


def left_open(mimi, frames):
    mimi.model.streaming_forever(1)
    for codes in frames:
        yield mimi.step(codes.view(1, 8, 1)).view(-1)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (own_speech, "ok: own_speech is right."),
        (stub, "to do"),
        (forgetful, "frame 1 is not that of offline decoding"),
        (patient, "You read 12 frames before the first sound"),
        (in_pairs, "You read 2 frames before the first sound"),
        (left_open, "leave the codec's stream open"),
        (lambda m, f: m.nonsense, "stops with AttributeError"),
        (lambda m, f: list(own_speech(m, f))[:3], "You read 12 frames"),
    ],
)
def test_speaking_as_it_comes(answer, words, mimi, codes_QT, capsys):
    kept = exercises.check_speak_as_it_comes(answer, mimi, codes_QT)
    assert (kept is answer) == (answer is own_speech)
    assert words in capsys.readouterr().out
    assert not mimi.model.is_streaming


def test_the_reference_speaks_without_waiting(mimi, codes_QT):
    sounds = list(exercises.speak_as_it_comes(mimi, codes_QT.T))
    offline = mimi.decode(codes_QT[None])[0]
    assert np.abs(torch.cat(sounds) - offline).max() < 1e-4
