"""What of an asset tree is there, what is missing, and what it would unlock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from minimind_o.assets import FILES, NANO_ROOT, Assets, file_problem
from minimind_o.released.download import INCOMPLETE, Receipts, readable, sha256_of
from minimind_o.released.manifest import ReleasedAsset, read_manifest
from minimind_o.terminal_table import terminal_table

UNLOCKS = {
    "tokenizer": "everything",
    "mimi": "everything that speaks; data build",
    "sensevoice": "spoken questions; evaluate",
    "siglip2": "questions about pictures",
    "campplus": "voices add; data build; the voice similarity of evaluate",
    "voices": "say and demo in a voice",
    "sft_t2a": "training to speak",
    "sft_a2a": "training to hear",
    "sft_i2t": "training to see",
    "examples": "demo --all-ways",
    "llm": "training from the language model",
    "omni": "say, ask, demo, evaluate, realtime",
    "llm_moe": "training with experts",
    "omni_moe": "the model with experts",
}
HEAD = ("asset", "state", "size", "licence", "unlocks")
WIDEST = 60


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One asset as it is found.

    state: "present", "missing", "unfinished", or what is damaged.
    """

    name: str
    state: str
    size: str
    licence: str
    unlocks: str


def tree_inventory(assets: Assets) -> list[Entry]:
    """The assets of a tree that was made by `minimind-o nano`, or by hand."""
    entries = []
    for name in FILES:
        folder, problem = assets.path(name), assets.problem(name)
        if problem:
            state = f"damaged: {problem}" if folder.is_dir() else "missing"
        size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
        entries.append(
            Entry(
                name=name,
                state=state if problem else "present",
                size=readable(size) if folder.is_dir() else "-",
                licence="Apache-2.0" if assets.root == NANO_ROOT else "-",
                unlocks=UNLOCKS[name],
            )
        )
    return entries


def released_inventory(
    released: Sequence[ReleasedAsset], root: Path, *, verify: bool = False
) -> list[Entry]:
    """The assets of the manifest as they are in `root`.

    Args:
        released: the manifest.
        root: of the tree; need not exist.
        verify: read every file and compare its checksum, which takes its time.
    """
    receipts = Receipts(root)
    return [
        Entry(
            name=asset.id,
            state=_state(asset, root, receipts, verify),
            size=readable(asset.size),
            licence=asset.licence or "not found: see its page",
            unlocks=f"{UNLOCKS[asset.folder]} (--what {asset.group})",
        )
        for asset in released
    ]


def table(entries: Sequence[Entry]) -> str:
    """For a terminal."""
    rows = [[e.name, e.state, e.size, e.licence, e.unlocks] for e in entries]
    return terminal_table(HEAD, rows, WIDEST)


def show(named: str | None, released_root: Path, *, verify: bool = False) -> str:
    """Both trees, or the one that was named, for a terminal.

    Raises:
        UserError: the named tree does not exist.
    """

    def of_released(root: Path) -> str:
        entries = released_inventory(read_manifest(), root, verify=verify)
        return f"released: {root}\n\n{table(entries)}"

    if named not in (None, "nano", "released"):
        tree = Assets.find(named)
        if is_released(tree.root):
            return of_released(tree.root)
        mark = " (random weights)" if tree.is_random else ""
        return f"{tree.root}{mark}\n\n{table(tree_inventory(tree))}"
    nano = f"nano: {NANO_ROOT}\n\n{table(tree_inventory(Assets(NANO_ROOT)))}"
    parts = {"nano": [nano], "released": [of_released(released_root)]}
    return "\n\n".join(parts[named] if named else [*parts["nano"], *parts["released"]])


def is_released(root: Path) -> bool:
    """Whether `minimind-o download` has put something there."""
    return Receipts(root).is_some or (root / INCOMPLETE).is_dir()


def _state(asset: ReleasedAsset, root: Path, receipts: Receipts, verify: bool) -> str:
    found = 0
    for file in asset.files:
        place = f"{asset.folder}/{file.name}"
        path = root / place
        if not path.is_file():
            continue
        found += 1
        problem = file_problem(path) or _difference(path, place, receipts, verify)
        if problem:
            return f"damaged: {file.name} {problem}"
    if found == len(asset.files):
        return "present"
    partial = [d for d in (root / INCOMPLETE).glob(f"*/{asset.id}") if any(d.iterdir())]
    return "unfinished" if found or partial else "missing"


def _difference(path: Path, place: str, receipts: Receipts, verify: bool) -> str | None:
    """How a file differs from what was downloaded."""
    size, known = path.stat().st_size, receipts.size(place)
    if known is not None and size != known:
        return f"has {size} bytes, {known} were downloaded"
    if verify and receipts.sha256(place) not in (None, sha256_of(path)):
        return "has changed since it was downloaded"
    return None
