"""What the authors released: repositories, files, sizes, checksums and licences.

The facts are in `manifest.json` beside this file, each asset with its source. What is
not known is null there, and nobody may guess it: an unknown checksum is not checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from minimind_o.assets import FILES
from minimind_o.errors import UserError

MANIFEST = Path(__file__).with_name("manifest.json")
GROUPS = ("model", "moe", "encoders", "data-mini", "data")
"""What `--what` takes."""
HUBS = ("huggingface", "modelscope", "github")

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, kw_only=True)
class ReleasedFile:
    """One file, under its released name."""

    name: str
    size: int | None
    """In bytes; None where nobody recorded it."""
    sha256: str | None


@dataclass(frozen=True, kw_only=True)
class Repository:
    """Where a hub keeps an asset."""

    hub: str
    name: str
    revision: str | None
    """A commit; None is the hub's newest."""
    is_dataset: bool
    recorded: frozenset[str]
    """Files whose size and checksum are known to be those of this hub, too."""
    folder: str = ""
    """Within the repository."""

    @property
    def origin(self) -> str:
        """The hub, the repository and the commit."""
        return f"{self.hub}:{self.name}@{self.revision or 'newest'}"

    def __str__(self) -> str:
        return f"{self.name} on {self.hub}"


@dataclass(frozen=True, kw_only=True)
class ReleasedAsset:
    """A folder of an asset tree, or some files of one, as released."""

    id: str
    group: str
    """One of `GROUPS`."""
    folder: str
    """Of the asset tree."""
    about: str
    licence: str | None
    source: str
    """Where these facts are from."""
    files: tuple[ReleasedFile, ...]
    repositories: Mapping[str, Repository]
    """By hub."""

    @property
    def size(self) -> int | None:
        """Bytes of all files; None where one is not known."""
        sizes = [file.size for file in self.files]
        return None if None in sizes else sum(size or 0 for size in sizes)

    def repository(self, hub: str) -> Repository:
        """Where to get it, from `hub` if that has it.

        Raises:
            UserError: the hub has it not, and it is not on GitHub either.
        """
        found = self.repositories.get(hub) or self.repositories.get("github")
        if found is None:
            raise UserError(
                f"{self.id} is not on {hub}: take it from "
                f"{' or '.join(self.repositories)} with --from"
            )
        return found

    def expected(self, file: ReleasedFile, hub: str) -> ReleasedFile:
        """What is known of a file that comes from a hub."""
        if file.name in self.repositories[hub].recorded:
            return file
        return ReleasedFile(name=file.name, size=None, sha256=None)


def read_manifest(path: Path = MANIFEST) -> list[ReleasedAsset]:
    """All released assets.

    Raises:
        UserError: the file is not a manifest, or names a path that would leave its
            folder; names the asset.
    """
    try:
        entries = json.loads(path.read_text("utf-8"))["assets"]
        return [_asset(entry) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, UserError):
            raise UserError(f"{path}: {error}") from error
        raise UserError(
            f"{path} is no manifest of released assets "
            f"({type(error).__name__}: {error})."
        ) from error


def chosen(assets: Sequence[ReleasedAsset], what: str) -> list[ReleasedAsset]:
    """The assets of some groups, given as `model,encoders`.

    Raises:
        UserError: an unknown group.
    """
    groups = [part.strip() for part in what.split(",") if part.strip()]
    for group in groups:
        if group not in GROUPS:
            raise UserError(f"'{group}' is none of {', '.join(GROUPS)}")
    if not groups:
        raise UserError(f"nothing to download: name some of {', '.join(GROUPS)}")
    return [asset for asset in assets if asset.group in groups]


def check_name(name: str) -> str:
    """The name, if it is a relative path that stays below its folder.

    Raises:
        UserError: it does not, or it holds anything but letters, digits and `._-/`.
    """
    parts = PurePosixPath(name).parts
    if (
        not parts
        or "/".join(parts) != name
        or not all(map(_PLAIN_NAME.fullmatch, parts))
    ):
        raise UserError(
            f"the file name {name!r} is refused: it must be a plain relative path."
        )
    return name


def _asset(entry: Mapping[str, Any]) -> ReleasedAsset:
    if entry["folder"] not in FILES:
        raise UserError(f"the folder {entry['folder']!r} is none of {', '.join(FILES)}")
    if entry["what"] not in GROUPS:
        raise UserError(f"{entry['what']!r} is none of {', '.join(GROUPS)}")
    files = tuple(
        ReleasedFile(
            name=check_name(file["name"]), size=file["size"], sha256=file["sha256"]
        )
        for file in entry["files"]
    )
    names = frozenset(file.name for file in files)
    repositories = {
        hub: _repository(hub, names, values) for hub, values in entry["hubs"].items()
    }
    return ReleasedAsset(
        id=check_name(entry["id"]),
        group=entry["what"],
        folder=entry["folder"],
        about=entry["about"],
        licence=entry["licence"],
        source=entry["source"],
        files=files,
        repositories=repositories,
    )


def _repository(
    hub: str, names: frozenset[str], values: Mapping[str, Any]
) -> Repository:
    if hub not in HUBS:
        raise UserError(f"the hub {hub!r} is none of {', '.join(HUBS)}")
    recorded = values["recorded"]
    if isinstance(recorded, bool):
        recorded = names if recorded else ()
    return Repository(
        hub=hub,
        name=check_name(values["repository"]),
        revision=values["revision"],
        is_dataset=values["kind"] == "dataset",
        recorded=frozenset(recorded),
        folder=check_name(values["folder"]) if "folder" in values else "",
    )
