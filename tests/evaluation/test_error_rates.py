"""Error counts of pairs whose edits can be counted by hand."""

import pytest

from minimind_o.evaluation.error_rates import character_errors, word_errors


@pytest.mark.parametrize(
    ("reference", "hypothesis", "language", "character", "word"),
    [
        ("The cat.", "the cat", "en", (0, 6), (0, 2)),
        ("the cat", "the bat sat", "en", (4, 6), (2, 2)),
        ("a blue sky", "a sky", "en", (4, 8), (1, 3)),
        ("It is 21.", "it is twenty one", "en", (0, 13), (0, 4)),
        ("今天星期一。", "今天星期二", "zh", (1, 5), (1, 5)),
        ("21", "二十一", "zh", (0, 3), (0, 3)),
        ("", "", "en", (0, 0), (0, 0)),
        ("", "so", "en", (2, 0), (1, 0)),
        ("so", "", "en", (2, 2), (1, 1)),
    ],
)
def test_edits_are_counted_as_by_hand(
    reference: str,
    hypothesis: str,
    language: str,
    character: tuple[int, int],
    word: tuple[int, int],
) -> None:
    by_character = character_errors(reference, hypothesis, language)
    by_word = word_errors(reference, hypothesis, language)
    assert (by_character.errors, by_character.length) == character
    assert (by_word.errors, by_word.length) == word


def test_rate_is_errors_per_reference_unit_even_without_one() -> None:
    assert character_errors("cat", "cut", "en").rate == pytest.approx(1 / 3)
    assert word_errors("", "two words", "en").rate == 2
    assert word_errors("", "", "en").rate == 0
