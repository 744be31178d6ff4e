"""A download goes on where it broke off, and nothing unverified gets its final name."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants
from huggingface_hub.utils import _http

from minimind_o.assets import Assets
from minimind_o.errors import UserError
from minimind_o.released.download import download
from minimind_o.released.manifest import ReleasedAsset, read_manifest
from tests.released.tiny_hub import COMMIT, TinyHub, serving

CONFIG = b"{}"
WEIGHTS = bytes(range(256)) * 4096  # 1 MiB
ROWS = b"PAR1 rows PAR1"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyHub]:
    # The client keeps whole portions, of 10 MB otherwise.
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 100_000)
    files = {
        f"them/model/resolve/{COMMIT}/config.json": CONFIG,
        f"them/model/resolve/{COMMIT}/pytorch_model.bin": WEIGHTS,
        "datasets/them/rows/resolve/main/sft_t2a_mini.parquet": ROWS,
    }
    with serving(TinyHub(files)) as served:
        yield served


def entry(**changes: Any) -> dict[str, Any]:
    digest = hashlib.sha256(WEIGHTS).hexdigest()
    repository = {
        "repository": "them/model",
        "revision": COMMIT,
        "kind": "model",
        "recorded": True,
    }
    return {
        "id": "omni",
        "what": "model",
        "folder": "omni",
        "about": "the model",
        "licence": None,
        "source": "made up",
        "files": [
            {"name": "config.json", "size": None, "sha256": None},
            {"name": "pytorch_model.bin", "size": len(WEIGHTS), "sha256": digest},
        ],
        "hubs": {"huggingface": repository},
    } | changes


ROWS_ENTRY = entry(
    id="sft_t2a_mini",
    what="data-mini",
    folder="sft_t2a",
    files=[{"name": "sft_t2a_mini.parquet", "size": None, "sha256": None}],
    hubs={
        "huggingface": {
            "repository": "them/rows",
            "revision": None,
            "kind": "dataset",
            "recorded": True,
        }
    },
)


def manifest(tmp_path: Path, *entries: dict[str, Any]) -> list[ReleasedAsset]:
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({"assets": entries}))
    return read_manifest(path)


def fetch(tmp_path: Path, hub: TinyHub, *entries: dict[str, Any]) -> list[str]:
    said: list[str] = []
    download(
        manifest(tmp_path, *entries),
        tmp_path / "tree",
        "huggingface",
        endpoint=hub.address,
        say=said.append,
    )
    return said


def test_files_come_into_the_layout_of_the_tree_and_only_once(
    tmp_path: Path, hub: TinyHub
) -> None:
    fetch(tmp_path, hub, entry(), ROWS_ENTRY)
    tree = tmp_path / "tree"
    assert (tree / "omni" / "config.json").read_bytes() == CONFIG
    assert (tree / "omni" / "pytorch_model.bin").read_bytes() == WEIGHTS
    assert Assets.find(tree).files("omni") == ("config.json", "pytorch_model.bin")
    assert Assets.find(tree).sft_t2a == tree / "sft_t2a"
    origin = json.loads((tree / ".downloads.json").read_text())
    assert origin["omni/config.json"]["from"].startswith("huggingface:them/model@0123")
    before = len(hub.asked)
    said = fetch(tmp_path, hub, entry(), ROWS_ENTRY)
    assert said[0].startswith("3 of 3 files are in")
    assert len(hub.asked) == before
    # The hub's own idea of a file name reaches nothing.
    assert not list(tmp_path.rglob("*evil*"))


def test_it_goes_on_where_the_connection_broke(tmp_path: Path, hub: TinyHub) -> None:
    broken_at = 300_000
    hub.break_after["pytorch_model.bin"] = broken_at
    with pytest.raises(UserError) as complaint:
        fetch(tmp_path, hub, entry(), ROWS_ENTRY)
    assert "omni/pytorch_model.bin (1.05 MB)" in str(complaint.value)
    assert "sft_t2a/sft_t2a_mini.parquet (size unknown)" in str(complaint.value)
    assert "omni/config.json" not in str(complaint.value)
    assert "run the same command again" in str(complaint.value)
    weights = tmp_path / "tree" / "omni" / "pytorch_model.bin"
    assert not weights.exists()
    del hub.asked[:]
    fetch(tmp_path, hub, entry(), ROWS_ENTRY)
    assert hub.asked[0] == ("pytorch_model.bin", f"bytes={broken_at}-")
    assert weights.read_bytes() == WEIGHTS
    assert [name for name, _ in hub.asked] == [
        "pytorch_model.bin",
        "sft_t2a_mini.parquet",
    ]


def test_other_groups_unfinished_files_are_kept(tmp_path: Path, hub: TinyHub) -> None:
    hub.break_after["pytorch_model.bin"] = 300_000
    with pytest.raises(UserError):
        fetch(tmp_path, hub, entry())
    fetch(tmp_path, hub, ROWS_ENTRY)
    fetch(tmp_path, hub, entry())
    assert hub.asked[-1] == ("pytorch_model.bin", "bytes=300000-")


@pytest.mark.parametrize(
    ("size", "sha256", "words"),
    [(len(WEIGHTS), "0" * 64, "has sha256"), (7, None, "has bytes 1048576")],
)
def test_other_bytes_than_the_manifests_are_refused(
    tmp_path: Path, hub: TinyHub, size: int, sha256: str | None, words: str
) -> None:
    files = [{"name": "pytorch_model.bin", "size": size, "sha256": sha256}]
    with pytest.raises(UserError, match=words):
        fetch(tmp_path, hub, entry(files=files))
    left = [path for path in (tmp_path / "tree").rglob("*.bin") if path.is_file()]
    assert left == []


def test_a_damaged_file_is_fetched_anew(tmp_path: Path, hub: TinyHub) -> None:
    fetch(tmp_path, hub, entry())
    tree = tmp_path / "tree"
    weights = tree / "omni" / "pytorch_model.bin"
    weights.write_bytes(WEIGHTS[:-1])
    fetch(tmp_path, hub, entry())
    assert weights.read_bytes() == WEIGHTS


def test_what_was_put_there_by_hand_is_taken_if_it_fits(
    tmp_path: Path, hub: TinyHub
) -> None:
    folder = tmp_path / "tree" / "omni"
    folder.mkdir(parents=True)
    (folder / "config.json").write_bytes(b"[]")  # whole, and nothing more is known
    (folder / "pytorch_model.bin").write_bytes(WEIGHTS[::-1])  # not what is known
    fetch(tmp_path, hub, entry())
    assert [name for name, _ in hub.asked] == ["pytorch_model.bin"]
    assert (folder / "config.json").read_bytes() == b"[]"
    receipts = json.loads((tmp_path / "tree" / ".downloads.json").read_text())
    assert receipts["omni/config.json"]["from"] == "put there by hand"
    (tmp_path / "tree" / ".downloads.json").unlink()
    (folder / "config.json").write_bytes(b"[")
    fetch(tmp_path, hub, entry())
    assert (folder / "config.json").read_bytes() == CONFIG


def test_a_file_that_the_hub_lacks_is_named(tmp_path: Path, hub: TinyHub) -> None:
    files = [{"name": "model.bin", "size": None, "sha256": None}]
    with pytest.raises(UserError, match="them/model on huggingface did not give model"):
        fetch(tmp_path, hub, entry(files=files))


def test_without_a_network_one_sentence_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_http.time, "sleep", lambda seconds: None)
    nobody = TinyHub(address="http://127.0.0.1:9")
    with pytest.raises(UserError) as complaint:
        fetch(tmp_path, nobody, entry())
    words = str(complaint.value)
    assert "huggingface cannot be reached or broke off ([Errno 111]" in words
    assert "omni/config.json (size unknown), omni/pytorch_model.bin (1.05 MB)" in words
    assert "try --from modelscope" in words
    assert "\n" not in words


def test_the_command_reads_the_hubs_address_and_the_cache_from_the_environment(
    tmp_path: Path,
) -> None:
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "MINIMIND_O_CACHE": str(tmp_path / "cache"),
    }
    ran = subprocess.run(
        [sys.executable, "-m", "minimind_o", "download", "--what", "moe"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 2
    assert ran.stderr.startswith("minimind-o: huggingface cannot be reached")
    assert f"still missing in {tmp_path}/cache/released: omni_moe/config" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_modelscope_is_asked_for_under_its_own_name_and_not_held_to_the_other_hubs_sums(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def model_file_download(
        name: str, file: str, *, revision: str, local_dir: str, endpoint: str | None
    ) -> str:
        asked.append((name, file, revision))
        path = Path(local_dir) / file
        path.write_bytes(b"of ModelScope")
        return str(path)

    client = pytest.importorskip("modelscope.hub.file_download")
    monkeypatch.setattr(client, "model_file_download", model_file_download)
    there = {
        "repository": "us/model",
        "revision": None,
        "kind": "model",
        "recorded": ["pytorch_model.bin"],
    }
    assets = manifest(tmp_path, entry(hubs={"modelscope": there}))
    with pytest.raises(UserError, match=r"pytorch_model\.bin .*is refused"):
        download(assets, tmp_path / "tree", "modelscope", say=lambda _: None)
    there["recorded"] = False
    assets = manifest(tmp_path, entry(hubs={"modelscope": there}))
    download(assets, tmp_path / "tree", "modelscope", say=lambda _: None)
    assert asked[-1] == ("us/model", "pytorch_model.bin", "master")
    weights = tmp_path / "tree" / "omni" / "pytorch_model.bin"
    assert weights.read_bytes() == b"of ModelScope"


def test_without_modelscopes_client_one_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "modelscope.hub.file_download", None)
    there = entry()["hubs"]["huggingface"] | {"recorded": False}
    assets = manifest(tmp_path, entry(hubs={"modelscope": there}))
    with pytest.raises(UserError, match=r"pip install 'minimind-o\[modelscope\]'"):
        download(assets, tmp_path / "tree", "modelscope")


def test_small_files_come_from_github_at_a_commit(tmp_path: Path) -> None:
    served = TinyHub({f"them/code/{COMMIT}/model/speaker/voices.pt": b"voices"})
    there = entry()["hubs"]["huggingface"] | {
        "repository": "them/code",
        "folder": "model/speaker",
    }
    asset = entry(
        id="voices",
        folder="voices",
        files=[{"name": "voices.pt", "size": 6, "sha256": None}],
        hubs={"github": there},
    )
    with serving(served) as hub:
        download(
            manifest(tmp_path, asset),
            tmp_path / "tree",
            "github",
            endpoint=hub.address,
            say=lambda _: None,
        )
    assert (tmp_path / "tree" / "voices" / "voices.pt").read_bytes() == b"voices"


def test_a_link_does_not_lead_out_of_the_tree(tmp_path: Path, hub: TinyHub) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "omni").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="lies outside"):
        fetch(tmp_path, hub, entry())
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_client_that_writes_elsewhere_is_refused(tmp_path: Path) -> None:
    outside = tmp_path / "config.json"
    outside.write_bytes(CONFIG)
    assets = manifest(tmp_path, entry())
    with pytest.raises(UserError, match="tried to write outside"):
        download(
            assets,
            tmp_path / "tree",
            "huggingface",
            say=lambda _: None,
            fetch={"huggingface": lambda *_: outside},
        )
    assert outside.exists()
