"""The checkers of chapter 3 pass right answers and say what is wrong with others."""

import pytest
import torch
import torch.nn.functional as F

from minimind_o.assets import Assets
from minimind_o.exercises import encoders as exercises
from minimind_o.frozen.sensevoice import load_sensevoice
from tests.exercises.verdicts import assert_right, assert_wrong


def own_num_states(milliseconds):
    windows = len(range(0, milliseconds - 24, 10))
    return len(range(0, windows, 6))


def own_project(states, projector):
    centred = states - states.mean(-1, keepdim=True)
    scaled = centred / (centred.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    normed = scaled * projector.norm.weight + projector.norm.bias
    hidden = normed @ projector.input_proj.weight.T + projector.input_proj.bias
    return F.gelu(hidden) @ projector.output_proj.weight.T + projector.output_proj.bias


def own_inject(embedded, is_placeholder, projected):
    out, states = embedded.clone(), iter(projected)
    for row, position in is_placeholder.nonzero().tolist():
        out[row, position] = next(states)
    return out


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (exercises.check_num_states, own_num_states),
        (exercises.check_project, own_project),
        (exercises.check_inject, own_inject),
    ],
)
def test_a_right_answer_passes_and_a_stub_is_to_do(check, answer, capsys):
    assert_right(check, answer, capsys)


def in_place(embedded, is_placeholder, projected):
    embedded[is_placeholder] = projected
    return embedded


def backwards(embedded, is_placeholder, projected):
    return own_inject(embedded, is_placeholder, projected.flip(0))


@pytest.mark.parametrize(
    ("check", "answer", "words"),
    [
        (exercises.check_num_states, lambda ms: ms // 60, "six to a state"),
        (
            exercises.check_project,
            lambda s, p: p.output_proj(p.input_proj(p.norm(s))),
            "the GELU is missing",
        ),
        (
            exercises.check_project,
            lambda s, p: p.output_proj(F.gelu(p.input_proj(s))),
            "the norm is missing",
        ),
        (exercises.check_project, lambda s, p: s, "it must be (2, 4, 5)"),
        (exercises.check_inject, in_place, "make a copy"),
        (exercises.check_inject, backwards, "in order"),
        (exercises.check_inject, lambda e, m, p: e * 0, "no placeholder has changed"),
    ],
)
def test_a_wrong_answer_is_told_why(check, answer, words, capsys):
    assert_wrong(check, answer, words, capsys)


def test_the_rule_is_the_encoders_own() -> None:
    sensevoice = load_sensevoice(Assets.find().sensevoice)
    for milliseconds in (1000, 85, 86, 3333):
        wave = torch.randn(16 * milliseconds).numpy() * 0.1
        _, lengths = sensevoice.features([wave], 16_000)
        assert int(lengths[0]) == exercises.num_states(milliseconds)
