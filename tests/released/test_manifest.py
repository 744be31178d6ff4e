"""The manifest holds facts, and no path that would leave its folder."""

import json
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from minimind_o.assets import FILES, RELEASED_FILES
from minimind_o.errors import UserError
from minimind_o.released.manifest import (
    GROUPS,
    MANIFEST,
    check_name,
    chosen,
    read_manifest,
)


def test_every_asset_has_a_source_and_checksums_of_the_right_form() -> None:
    assets = read_manifest()
    assert {asset.group for asset in assets} == set(GROUPS)
    for asset in assets:
        assert asset.source, asset.id
        for file in asset.files:
            assert file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256)
            assert (file.size is None) == (file.sha256 is None), file.name


def test_what_is_downloaded_is_what_the_loaders_look_for() -> None:
    for asset in read_manifest():
        if asset.folder == "voices":
            continue  # any `.pt` or `.json` serves
        names = {file.name for file in asset.files}
        known = [FILES[asset.folder], *RELEASED_FILES.get(asset.folder, ())]
        # A loader looks for patterns: `*.pth` is any one of them.
        fits = [
            all(any(fnmatch(name, pattern) for name in names) for pattern in patterns)
            and all(any(fnmatch(name, p) for p in patterns) for name in names)
            for patterns in known
        ]
        assert any(fits), asset.id


def test_both_hubs_have_everything_but_the_voices() -> None:
    for asset in read_manifest():
        hubs = {"huggingface", "modelscope"}
        assert set(asset.repositories) == (hubs if asset.id != "voices" else {"github"})


@pytest.mark.parametrize(
    "name",
    [
        "../a",
        "/etc/passwd",
        "a/../b",
        "a//b",
        "a\\b",
        "C:a",
        "",
        ".hidden",
        "a/.",
        "~a",
    ],
)
def test_a_name_that_could_leave_its_folder_is_refused(
    name: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="refused"):
        check_name(name)
    values = json.loads(MANIFEST.read_text())
    values["assets"][0]["files"][0]["name"] = name
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(values))
    with pytest.raises(UserError, match=r"manifest\.json: the file name .* is refused"):
        read_manifest(path)


@pytest.mark.parametrize("content", ["", "[]", '{"assets": [{}]}', '{"assets": 3}'])
def test_what_is_no_manifest_is_one_sentence(content: str, tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(content)
    with pytest.raises(UserError, match="is no manifest"):
        read_manifest(path)


def test_groups_are_chosen_by_name() -> None:
    ids = [asset.id for asset in chosen(read_manifest(), "encoders, data-mini")]
    assert ids[:4] == ["mimi", "sensevoice", "siglip2", "campplus"]
    assert ids[4:] == ["sft_t2a_mini", "sft_a2a_mini"]
    with pytest.raises(UserError, match="'models' is none of model, moe"):
        chosen(read_manifest(), "models")
    with pytest.raises(UserError, match="nothing to download"):
        chosen(read_manifest(), ",")
