"""A tree of the released formats: the authors' files, or random weights where none are.

Chapter 13 runs on either, through the same lines. Whatever came from random weights
must say so, so a tree has the words, and every output is shown through it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from numpy.typing import ArrayLike

from minimind_o.assets import (
    ENVIRONMENT_VARIABLE,
    NANO_ROOT,
    Assets,
    released_root,
)
from minimind_o.listening import Player, listen
from minimind_o.terminal_table import terminal_table


@dataclass(frozen=True, kw_only=True)
class ReleasedTree:
    """Assets, and what is to be said of every output that they give."""

    assets: Assets

    @property
    def origin(self) -> str:
        """Where the weights come from, in a few words."""
        return "random weights" if self.assets.is_random else "released weights"

    def labelled(self, what: str) -> str:
        """The name of a sound, a bar or a figure, with the origin."""
        return f"{what} ({self.origin})"

    def say(self, *lines: str) -> None:
        """Print the origin, and then the lines."""
        print(f"[{self.origin}]", *lines, sep="\n")

    def table(self, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
        """Print the origin and a table."""
        self.say(terminal_table(head, rows, max_width=48))

    def listen(self, clips: Mapping[str, ArrayLike]) -> Player:
        """A player for each sound, the origin in its label."""
        return listen({self.labelled(name): wave for name, wave in clips.items()})


def find_released() -> Assets | None:
    """The tree that $MINIMIND_O_ASSETS names, or what `minimind-o download` has put.

    The embedded tree does not count, nor does a download without the model.

    Raises:
        UserError: the variable names a folder that does not exist.
    """
    if os.environ.get(ENVIRONMENT_VARIABLE):
        named = Assets.find()
        return None if named.root.resolve() == NANO_ROOT else named
    downloaded = Assets(released_root())
    return None if downloaded.problem("omni") else downloaded


def released_or_random(folder: Path, *, shallow: bool = False) -> ReleasedTree:
    """The tree to work on.

    Args:
        folder: where random weights go if there is no released tree.
        shallow: of these: give Thinker and Talker few layers, too. The encoders have
            few in any case, and all widths are the released ones.

    Raises:
        UserError: as `find_released`.
    """
    from minimind_o.released.random_tree import (  # takes seconds
        FULL_MODEL,
        SHALLOW,
        write_random_tree,
    )

    found = find_released()
    if found is None:
        found = write_random_tree(folder, SHALLOW if shallow else FULL_MODEL)
    return ReleasedTree(assets=found)
