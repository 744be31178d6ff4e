"""A switch for each codebook, and the sound of those that are on."""

from __future__ import annotations

import ipywidgets
from torch import Tensor

from minimind_o.frozen.codebooks import decode_kept
from minimind_o.frozen.mimi import Mimi
from minimind_o.listening import flac


class CodebookMixer(ipywidgets.VBox):
    """Toggle codebooks and listen; the player follows every change."""

    def __init__(self, mimi: Mimi, codes_BQT: Tensor) -> None:
        """Start with all codebooks on.

        Args:
            mimi: the codec.
            codes_BQT: the codes (1, Q, T) of one recording.
        """
        self.mimi, self.codes_BQT = mimi, codes_BQT
        self.switches = [
            ipywidgets.ToggleButton(
                value=True,
                description=str(q),
                tooltip=f"codebook {q}",
                layout=ipywidgets.Layout(width="44px"),
            )
            for q in range(mimi.num_codebooks)
        ]
        self.player = ipywidgets.Audio(format="flac", autoplay=False, loop=False)
        for switch in self.switches:
            switch.observe(self._changed, names="value")
        label = ipywidgets.Label("codebooks that are heard:")
        super().__init__([ipywidgets.HBox([label, *self.switches]), self.player])
        self.refresh()

    @property
    def kept(self) -> list[int]:
        """The codebooks that are on."""
        return [q for q, switch in enumerate(self.switches) if switch.value]

    def refresh(self) -> None:
        """Decode what is on into the player."""
        wave = decode_kept(self.mimi, self.codes_BQT, self.kept)
        self.player.value = flac(wave[0].numpy(), self.mimi.sample_rate)

    def _changed(self, _change: object) -> None:
        self.player.autoplay = True
        self.refresh()
