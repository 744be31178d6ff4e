"""`minimind-o assets` says what is there, what is not, and what is damaged."""

from pathlib import Path

import pytest

from minimind_o import cli
from minimind_o.assets import NANO_ROOT, Assets
from minimind_o.released.download import Receipts, sha256_of
from minimind_o.released.inventory import released_inventory, tree_inventory
from minimind_o.released.manifest import read_manifest


def put(root: Path, place: str, content: bytes, asset_id: str) -> Path:
    """A file as a download leaves it."""
    asset = next(a for a in read_manifest() if a.id == asset_id)
    path = root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    origin = asset.repository("huggingface").origin
    Receipts(root).add(place, len(content), sha256_of(path), origin)
    return path


def states(root: Path, verify: bool = False) -> dict[str, str]:
    entries = released_inventory(read_manifest(), root, verify=verify)
    return {entry.name: entry.state for entry in entries}


def test_each_state_is_told(tmp_path: Path) -> None:
    assert set(states(tmp_path / "nowhere").values()) == {"missing"}
    for name in ("voices.pt", "voices_unseen.pt"):
        # Whatever its content, it must look like a PyTorch file: a zip archive.
        source = NANO_ROOT / "campplus" / "model.pt"
        put(tmp_path, f"voices/{name}", source.read_bytes(), "voices")
    assert states(tmp_path)["voices"] == "present"
    config = put(tmp_path, "omni/config.json", b"{}", "omni")
    assert states(tmp_path)["omni"] == "unfinished"
    config.write_bytes(b'{"a": 1}')
    assert states(tmp_path)["omni"] == (
        "damaged: config.json has 8 bytes, 2 were downloaded"
    )
    config.write_bytes(b"[]")
    assert states(tmp_path)["omni"] == "unfinished"
    assert "has changed since" in states(tmp_path, verify=True)["omni"]
    config.write_bytes(b"{")
    assert "is not whole JSON" in states(tmp_path)["omni"]


def test_the_nano_tree_is_told_from_its_files(tmp_path: Path) -> None:
    found = {e.name: e for e in tree_inventory(Assets(NANO_ROOT))}
    assert found["omni"].state == "present"
    assert found["omni"].licence == "Apache-2.0"
    (tmp_path / "omni").mkdir()
    (tmp_path / "omni" / "config.json").write_text("{}")
    found = {e.name: e for e in tree_inventory(Assets(tmp_path))}
    assert found["omni"].state.startswith("damaged: ")
    assert "model.safetensors is missing" in found["omni"].state
    assert found["mimi"].state == "missing"


def test_the_command_lists_both_trees_or_the_one_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("MINIMIND_O_CACHE", str(tmp_path))
    assert cli.main(["assets"]) == 0
    shown = capsys.readouterr().out
    assert f"nano: {NANO_ROOT}" in shown
    assert f"released: {tmp_path / 'released'}" in shown
    assert "llm           missing  size unknown" in shown
    assert cli.main(["assets", "--assets", "nano"]) == 0
    assert "released:" not in capsys.readouterr().out
    put(tmp_path / "mine", "omni/config.json", b"{}", "omni")
    assert cli.main(["assets", "--assets", str(tmp_path / "mine")]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"released: {tmp_path / 'mine'}")
    assert "omni          unfinished" in shown


def test_released_is_a_name_for_the_downloaded_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("MINIMIND_O_CACHE", str(tmp_path))
    assert cli.main(["voices", "--assets", "released"]) == 2
    assert "get them with 'minimind-o download'" in capsys.readouterr().err
    (tmp_path / "released").mkdir()
    assert Assets.find("released").root == tmp_path / "released"
    monkeypatch.setenv("MINIMIND_O_ASSETS", "released")
    assert Assets.find().root == tmp_path / "released"
    assert Assets.find("nano").root == NANO_ROOT
