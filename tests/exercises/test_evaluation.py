"""The checkers of chapter 11 pass right answers and say what is wrong with others."""

import re
from functools import cache

import jiwer
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimind_o.evaluation.numerals import english_number
from minimind_o.exercises import evaluation as exercises
from tests.exercises.verdicts import assert_right, assert_wrong


def own_distance(reference, heard):
    @cache
    def rest(i, j):
        if i == len(reference) or j == len(heard):
            return len(reference) - i + len(heard) - j
        swap = rest(i + 1, j + 1) + (reference[i] != heard[j])
        return min(swap, rest(i + 1, j) + 1, rest(i, j + 1) + 1)

    return rest(0, 0)


def own_interval(values, num_draws, rng):
    means = [
        np.mean([values[i] for i in rng.integers(len(values), size=len(values))])
        for _ in range(num_draws)
    ]
    means.sort()
    return means[int(0.025 * num_draws)], means[int(0.975 * num_draws)]


def own_spelling(text):
    words = []
    for word in text.lower().split():
        sign = "minus " if re.match(r"-\d", word) else ""
        whole, dot, part = word.strip(".!?,-").replace(",", "").partition(".")
        if whole.isdigit():
            whole = (
                sign + english_number(int(whole)) + (f" point {part}" if dot else "")
            )
        words.append(whole.replace("-", " "))
    return " ".join(" ".join(words).split())


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (exercises.check_edit_distance, own_distance),
        (exercises.check_bootstrap_interval, own_interval),
        (exercises.check_spell_out, own_spelling),
    ],
)
def test_a_right_answer_passes_and_a_stub_is_to_do(check, answer, capsys):
    assert_right(check, answer, capsys)


def in_place(reference, heard):
    """Compare letter by letter, without any shift."""
    pairs = zip(reference, heard, strict=False)
    return sum(a != b for a, b in pairs) + abs(len(reference) - len(heard))


def spread(values, num_draws, rng):
    return tuple(np.percentile(values, [2.5, 97.5]))


def without_replacement(values, num_draws, rng):
    return tuple(
        np.percentile([rng.permutation(values).mean() for _ in range(99)], [2.5, 97.5])
    )


def half(values, num_draws, rng):
    means = rng.choice(values, (num_draws, len(values))).mean(axis=1)
    return tuple(np.percentile(means, [25, 75]))


def letters_only(text):
    text = re.sub(r"\d+", lambda m: english_number(int(m[0])), text.lower())
    return re.sub(r"[^a-z ]", "", text)


def letters_and_spaces(text):
    text = text.replace(",", "")
    text = re.sub(r"\d+", lambda m: english_number(int(m[0])), text.lower())
    return " ".join(re.sub(r"[^a-z]", " ", text).split())


@pytest.mark.parametrize(
    ("check", "answer", "words"),
    [
        (exercises.check_edit_distance, in_place, "is only shifted"),
        (exercises.check_edit_distance, lambda a, b: 0.5, "a whole number is wanted"),
        (exercises.check_bootstrap_interval, spread, "that of their *mean*"),
        (exercises.check_bootstrap_interval, without_replacement, "no width"),
        (exercises.check_bootstrap_interval, half, "percentile of the means"),
        (exercises.check_bootstrap_interval, lambda v, n, r: 1.0, "two numbers"),
        (exercises.check_bootstrap_interval, lambda v, n, r: (2, 1), "above your high"),
        (exercises.check_spell_out, letters_only, "an error where there is none"),
        (exercises.check_spell_out, letters_and_spaces, "the error is hidden"),
        (exercises.check_spell_out, lambda text: "", "the error is hidden"),
        (exercises.check_spell_out, lambda text: 1, "a text is wanted"),
    ],
)
def test_a_wrong_answer_is_told_why(check, answer, words, capsys):
    assert_wrong(check, answer, words, capsys)


@given(st.text("abc", max_size=8), st.text("abc", max_size=8))
def test_the_distance_is_the_number_of_errors_that_jiwer_counts(reference, heard):
    output = jiwer.process_words(" ".join(reference), " ".join(heard))
    errors = output.substitutions + output.deletions + output.insertions
    assert exercises.edit_distance(reference, heard) == errors
