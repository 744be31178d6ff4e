"""A campaign finds planted faults, names the input, and goes on behind it."""

import gc
import json
import os
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
    try_alone,
)
from tests.fuzz.planted import READERS

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


def test_garbage_that_is_given_back_hides_nothing() -> None:
    gc.disable()
    try:
        garbage: list[object] = [bytearray(os.urandom(1 << 20) * 256)]
        garbage.append(garbage)
        del garbage
        outcome = Campaign("memory", 9, limits=LIMITS, readers=READERS).run()
    finally:
        gc.enable()
    assert [(f.kind, f.number) for f in outcome.findings] == [("memory", 4)]


def test_memory_that_is_free_already_hides_nothing() -> None:
    keeps = bytearray(31 << 20)  # blocks up to this size now come from the heap,
    del keeps
    blocks = [bytearray(os.urandom(1 << 20) * 30) for _ in range(13)]
    del blocks[:-1]  # which keeps what is freed below one that is still held
    outcome = Campaign("memory", 9, limits=LIMITS, readers=READERS).run()
    assert blocks
    assert [(f.kind, f.number) for f in outcome.findings] == [("memory", 4)]


def test_one_input_alone_is_watched_as_many_are() -> None:
    reader = READERS["memory"]
    found = try_alone(reader, b"4", LIMITS)
    assert found is not None
    assert found.kind == "memory"
    assert try_alone(reader, b"4", Limits(megabytes=1_000)) is None
    assert try_alone(reader, b"3", LIMITS) is None


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


def test_readers_of_different_days_make_one_figure(tmp_path: Path) -> None:
    table, file = tmp_path / "fuzz.json", tmp_path / "figures.json"

    def record(name: str, inputs: int, *findings: int) -> dict[str, dict]:
        found = [
            Finding(reader=name, number=number, kind="hang", text="")
            for number in findings
        ]
        outcome = Outcome(inputs=inputs, seconds=60.0, findings=found)
        command.record(name, outcome, 0, table, file)
        return json.loads(table.read_text())

    first, *others = command.READERS
    for name in others:
        assert record(name, 100_000)[name]["survived"] == 100_000
    assert not file.exists()
    record(first, 100_000, 70)
    (figure,) = json.loads(file.read_text())
    assert (figure["name"], figure["figure"]) == (command.FIGURE, 70)
    assert "1 findings" in figure["note"]
    assert record(first, 200)[first]["survived"] == 200  # the fault is mended
    assert record(first, 90)[first]["survived"] == 200  # and not forgotten
    (figure,) = json.loads(file.read_text())
    assert figure["figure"] == 200
