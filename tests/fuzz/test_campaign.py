"""A campaign finds planted faults, names the input, and goes on behind it."""

from pathlib import Path

import pytest

from minimind_o.figures import bar
from tests.fuzz import __main__ as command
from tests.fuzz.campaign import (
    Campaign,
    Finding,
    Limits,
    Outcome,
    save_finding,
    try_one,
)
from tests.fuzz.planted import READERS
from tests.fuzz.readers import Reader

LIMITS = Limits(seconds=30.0, megabytes=40)  # a busy machine is slow, and no finding
SHORT = Limits(seconds=2.0, megabytes=40)


@pytest.mark.parametrize("kind", READERS)
def test_a_planted_fault_is_found_and_the_rest_is_read(kind: str) -> None:
    shown: list[int] = []
    limits = SHORT if kind == "hang" else LIMITS
    campaign = Campaign(
        kind, 9, num_processes=2, limits=limits, readers=READERS
    )  # input 4 is the bad one
    outcome = campaign.run(shown.append)
    assert [(f.kind, f.number) for f in outcome.findings] == [(kind, 4)]
    assert outcome.inputs == sum(shown) == 9
    assert outcome.survived == 4


def test_memory_of_earlier_inputs_hides_nothing() -> None:
    def eat(megabytes: int) -> Reader:
        return Reader(read=lambda _: bytearray(megabytes << 20), seeds=list)

    plenty = Limits(megabytes=1_000)
    assert try_one(eat(300), b"", plenty) is None  # the most this process has had
    found = try_one(eat(100), b"", Limits(megabytes=40))
    assert found is not None
    assert found[0] == "memory"


def test_without_findings_all_inputs_have_been_survived() -> None:
    assert Outcome(inputs=7).survived == 7


def test_a_finding_is_saved_with_what_happened_and_read_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finding = Finding(reader="audio", number=3, kind="hang", text="why")
    file = save_finding(finding, b"no sound", tmp_path / "found")
    assert file.read_bytes() == b"no sound"
    assert file.with_name(file.name + ".txt").read_text() == "why"
    assert command.main(["--replay", str(file)]) == 0
    assert "audio survives" in capsys.readouterr().out


def test_an_unknown_reader_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["taste"]) == 2
    assert "taste" in capsys.readouterr().err


def test_the_figure_has_its_bar() -> None:
    declared = bar(command.FIGURE)
    assert (declared.sign, declared.limit) == (">=", 100_000)
