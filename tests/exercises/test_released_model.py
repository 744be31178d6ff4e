"""The checkers of chapter 13 pass right answers and say what is wrong with others."""

import json

import pytest

from minimind_o.exercises import released_model as exercises
from tests.exercises.verdicts import assert_right, assert_wrong


def own_block(width, heads, kv_heads, inner):
    head = width // heads
    queries = width * heads * head
    keys = width * kv_heads * head
    return 2 * queries + 2 * keys + 3 * inner * width + width + width + head + head


def own_name(ours):
    for old, new in (
        ("audio_projector", "audio_proj"),
        ("image_projector", "vision_proj"),
        (".norm", ".mlp.0"),
        (".input_proj", ".mlp.1"),
        (".output_proj", ".mlp.3"),
    ):
        ours = ours.replace(old, new)
    return ours


def own_bytes(parameters, learning):
    return (parameters - learning) * 4 + learning * 16


def own_judgement(row):
    turns = json.loads(row["conversations"])
    if turns[-1]["role"] != "assistant":
        return False
    for codes in [row["ref_audios"] or [], *row["answer_audios"]]:
        if len(codes) % 8 or not all(code in range(2048) for code in codes):
            return False
    return True


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (exercises.check_block_parameters, own_block),
        (exercises.check_released_projector_name, own_name),
        (exercises.check_training_bytes, own_bytes),
        (exercises.check_is_fit, own_judgement),
    ],
)
def test_a_right_answer_passes_and_a_stub_is_to_do(check, answer, capsys):
    assert_right(check, answer, capsys)


def without_norms(width, heads, kv_heads, inner):
    return own_block(width, heads, kv_heads, inner) - 2 * width - 2 * width // heads


def as_many_keys(width, heads, kv_heads, inner):
    return own_block(width, heads, heads, inner)


def without_the_gelu(ours):
    return own_name(ours).replace("mlp.3", "mlp.2")


@pytest.mark.parametrize(
    ("check", "answer", "words"),
    [
        (exercises.check_block_parameters, without_norms, "the four norms are missing"),
        (exercises.check_block_parameters, as_many_keys, "fewer heads than queries"),
        (exercises.check_block_parameters, lambda *sizes: 7, "11 parameter tensors"),
        (exercises.check_released_projector_name, without_the_gelu, "is the GELU"),
        (exercises.check_released_projector_name, lambda name: name, "the file has"),
        (exercises.check_training_bytes, lambda p, n: 16 * p, "does not learn"),
        (exercises.check_training_bytes, lambda p, n: 4 * p + 8 * n, "gradient itself"),
        (exercises.check_is_fit, lambda row: True, "17 codes"),
        (exercises.check_is_fit, lambda row: False, "nothing is wrong"),
        (
            exercises.check_is_fit,
            lambda row: own_judgement({**row, "ref_audios": None}),
            "You let a row pass, but its voice prompt holds the code 2050.",
        ),
    ],
)
def test_a_wrong_answer_is_told_why(check, answer, words, capsys):
    assert_wrong(check, answer, words, capsys)
