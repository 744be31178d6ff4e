"""Fetching released assets into an asset tree: resumable, verified, never half there.

A file is fetched into `.incomplete` of the tree, compared with what the manifest knows
of it, and only then moved to its place. `.downloads.json` keeps the size and checksum
of everything that was put there, so that later damage shows even where the manifest
knows neither.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minimind_o.assets import ENVIRONMENT_VARIABLE, file_problem
from minimind_o.errors import UserError
from minimind_o.released.hubs import FETCH, Fetch, Unreachable
from minimind_o.released.manifest import ReleasedAsset, ReleasedFile, Repository
from minimind_o.written_aside import file_written_aside

RECEIPTS = ".downloads.json"
INCOMPLETE = ".incomplete"
BY_HAND = "put there by hand"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One file of the manifest, and where it goes."""

    asset: ReleasedAsset
    file: ReleasedFile
    repository: Repository

    @property
    def place(self) -> str:
        """Relative to the tree."""
        return f"{self.asset.folder}/{self.file.name}"

    @property
    def described(self) -> str:
        """The place and the size."""
        return f"{self.place} ({readable(self.file.size)})"


def readable(size: int | None) -> str:
    """`227 MB`, or what to say where nobody knows."""
    if size is None:
        return "size unknown"
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size} B"


def download(
    assets: Sequence[ReleasedAsset],
    root: Path,
    hub: str,
    *,
    endpoint: str | None = None,
    say: Callable[[str], None] = print,
    fetch: Mapping[str, Fetch] = FETCH,
) -> None:
    """Bring the assets into the tree `root`; what is there and whole stays.

    Args:
        assets: which ones.
        root: of the tree; made where it is missing.
        hub: "huggingface" or "modelscope"; what is on GitHub alone comes from there.
        endpoint: address of the hub in place of its own.
        say: told of each file.
        fetch: what gets one file, by hub.

    Raises:
        UserError: the hub cannot be reached (names what is missing and how to go on),
            has not such a file, or gave other bytes than the manifest says.
    """
    wanted = [_wanted(a, f, hub) for a in assets for f in a.files]
    root.mkdir(parents=True, exist_ok=True)
    receipts = Receipts(root)
    missing = [item for item in wanted if not _is_there(item, root, receipts)]
    there = len(wanted) - len(missing)
    if there:
        say(f"{there} of {len(wanted)} files are in {root} already")
    _check_space(missing, root)
    for index, item in enumerate(missing):
        try:
            address = endpoint if item.repository.hub == hub else None
            _bring(item, root, address, receipts, fetch[item.repository.hub])
        except Unreachable as error:
            raise _still_missing(missing[index:], root, error) from error
        say(f"{item.place}: verified, {readable(receipts.size(item.place))}")
    for item in wanted:
        shutil.rmtree(_stage(item, root), ignore_errors=True)
    say(f"all {len(wanted)} files are in {root}; use it with --assets {root}")
    say(f"or: export {ENVIRONMENT_VARIABLE}={root}")


class Receipts:
    """What was downloaded into a tree: by place, its size, checksum and origin."""

    def __init__(self, root: Path) -> None:
        self._path = root / RECEIPTS
        try:
            self._entries: dict[str, Any] = json.loads(self._path.read_text("utf-8"))
        except FileNotFoundError:
            self._entries = {}
        except ValueError:
            raise UserError(
                f"{self._path} is damaged: delete it, and the files are checked anew"
            ) from None

    @property
    def is_some(self) -> bool:
        """Whether anything was downloaded."""
        return bool(self._entries)

    def size(self, place: str) -> int | None:
        """Of the file as it was downloaded; None where it was not."""
        return self._entries.get(place, {}).get("size")

    def sha256(self, place: str) -> str | None:
        """Likewise."""
        return self._entries.get(place, {}).get("sha256")

    def add(self, place: str, size: int, sha256: str, origin: str) -> None:
        """Remember a file; written at once, whole or not at all."""
        self._entries[place] = {
            "size": size,
            "sha256": sha256,
            "from": origin,
        }
        with file_written_aside(self._path) as aside:
            aside.write_text(json.dumps(self._entries, indent=1) + "\n", "utf-8")


def sha256_of(path: Path) -> str:
    """The checksum of a file, read in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _wanted(asset: ReleasedAsset, file: ReleasedFile, hub: str) -> Wanted:
    repository = asset.repository(hub)
    return Wanted(
        asset=asset,
        file=asset.expected(file, repository.hub),
        repository=repository,
    )


def _is_there(item: Wanted, root: Path, receipts: Receipts) -> bool:
    """Whether a file is in its place as it was downloaded, or as the manifest says."""
    path = _inside(root, item.place)
    if not path.is_file():
        return False
    size, known = path.stat().st_size, receipts.sha256(item.place)
    if known is not None and known == (item.file.sha256 or known):
        return size == receipts.size(item.place)
    # Put there by hand, or under another manifest: what is known of it must be so, and
    # what is not, cannot be checked.
    digest = sha256_of(path)
    fits = item.file.size in (None, size) and item.file.sha256 in (None, digest)
    if known is not None or not fits or file_problem(path):
        return False
    receipts.add(item.place, size, digest, BY_HAND)
    return True


def _bring(
    item: Wanted, root: Path, endpoint: str | None, receipts: Receipts, fetch: Fetch
) -> None:
    stage = _stage(item, root)
    stage.mkdir(parents=True, exist_ok=True)
    got = fetch(item.repository, item.file.name, stage, endpoint)
    if not got.resolve().is_relative_to(stage.resolve()):
        raise UserError(f"{item.repository} tried to write outside {stage}")
    size, digest = got.stat().st_size, sha256_of(got)
    for what, found, right in (
        ("bytes", size, item.file.size),
        ("sha256", digest, item.file.sha256),
    ):
        if right is not None and found != right:
            got.unlink()
            raise UserError(
                f"{item.place} from {item.repository} is refused: it has {what} "
                f"{found}, the manifest says {right}; try again, and if that does not "
                "help, the hub has changed the file"
            )
    target = _inside(root, item.place)
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(got, target)
    receipts.add(item.place, size, digest, item.repository.origin)


def _stage(item: Wanted, root: Path) -> Path:
    """Where a client may leave what it has not finished."""
    return root / INCOMPLETE / item.repository.hub / item.asset.id


def _inside(root: Path, place: str) -> Path:
    """The path of a place, if no link leads it out of the tree."""
    path = root / place
    if not path.parent.resolve().is_relative_to(root.resolve()):
        raise UserError(f"{path} lies outside {root}: remove the link that leads there")
    return path


def _check_space(missing: Sequence[Wanted], root: Path) -> None:
    needed = sum(item.file.size or 0 for item in missing)
    free = shutil.disk_usage(root).free
    if needed > free:
        raise UserError(
            f"{readable(needed)} are to come and {readable(free)} are free in {root}: "
            "make room, or name another folder with --into"
        )


def _still_missing(
    missing: Sequence[Wanted], root: Path, error: Exception
) -> UserError:
    hub = missing[0].repository.hub
    names = ", ".join(item.described for item in missing[:4])
    more = f" and {len(missing) - 4} more" if len(missing) > 4 else ""
    reason = str(error).rstrip(".")
    other = {"huggingface": "modelscope", "modelscope": "huggingface"}.get(hub)
    elsewhere = f"try --from {other}, " if other else ""
    return UserError(
        f"{hub} cannot be reached or broke off ({reason}); still missing in {root}: "
        f"{names}{more}; run the same command again and it goes on where it stopped, "
        f"{elsewhere}or copy the files there by hand"
    )
