"""A claim about weights holds, or the chapter stops; unless they are random."""

from pathlib import Path

import pytest

from minimind_o.assets import RANDOM_MARK, Assets
from minimind_o.learned import learned


def test_trained_weights_must_keep_the_claim(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    learned(Assets(tmp_path), True, "it hears words")
    assert capsys.readouterr().out == "ok: it hears words\n"
    with pytest.raises(AssertionError, match="not so: it hears words"):
        learned(Assets(tmp_path), False, "it hears words")


@pytest.mark.parametrize(("is_so", "answer"), [(True, "yes"), (False, "no")])
def test_of_random_weights_it_is_said_and_nothing_follows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], is_so: bool, answer: str
) -> None:
    (tmp_path / RANDOM_MARK).touch()
    learned(Assets(tmp_path), is_so, "it hears words")
    said = capsys.readouterr().out
    assert said == f"random weights, nothing learned: it hears words? {answer}\n"
