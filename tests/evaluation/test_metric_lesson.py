"""Every normaliser of the lesson has the faults that the lesson tells of."""

import pytest

from minimind_o.evaluation.metric_lesson import NORMALISERS, PAIRS, judge


def faults(name: str) -> dict[tuple[str, str], str]:
    return {
        (verdict.pair.text, verdict.pair.heard): verdict.fault
        for verdict in judge(NORMALISERS[name])
        if verdict.fault
    }


def count(name: str, kind: str) -> int:
    return list(faults(name).values()).count(kind)


def test_without_a_normaliser_nothing_is_hidden_and_all_right_speech_is_wrong() -> None:
    assert count("none", "hidden") == 0
    assert count("none", "invented") == sum(pair.is_right for pair in PAIRS)


def test_the_more_is_normalised_the_fewer_are_invented_and_the_more_hidden() -> None:
    invented = [count(name, "invented") for name in NORMALISERS]
    hidden = [count(name, "hidden") for name in NORMALISERS]
    assert invented == sorted(invented, reverse=True)
    assert len(set(invented)) == 3
    assert hidden == [0, 1, 4]


def test_this_package_hides_signs_currency_and_apostrophes_and_no_number() -> None:
    found = faults("numbers, too")
    hidden = {text for (text, _), kind in found.items() if kind == "hidden"}
    assert hidden == {
        "It is -5 degrees.", "今天-5度。", "It costs $5.", "We're at home."
    }  # fmt: skip
    invented = {text for (text, _), kind in found.items() if kind == "invented"}
    assert invented == {
        "The answer is 50.", "It was in 1984.", "It is -5 degrees.", "I have two.",
        "他喜欢茶。",
    }  # fmt: skip


def test_the_speed_of_light_in_digits_alone_gives_a_rate_above_one() -> None:
    rates = {name: judge(n)[0].wer for name, n in NORMALISERS.items()}
    assert rates["none"] > 2
    assert rates["case and punctuation"] == pytest.approx(14 / 6)
    assert rates["numbers, too"] == 0
