"""The checkers of chapter 1 pass right answers and say what is wrong with others."""

import numpy as np
import pytest

from minimind_o import tokenizer
from minimind_o.assets import Assets
from minimind_o.exercises import marking
from minimind_o.exercises import tokens_and_streams as exercises
from minimind_o.layout import IGNORE
from tests.exercises.verdicts import assert_right, assert_wrong, stub


@pytest.fixture(scope="module")
def nano_tokenizer():
    return tokenizer.load(Assets.find().tokenizer)


def own_find(text_ids, tok):
    last = max(i for i, token in enumerate(text_ids) if token == tok.turn_start_id)
    return last + len(tok.encode("<|im_start|>assistant\n"))


def first_answer(text_ids, tok):
    starts = [i for i, token in enumerate(text_ids) if token == tok.turn_start_id]
    return starts[1] + len(tok.encode("<|im_start|>assistant\n"))


def own_length(text_length, start, frames):
    return max(text_length, start + frames + 9)


def own_unstagger(grid, start, num_codes):
    frames = []
    for first in range(start + 1, grid.shape[1] - 7):
        frame = [grid[q, first + q] for q in range(8)]
        if frame[0] >= num_codes:
            break
        frames.append(frame)
    return np.array(frames, dtype=int).reshape(-1, 8).T


def undelayed(grid, start, num_codes):
    num_frames = own_unstagger(grid, start, num_codes).shape[1]
    return grid[:8, start + 1 : start + 1 + num_frames]


def with_stop(grid, start, num_codes):
    num_frames = own_unstagger(grid, start, num_codes).shape[1] + 1
    columns = np.arange(8)[:, None] + np.arange(num_frames)
    return np.take_along_axis(grid[:8], start + 1 + columns, axis=1)


def own_stagger(codes, delays, pad):
    width = codes.shape[1] + max(delays)
    rows = [
        [pad] * d + list(row) + [pad] * (width - d - len(row))
        for row, d in zip(codes, delays, strict=True)
    ]
    return np.array(rows)


def own_diagnose(spec, example):
    grid, labels = example.grid[:8], example.audio_labels
    where = [np.flatnonzero(row != IGNORE) for row in labels]
    if any((labels[q, at] != grid[q, at + 1]).any() for q, at in enumerate(where)):
        return "shifted labels"
    firsts = [at[0] - example.assistant_start for at in where]
    if min(firsts) < 0:
        return "labelled prompt"
    if firsts != list(range(8)):
        return "no delay"
    return "fine" if len({len(at) for at in where}) == 1 else "half frame"


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (exercises.check_num_positions, own_length),
        (exercises.check_unstagger, own_unstagger),
        (exercises.check_stagger, own_stagger),
        (exercises.check_diagnose, own_diagnose),
    ],
)
def test_a_right_answer_passes_and_a_stub_is_to_do(check, answer, capsys):
    assert_right(check, answer, capsys)


@pytest.mark.parametrize(
    ("check", "answer", "words"),
    [
        (exercises.check_num_positions, lambda t, a, f: a + f + 9, "beyond the sound"),
        (
            exercises.check_num_positions,
            lambda t, a, f: max(t, a + f),
            "layer 7 has its stop at",
        ),
        (
            exercises.check_num_positions,
            lambda t, a, f: float(a),
            "a whole number is wanted",
        ),
        (
            exercises.check_unstagger,
            undelayed,
            "layer q begins q positions after layer 0",
        ),
        (exercises.check_unstagger, with_stop, "hold 514, a special code"),
        (
            exercises.check_unstagger,
            lambda g, a, n: g[:8, :3],
            "ends before layer 0's first",
        ),
        (
            exercises.check_unstagger,
            lambda g, a, n: own_unstagger(g, a, n)[:, ::-1],
            "row 0, column",
        ),
        (
            exercises.check_unstagger,
            lambda g, a, n: own_unstagger(g, a, n).T,
            "must be (8, 6)",
        ),
        (
            exercises.check_stagger,
            lambda c, d, p: c,
            "shape (8, 5); it must be (8, 13)",
        ),
        (
            exercises.check_stagger,
            lambda c, d, p: own_stagger(c, d, 0),
            "holds 0; it must be 513",
        ),
        (
            exercises.check_stagger,
            lambda c, d, p: own_stagger(c, sorted(d), p),
            "delays 2, 0, 1",
        ),
        (exercises.check_diagnose, lambda s, e: "fine", "you say 'fine'; it is"),
        (
            exercises.check_diagnose,
            lambda s, e: "broken",
            "the answers are 'fine', 'shifted",
        ),
        (
            exercises.check_diagnose,
            lambda s, e: e.nonsense,
            "stops with AttributeError",
        ),
    ],
)
def test_a_wrong_answer_is_told_why(check, answer, words, capsys):
    assert_wrong(check, answer, words, capsys)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (own_find, "ok: own_find is right."),
        (first_answer, "For two questions you give"),
        (lambda ids, tok: own_find(ids, tok) - 1, "the last answer begins with 'Two'"),
        (stub, "to do"),
    ],
)
def test_finding_the_answer(answer, words, nano_tokenizer, capsys):
    kept = exercises.check_find_assistant_start(answer, nano_tokenizer)
    assert (kept is answer) == (answer is own_find)
    assert words in capsys.readouterr().out


@pytest.mark.parametrize("fault", exercises.DIAGNOSES)
def test_every_fault_is_asked_for_and_told_from_the_others(fault, capsys):
    def blind(spec, example):
        right = exercises.diagnose(spec, example)
        return right if right != fault else exercises.DIAGNOSES[fault == "fine"]

    exercises.check_diagnose(blind)
    assert f"it is '{fault}'" in capsys.readouterr().out


def test_an_answer_that_writes_into_its_input_spoils_nothing(capsys):
    def careless(codes, delays, pad):
        out = own_stagger(codes, delays, pad)
        codes[:] = -1
        return out

    assert exercises.check_stagger(careless) is careless


def test_arrays_of_another_shape_are_not_broadcast():
    with pytest.raises(marking.Wrong, match="shape"):
        marking.same_array(np.zeros((1, 1)), np.zeros((2, 3)), "a case")
