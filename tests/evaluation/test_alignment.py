"""An alignment names the words that an error rate only counts."""

import pytest

from minimind_o.evaluation.alignment import align, confusions, count_changes, marked
from minimind_o.evaluation.error_rates import word_errors

PAIRS = [
    ("A red house.", "a red house", "en", "a red house"),
    ("A pig says oink.", "a pig says", "en", "a pig says [-oink-]"),
    ("An owl eats mice.", "an owl eats grass", "en", "an owl eats [-mice-]{+grass+}"),
    ("The sky", "the blue sky", "en", "the {+blue+} sky"),
    ("It is 21.", "it is twenty four", "en", "it is twenty [-one-]{+four+}"),
    ("羊喜欢吃草。", "鸟 喜 欢 吃", "zh", "[-羊-]{+鸟+} 喜 欢 吃 [-草-]"),
    ("two words", "", "en", "[-two words-]"),
    ("", "noise", "en", "{+noise+}"),
    ("", "", "en", ""),
]


@pytest.mark.parametrize(("text", "heard", "language", "expected"), PAIRS)
def test_every_word_stands_where_it_was_lost_or_found(
    text: str, heard: str, language: str, expected: str
) -> None:
    chunks = align(text, heard, language)
    assert marked(chunks) == expected
    counts = count_changes(chunks)
    errors = word_errors(text, heard, language)
    assert counts["substitute"] + counts["delete"] + counts["insert"] == errors.errors
    assert counts["equal"] + counts["substitute"] + counts["delete"] == errors.length


def test_confusions_pair_the_words_in_order_and_count_them() -> None:
    pairs = [("a big cat", "the pig cat"), ("a dog", "the"), ("", "the")]
    chunks = [c for text, heard in pairs for c in align(text, heard, "en")]
    assert confusions(chunks) == {
        ("a", "the"): 2,
        ("big", "pig"): 1,
        ("dog", ""): 1,
        ("", "the"): 1,
    }
