"""The answer's codes while they are being made, one staggered column a step.

Column n stands at position `assistant_start + n`, so layer q holds the code of frame
n - 1 - d·q, with d the config's `codebook_delay`, 1 as released (see
`minimind_o.layout`). When layer q's turn comes for a frame, layer 0 has had its own, or
with d = 0 has it then: its stop alone decides how long the speech is, and the other
layers finish their frames. (Ending at the earliest stop of the 8 was measured to cut
last words.)

Shapes: Q codebook, V audio vocabulary, N column, F frame, K recent columns.
"""

import torch
from torch import Tensor

from minimind_o.config import OmniConfig
from minimind_o.generation.sampling import NUM_RECENT


class CodeGrid:
    """Preallocated columns, what may be drawn into them, and the whole frames."""

    def __init__(
        self,
        config: OmniConfig,
        *,
        max_frames: int,
        max_columns: int,
        device: torch.device | str = "cpu",
    ) -> None:
        num_codebooks = config.num_codebooks
        assert max_columns >= max_frames + config.frame_steps
        self.max_frames = max_frames
        self.max_columns = max_columns
        self.num_columns = 1
        self.num_frames: int | None = None
        """How long the speech is; None until layer 0 stops."""
        self.was_cut = False
        """The speech ended because it was as long as allowed."""
        self._pad, self._stop = config.audio_pad_token, config.audio_stop_token
        self._columns_QN = torch.full(
            (num_codebooks, max_columns), self._pad, device=device
        )
        # Row q begins d columns further right for each q, so that one column of this
        # view is one frame in all layers.
        self._frames_QF = self._columns_QN.as_strided(
            (num_codebooks, max_frames),
            (max_columns + config.codebook_delay, 1),
            storage_offset=1,
        )
        self._frame_steps = config.frame_steps
        self._waits_Q = config.codebook_delay * torch.arange(
            num_codebooks, device=device
        )
        self.forbidden_QV = self._forbidden(config).to(device)
        """0, or -inf where a code must not be drawn."""

    def _forbidden(self, config: OmniConfig) -> Tensor:
        """-inf for every special code, except layer 0's stop."""
        forbidden = torch.zeros(config.num_codebooks, config.audio_vocab_size)
        forbidden[:, config.num_codes :] = -torch.inf
        forbidden[0, self._stop] = 0
        return forbidden

    @property
    def recent_QK(self) -> Tensor:
        """The last codes of each layer, for the repetition penalty."""
        start = max(self.num_columns - NUM_RECENT, 0)
        return self._columns_QN[:, start : self.num_columns]

    @property
    def last_column_Q(self) -> Tensor:
        """What the model reads next."""
        return self._columns_QN[:, self.num_columns - 1]

    @property
    def num_whole_frames(self) -> int:
        """Frames all of whose codes exist."""
        whole = max(self.num_columns - self._frame_steps, 0)
        return whole if self.num_frames is None else min(whole, self.num_frames)

    @property
    def is_complete(self) -> bool:
        """The speech has ended and every layer has finished it."""
        return self.num_frames is not None and self.num_whole_frames == self.num_frames

    def frames(self, start: int, end: int) -> Tensor:
        """Whole frames (Q, end - start)."""
        assert end <= self.num_whole_frames
        return self._frames_QF[:, start:end]

    def append(self, drawn_Q: Tensor) -> None:
        """Write the next column from what was drawn for it in all layers.

        A layer whose turn has not come holds pad; after its last frame come one stop
        and then pad, whatever was drawn.
        """
        assert self.num_columns < self.max_columns
        newest = self.num_columns - 1
        if self.num_frames is None:
            has_stopped = int(drawn_Q[0]) == self._stop
            self.was_cut = newest == self.max_frames and not has_stopped
            if has_stopped or self.was_cut:
                self.num_frames = newest
        frame_Q = newest - self._waits_Q
        column_Q = torch.where(frame_Q >= 0, drawn_Q, self._pad)
        if self.num_frames is not None:
            ended_Q = torch.where(frame_Q == self.num_frames, self._stop, self._pad)
            column_Q = torch.where(frame_Q < self.num_frames, column_Q, ended_Q)
        self._columns_QN[:, self.num_columns] = column_Q
        self.num_columns += 1
