"""Fixtures that more than one test file needs."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The reference files beside the repository; tests that need them are skipped."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("MINIMIND_O_SHARED", beside))
    if not (folder / "golden").is_dir():
        pytest.skip("no reference files in ../shared or under MINIMIND_O_SHARED")
    return folder
