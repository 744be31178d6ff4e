"""A file, or a folder of files, that appears whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minimind_o.errors import UserError


def check_free(out: Path, force: bool, *others: Path) -> None:
    """Nothing is at `out` or the `others`, but for an empty folder.

    Raises:
        UserError: something is, and `force` is not given.
    """
    for path in (out, *others):
        taken = any(path.iterdir()) if path.is_dir() else path.exists()
        if taken and not force:
            raise UserError(
                f"{path} is there already: choose another name, or --force to replace "
                "it."
            )


@contextmanager
def written_aside(out: Path) -> Iterator[Path]:
    """A new folder, to be written into, that becomes `out` at the end.

    Where `out` exists, its files of the same names are replaced one by one and all
    others stay. After an error nothing has changed.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = out.with_name(f"{out.name}.{os.getpid()}.partial")
    try:
        aside.mkdir()
        yield aside
        if not out.exists():
            aside.rename(out)
        else:
            for file in sorted(aside.iterdir(), reverse=True):
                os.replace(file, out / file.name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def file_written_aside(path: Path) -> Iterator[Path]:
    """A name, to be written to, of what becomes the file `path` at the end.

    Its folder is made. After an error nothing has changed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        yield aside
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
