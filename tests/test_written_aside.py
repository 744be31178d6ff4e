"""What is written aside appears whole, or not at all."""

from pathlib import Path

import pytest

from minimind_o.written_aside import file_written_aside, written_aside


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    with file_written_aside(path) as aside:
        aside.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def _fail(aside: Path) -> None:
    aside.write_text("half")
    raise KeyError("the other half")


def test_after_an_error_the_earlier_file_is_there(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("earlier")
    with pytest.raises(KeyError), file_written_aside(path) as aside:
        _fail(aside)
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_never_begun_is_no_new_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), file_written_aside(tmp_path / "file"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_keeps_what_is_not_replaced(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with written_aside(out) as aside:
        (aside / "a").write_text("first")
        (aside / "b").write_text("first")
    with written_aside(out) as aside:
        (aside / "a").write_text("second")
    with pytest.raises(KeyError), written_aside(out) as aside:
        _fail(aside / "b")
    assert (out / "a").read_text() == "second"
    assert (out / "b").read_text() == "first"
    assert list(tmp_path.iterdir()) == [out]
