"""A released tree is found where there is one, and random weights own up to it."""

import json
import shutil
from pathlib import Path

import pytest

from minimind_o.assets import NANO_ROOT, RANDOM_MARK, Assets
from minimind_o.released import inventory, random_tree
from minimind_o.released.tree import ReleasedTree, find_released, released_or_random


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No variable, and an empty folder for downloads."""
    monkeypatch.delenv("MINIMIND_O_ASSETS", raising=False)
    monkeypatch.setenv("MINIMIND_O_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_variable_comes_first_then_the_download_and_never_the_embedded(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_released() is None
    shutil.copytree(NANO_ROOT / "voices", cache / "released" / "voices")
    assert find_released() is None, "a download without the model is none"
    shutil.copytree(NANO_ROOT / "omni", cache / "released" / "omni")
    assert find_released() == Assets(cache / "released")
    (tmp_path / "mine").mkdir()
    monkeypatch.setenv("MINIMIND_O_ASSETS", str(tmp_path / "mine"))
    assert find_released() == Assets(tmp_path / "mine")
    monkeypatch.setenv("MINIMIND_O_ASSETS", str(NANO_ROOT))
    assert find_released() is None


def test_random_weights_are_written_only_where_nothing_is_found(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []

    def write(root: Path, depths: random_tree.Depths) -> Assets:
        written.append(depths)
        root.mkdir()
        (root / RANDOM_MARK).touch()
        return Assets(root)

    monkeypatch.setattr(random_tree, "write_random_tree", write)
    tree = released_or_random(tmp_path / "random")
    assert (tree.assets.root, tree.origin) == (tmp_path / "random", "random weights")
    assert (written[0].thinker, written[0].talker) == (8, 4)
    shutil.copytree(NANO_ROOT / "omni", cache / "released" / "omni")
    tree = released_or_random(tmp_path / "other")
    assert tree.origin == "released weights"
    assert len(written) == 1


@pytest.mark.parametrize("is_random", [True, False])
def test_every_way_of_showing_says_where_the_weights_are_from(
    tmp_path: Path, is_random: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    if is_random:
        (tmp_path / RANDOM_MARK).touch()
    tree = ReleasedTree(assets=Assets(tmp_path))
    origin = "random weights" if is_random else "released weights"
    tree.say("one", "two")
    assert capsys.readouterr().out == f"[{origin}]\none\ntwo\n"
    tree.table(("a",), [("b",)])
    assert capsys.readouterr().out.splitlines()[0] == f"[{origin}]"
    assert repr(tree.listen({"an answer": [0.0]})) == f"Player(an answer ({origin}))"


def test_the_list_of_assets_says_it_too(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "omni").mkdir(parents=True)
    (tree / "omni" / "config.json").write_text(json.dumps({}))
    assert "random" not in inventory.show(str(tree), tmp_path).splitlines()[0]
    (tree / RANDOM_MARK).touch()
    first = inventory.show(str(tree), tmp_path).splitlines()[0]
    assert first.endswith("tree (random weights)")
