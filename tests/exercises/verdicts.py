"""What the checkers of all chapters are held to."""

import sys

import pytest

Capture = pytest.CaptureFixture[str]


def stub(*arguments): ...


def reference(check):
    """What stands in for a missing answer: `name`, beside its checker `check_name`."""
    name = check.__name__.removeprefix("check_")
    return getattr(sys.modules[check.__module__], name)


def assert_right(check, answer, capsys: Capture) -> None:
    """A right answer is told so and kept; the reference is right, and stands in."""
    assert check(answer) is answer
    assert capsys.readouterr().out.startswith("ok: ")
    check(reference(check))
    assert capsys.readouterr().out.startswith("ok: ")
    assert check(stub) is reference(check)
    assert capsys.readouterr().out.startswith("to do: stub returns nothing yet.")


def assert_wrong(check, answer, words: str, capsys: Capture) -> None:
    """A wrong answer is told why, in one line, and the reference stands in."""
    assert check(answer) is reference(check)
    verdict = capsys.readouterr().out
    assert verdict.startswith("not yet: ")
    assert len(verdict.splitlines()) == 1
    assert words in verdict
