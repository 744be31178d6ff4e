"""The checkpoints that a page may choose from; each is loaded when first chosen."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from minimind_o.assets import Assets
from minimind_o.errors import UserError
from minimind_o.generation.loading import load_engine
from minimind_o.realtime.host import Host


class Models:
    """Hosts by the names of their checkpoints.

    Args:
        assets: codec, encoders, tokenizer and voices, and the default checkpoints.
        folders: of the checkpoints; by default those of the assets that are there.
        most_sessions: of each, at a time.

    Raises:
        UserError: no checkpoint, or two of one name.
    """

    def __init__(
        self, assets: Assets, folders: Sequence[Path] = (), most_sessions: int = 4
    ) -> None:
        known = [assets.path("omni"), assets.path("omni_moe")]
        chosen = list(folders) or [folder for folder in known if folder.is_dir()]
        self._folders = {folder.resolve().name: folder for folder in chosen}
        if not chosen:
            raise UserError(f"{assets.root} holds no model: name one with --model.")
        if len(self._folders) < len(chosen):
            raise UserError(
                "two models have the same name: "
                f"{', '.join(str(folder) for folder in chosen)}."
            )
        self._assets, self._most = assets, most_sessions
        self._hosts: dict[str, Host] = {}
        self._lock = threading.Lock()

    @property
    def names(self) -> list[str]:
        """What may be chosen; the first is the default."""
        return list(self._folders)

    def host(self, name: str) -> Host:
        """The host of a checkpoint; loads it where nobody has chosen it before.

        Raises:
            UserError: no such checkpoint, or a damaged one.
        """
        if name not in self._folders:
            raise UserError(
                f"model '{name[:40]}' is none of {', '.join(self._folders)}."
            )
        with self._lock:
            if name not in self._hosts:
                engine = load_engine(self._assets, model=self._folders[name])
                self._hosts[name] = Host(engine, most_sessions=self._most)
            return self._hosts[name]

    def close(self) -> None:
        """End all sessions."""
        with self._lock:
            for host in self._hosts.values():
                host.close()
            self._hosts.clear()
