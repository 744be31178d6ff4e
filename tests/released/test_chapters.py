"""A few chapters run on a tree of the released formats, too.

They are given one, of few layers, by the variable that a reader with the released files
would set. (Chapter 13 makes one itself, and nbval runs it. The chapters that speak much
take too long on the widths of the released model to be run here.)
"""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from minimind_o.assets import ENVIRONMENT_VARIABLE, Assets
from minimind_o.released.random_tree import SHALLOW, write_random_tree

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
CHAPTERS = ("01_tokens_and_streams", "04_thinker", "07_data", "14_final_project")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Assets:
    """Random weights, with the embedded tokenizer and media."""
    return write_random_tree(tmp_path_factory.mktemp("tree"), SHALLOW)


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_runs_on_released_formats(
    name: str, tree: Assets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tree.root))
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    in_its_folder = {"metadata": {"path": str(NOTEBOOKS)}}
    client = NotebookClient(notebook, timeout=600, resources=in_its_folder)
    client.execute()  # raises at the first cell that does
