"""What a widget leaves in a notebook that nobody runs: a picture and a sound.

A widget is alive only while its kernel is. Its twin is plain HTML, so it shows and
plays on a rendered page as well. Every widget carries its twin along as the form that
a page takes which has no kernel; `widget.twin()` shows it in a cell of its own.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping

import numpy as np
from anywidget import AnyWidget
from IPython.display import HTML
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from minimind_o.listening import listen


class Twin(HTML):
    """A picture over some players.

    Args:
        figure: the picture.
        clips: label to samples (N,); silent ones are left out.
        sample_rate: of the clips.
        alt: what the picture shows, for those who do not see it.
        secret: what is to be seen only by those who unfold it.
    """

    def __init__(
        self,
        figure: Figure,
        clips: Mapping[str, ArrayLike],
        sample_rate: int,
        alt: str,
        secret: str = "",
    ) -> None:
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=90, bbox_inches="tight")
        self.png = file.getvalue()
        content = base64.b64encode(self.png).decode()
        audible = {name: wave for name, wave in clips.items() if np.size(wave)}
        players = listen(audible, sample_rate)._repr_html_() if audible else ""
        if secret:
            secret = (
                "<details><summary>which was which?</summary>"
                f"{html.escape(secret)}</details>"
            )
        super().__init__(
            f'<div class="minimind-twin"><img alt="{html.escape(alt)}" '
            f'style="max-width: 100%" src="data:image/png;base64,{content}">'
            f"{players}{secret}</div>"
        )

    def __repr__(self) -> str:
        return "Twin()"


class AudioWidget(AnyWidget):
    """A widget that can be shown without a kernel, too."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def twin(self) -> Twin:
        """What it shows and plays now, as a picture and a sound."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **kwargs: dict) -> tuple[dict, dict] | None:
        """The live view, and the twin for pages that have none."""
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle
        twin = self.twin().data
        return {**data, "text/plain": repr(self), "text/html": twin}, metadata
