"""Stamps as stretches of time."""

import pytest

from minimind_o.realtime.latency import STAGES, percentiles, table, waterfall

STAMPS = {
    "end of speech": 10.0,
    "decided": 10.5,
    "encoded": 10.52,
    "prompt read": 10.55,
    "first text": 10.56,
    "first frame": 10.64,
    "first sound": 10.65,
    "first sample played": 10.7,
}


def test_a_waterfall_has_no_gap() -> None:
    found = waterfall(STAMPS)
    assert list(found) == list(STAGES)
    times = [time for stretch in found.values() for time in stretch]
    assert times[0] == 0
    assert times[1:-1:2] == pytest.approx(times[2::2])
    assert times[-1] == pytest.approx(700)


def test_a_written_question_begins_when_it_was_asked() -> None:
    written = {k: v for k, v in STAMPS.items() if k not in ("end of speech", "decided")}
    found = waterfall({"asked": 10.51, **written})
    assert found["encoded"] == pytest.approx((0, 10))
    assert waterfall({}) == {}


def test_percentiles_are_of_each_stage_by_itself() -> None:
    slow = {name: 2 * time for name, time in STAMPS.items()}
    found = percentiles([STAMPS] * 19 + [slow])
    assert found["encoded"][0] == pytest.approx(20)
    assert found["encoded"][1] == pytest.approx(21, abs=0.1)
    assert found["after the decision"][0] == pytest.approx(200)


def test_the_table_names_every_stage() -> None:
    text = table([STAMPS])
    assert all(name in text for name in (*STAGES, "after the decision"))
