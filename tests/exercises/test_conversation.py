"""The checkers of chapter 9 pass right answers and say what is wrong with others."""

import pytest

from minimind_o.exercises import conversation as exercises
from tests.exercises.verdicts import assert_right


def own_frames(steps, num_codebooks):
    return 0 if steps < num_codebooks else steps - (num_codebooks - 1)


def own_end(probabilities, patience):
    starts = [i for i, p in enumerate(probabilities) if p >= 0.5]
    if not starts:
        return -1
    for end in range(starts[0] + patience, len(probabilities)):
        if all(p < 0.35 for p in probabilities[end - patience + 1 : end + 1]):
            return end
    return -1


def own_words(text, played, there_are):
    if played >= there_are:
        return text
    cut = text[: int(len(text) * played / there_are) + 1]
    return cut[: cut.rindex(" ")] if " " in cut else ""


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (exercises.check_whole_frames, own_frames),
        (exercises.check_end_of_speech, own_end),
        (exercises.check_heard_words, own_words),
    ],
)
def test_a_right_answer_passes_and_a_stub_is_to_do(check, answer, capsys):
    assert_right(check, answer, capsys)


@pytest.mark.parametrize(
    ("check", "answer", "words"),
    [
        (exercises.check_whole_frames, lambda n, q: n // q, "For 9 steps and 8"),
        (exercises.check_whole_frames, lambda n, q: n - q + 1, "For 0 steps"),
        (
            exercises.check_end_of_speech,
            lambda p, n: next((i for i, x in enumerate(p) if x < 0.35), -1),
            "For silence alone you give 0; it is -1",
        ),
        (
            exercises.check_heard_words,
            lambda text, played, n: text[: len(text) * played // n],
            "its last word was not heard to its end",
        ),
        (exercises.check_heard_words, lambda *_: "", "more was heard"),
        (exercises.check_heard_words, lambda *_: "hello", "which nobody has said"),
    ],
)
def test_what_is_wrong_is_said(check, answer, words, capsys):
    check(answer)
    assert words in capsys.readouterr().out
