"""Fixtures that more than one test file needs."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def found_shared() -> Path | None:
    """The reference files beside the repository, where they are."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("MINIMIND_O_SHARED", beside))
    return folder if (folder / "golden").is_dir() else None


@pytest.fixture(scope="session")
def shared(found_shared: Path | None) -> Path:
    """The same; tests that need them are skipped without."""
    if found_shared is None:
        pytest.skip("no reference files in ../shared or under MINIMIND_O_SHARED")
    return found_shared
