"""The course as pages: `make site` renders `notebooks/` as it is committed.

Nothing is executed and nothing is fetched: sounds and pictures are in the notebooks,
styles and scripts beside the pages, and formulas are drawn by matplotlib.
"""

import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))

from formulas import use_mathtext

from minimind_o.course import read_chapters
from minimind_o.plots import BLUE

IGNORED_BY_NBVAL = "# NBVAL_IGNORE_OUTPUT\n"
"""Tells the tests something, and a reader nothing."""
TWIN = 'class="minimind-twin"'
TOCTREE = """
```{{toctree}}
:hidden:
:caption: {caption}

{entries}
```
"""

MAP = re.compile(r"^!\[[^]]*\]\(map\.svg\)$", re.MULTILINE)

project = "MiniMind-O"
html_title = "MiniMind-O, a course you can hear"
extensions = ["myst_nb"]
root_doc = "index"
exclude_patterns = ["**/.ipynb_checkpoints"]

nb_execution_mode = "off"
# A widget is dead without its kernel; its twin, the HTML beside it, is not.
nb_mime_priority_overrides = [
    ("html", "application/vnd.jupyter.widget-view+json", None)
]
nb_ipywidgets_js: dict[str, Any] = {}
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["course.css"]
html_copy_source = False
html_show_copyright = False
pygments_style = "friendly"
_colours = {"color-brand-primary": BLUE, "color-brand-content": BLUE}
_light = dict.fromkeys(_colours, "#5cb3d1")
html_theme_options = {
    "light_css_variables": _colours,
    "dark_css_variables": _light,
    "sidebar_hide_name": False,
    "footer_icons": [],
}


def list_chapters(app: Sphinx, name: str, text: list[str]) -> None:
    """Put the chapters into the first page's contents, and so into the sidebar."""
    if name != root_doc:
        return
    # As part of the page, the map's boxes lead to their chapters.
    drawing = (Path(app.srcdir) / "map.svg").read_text(encoding="utf-8")
    inline = f"```{{raw}} html\n{drawing}```"
    text[0] = MAP.sub(lambda found: inline, text[0])
    files = [chapter.file for chapter in read_chapters()]
    solutions = [f"solutions/{file}_solutions" for file in files]
    known = [
        each for each in solutions if (Path(app.srcdir) / f"{each}.ipynb").is_file()
    ]
    for caption, pages in (
        ("Chapters", files),
        ("To look things up", ["glossary"]),
        ("Solutions", known),
    ):
        text[0] += TOCTREE.format(caption=caption, entries="\n".join(pages))


def tidy_code(app: Sphinx, tree: nodes.document) -> None:
    """Take out of the cells what is meant for the tests."""
    for block in list(tree.findall(nodes.literal_block)):
        if block.rawsource.startswith(IGNORED_BY_NBVAL):
            block.rawsource = block.rawsource.removeprefix(IGNORED_BY_NBVAL)
            block.children = [nodes.Text(block.rawsource)]


def show_twins_once(app: Sphinx, tree: nodes.document, name: str) -> None:
    """Of a widget and its twin, equal where nothing is alive, leave the later."""
    seen: set[str] = set()
    twins = [raw for raw in tree.findall(nodes.raw) if TWIN in raw.astext()]
    for twin in reversed(twins):
        if twin.astext() in seen:
            twin.parent.remove(twin)
        seen.add(twin.astext())


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", list_chapters)
    app.connect("doctree-read", tidy_code)
    # Only then is it settled in which of its forms an output is shown.
    app.connect("doctree-resolved", show_twins_once)
    use_mathtext(app)
