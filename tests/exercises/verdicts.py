"""What the checkers of all chapters are held to."""

import pytest

Capture = pytest.CaptureFixture[str]


def stub(*arguments): ...


def assert_right(check, answer, capsys: Capture) -> None:
    """A right answer is told so and goes on being used; without one, it is to do."""
    assert check(answer).__name__ == answer.__name__
    assert capsys.readouterr().out.startswith("ok: ")
    assert check(stub) is not stub
    assert capsys.readouterr().out.startswith("to do: stub returns nothing yet.")


def assert_wrong(check, answer, words: str, capsys: Capture) -> None:
    """A wrong answer is told why, in one line, and is not used."""
    assert check(answer) is not answer
    verdict = capsys.readouterr().out
    assert verdict.startswith("not yet: ")
    assert len(verdict.splitlines()) == 1
    assert words in verdict
