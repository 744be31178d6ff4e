"""Formulas as pictures that matplotlib draws, for pages that fetch no MathJax."""

import html
import io
import re
from typing import Any

import matplotlib as mpl
from docutils import nodes
from matplotlib.figure import Figure
from sphinx.application import Sphinx
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
SIZE, DISPLAY_SIZE = 12, 14
"""In points, within a line of text and on lines of its own."""


def formula_svg(formula: str, is_display: bool = False) -> str:
    """An SVG in the colour of the text around it.

    Raises:
        ValueError: matplotlib cannot draw it.
    """
    figure = Figure()
    size = DISPLAY_SIZE if is_display else SIZE
    if is_display:
        formula = formula.replace(r"\frac", r"\dfrac")
    # Names inside the file must differ from those of the page's other formulas.
    salt = {"svg.hashsalt": formula, "mathtext.fontset": "cm", "svg.id": None}
    known = {name: value for name, value in salt.items() if name in mpl.rcParams}
    with mpl.rc_context(known):
        figure.text(0, 0, f"${formula}$", size=size, color="black")
        file = io.StringIO()
        figure.savefig(file, format="svg", bbox_inches="tight", pad_inches=0.02,
                       transparent=True, metadata={"Date": None})  # fmt: skip
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = text.replace("<svg ", '<svg style="fill: currentColor" ', 1)
    return re.sub(r"<g style=\"fill: #000000[^\"]*\"", "<g", text)


def _visit(self: Any, node: nodes.Element, kind: str) -> None:
    formula = " ".join(node.astext().split())
    try:
        drawn = formula_svg(formula, is_display=kind == "div")
    except ValueError:
        LOGGER.warning("matplotlib cannot draw the formula %r", formula, location=node)
        drawn = f"<code>{html.escape(formula)}</code>"
    label = html.escape(formula, quote=True)
    self.body.append(
        f'<{kind} class="formula" role="img" aria-label="{label}">{drawn}</{kind}>'
    )
    raise nodes.SkipNode


def use_mathtext(app: Sphinx) -> None:
    """Make it the way in which a page's formulas are shown."""
    app.add_html_math_renderer(
        "mathtext",
        (lambda self, node: _visit(self, node, "span"), None),
        (lambda self, node: _visit(self, node, "div"), None),
    )
    app.config.html_math_renderer = "mathtext"  # type: ignore[attr-defined]
