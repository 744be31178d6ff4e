"""A voice from a recording that a page sends; nothing of it is written to disk."""

from __future__ import annotations

import threading

from minimind_o.assets import Assets
from minimind_o.frozen.campplus import CampPlus, load_campplus
from minimind_o.frozen.mimi import Mimi, load_mimi
from minimind_o.generation.new_voice import make_voice
from minimind_o.generation.voices import Voice


class VoiceMaker:
    """Codec and speaker encoder, loaded when the first voice is made."""

    def __init__(self, assets: Assets) -> None:
        self._assets = assets
        self._lock = threading.Lock()
        self._loaded: tuple[Mimi, CampPlus] | None = None

    def __call__(self, recording: bytes) -> Voice:
        """The voice prompt of a recording's speaker.

        Raises:
            UserError: as `minimind_o.generation.new_voice.make_voice`.
        """
        with self._lock:
            if self._loaded is None:
                mimi = load_mimi(self._assets.mimi)
                self._loaded = mimi, load_campplus(self._assets.campplus)
            return make_voice("own", recording, *self._loaded)
