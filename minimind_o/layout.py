"""The nine-stream layout as data: build it, read it back, draw it.

This is the only file that knows which position holds what.

Shape legend: S stream (Q audio streams, then text), Q codebook, F answer frame,
R reference frame, T position.

One example is a grid (S, T) = (9, T). The model reads positions 0..T-2; the label at
position p is the grid's value at p + 1, or -100 where nothing is to be learned.

With `a` = ``assistant_start``, the first position of the last assistant turn's content
(after its thought, where there is one):

- Text stream: the rendered conversation, which ends ``<|im_end|>\\n``. After it every
  position holds the tokenizer's pad token, never labelled: the sound goes on in
  silence on the text side. Labelled are the last assistant turn's content, its
  thought, its end marker and the newline after it.
- Audio stream q: codes of frame f at ``a + 1 + q + f`` (layer q waits q + 1
  positions), then one stop code, then audio pad. Only the last turn's answer sounds.
  The wait is a number of the spec: with a ``codebook_delay`` d layer q waits d·q + 1
  positions; as released d is 1.
- Before `a`, undelayed and never labelled: reference codes of the voice prompt in
  ``a - R .. a - 1``, cut on the left so that position 0 at least stays free; the
  speaker code, the same in all layers, one position before the first reference code.
- Positions `a .. a + d·q` of stream q hold pad: they separate prompt and answer.

Cut at ``max_length`` the released layout leaves the last frames *half labelled*: layer
0 still has its label, layer 7 no longer. ``half_frames="keep"`` reproduces that. By
default those labels are dropped, so that all layers learn the same frames; the inputs
stay (a true prefix of the uncut example) and the `Example` says what was dropped. The
eight stop codes count as one frame here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minimind_o.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from minimind_o.config import OmniConfig

IGNORE = -100
"""The label of a position that is not learned (torch's cross-entropy default)."""

IntArray = NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class LayoutSpec:
    """The ids the layout writes. The defaults are the released model's."""

    num_codebooks: int = 8
    """Audio streams, one per Mimi codebook."""
    num_codes: int = 2048
    """Entries per codebook; ids below it are sound, ids from it on are specials."""
    codebook_delay: int = 1
    """Positions that each audio stream waits longer than the one before it."""
    audio_vocab_size: int = 2112
    """Ids of an audio stream, specials included."""
    audio_pad_token: int = 2049
    """Silence of an audio stream: before the answer and after its stop."""
    audio_stop_token: int = 2050
    """Follows the last code of each layer."""
    audio_speaker_token: int = 2051
    """Marks where the model puts the projected speaker embedding."""
    pad_token_id: int = 0
    """Fills the text stream after the conversation's end."""

    @classmethod
    def from_config(cls, config: OmniConfig) -> LayoutSpec:
        """The layout of one model."""
        return cls(
            num_codebooks=config.num_codebooks,
            num_codes=config.num_codes,
            codebook_delay=config.codebook_delay,
            audio_vocab_size=config.audio_vocab_size,
            audio_pad_token=config.audio_pad_token,
            audio_stop_token=config.audio_stop_token,
            audio_speaker_token=config.audio_speaker_token,
            pad_token_id=config.pad_token_id,
        )

    def frame_position(self, assistant_start: int, codebook: int, frame: int) -> int:
        """Where the code of `frame` stands in audio stream `codebook`."""
        return assistant_start + 1 + self.codebook_delay * codebook + frame


@dataclass(frozen=True, kw_only=True, eq=False)
class Example:
    """One example of the layout, and what did not fit into it."""

    grid: IntArray
    """(S, T): Q audio streams, then text."""
    text_labels: IntArray
    """(T-1,), -100 where nothing is learned."""
    audio_labels: IntArray
    """(Q, T-1), -100 where nothing is learned."""
    assistant_start: int
    """First position of the last assistant turn's content."""
    num_frames: int
    """Answer frames that are labelled in all layers."""
    dropped_frames: int
    """Answer frames that did not fit whole; 0 unless the example was cut."""
    stop_labelled: bool
    """All layers' stop codes are labelled."""
    text_truncated: bool
    """The conversation was longer than ``max_length``."""

    @property
    def input_ids(self) -> IntArray:
        """What the model reads: (S, T-1)."""
        return self.grid[:, :-1]

    @property
    def audio_truncated(self) -> bool:
        """Some of the answer's frames or its stop did not fit."""
        return self.dropped_frames > 0 or (
            self.num_frames > 0 and not self.stop_labelled
        )


def frame_position(assistant_start: int, codebook: int, frame: int) -> int:
    """`LayoutSpec.frame_position` of the released layout."""
    return LayoutSpec().frame_position(assistant_start, codebook, frame)


def example_length(
    spec: LayoutSpec, text_length: int, assistant_start: int, num_frames: int | None
) -> int:
    """Positions T that an example needs uncut; `num_frames` is None without speech."""
    if num_frames is None:
        return text_length
    last_stop = spec.frame_position(assistant_start, spec.num_codebooks - 1, num_frames)
    return max(text_length, last_stop + 1)


def build_prompt(
    spec: LayoutSpec,
    text_ids: ArrayLike,
    reference_codes: ArrayLike | None = None,
    has_speaker: bool = False,
) -> IntArray:
    """The grid (S, T) that generation starts from; the answer starts at position T.

    Args:
        text_ids: (T,) the rendered conversation up to the answer.
        reference_codes: (Q, R) codes of the voice prompt, cut on the left to fit.
        has_speaker: put the speaker code before the reference.
    """
    text = np.asarray(text_ids, dtype=np.int32)
    grid = _blank(spec, len(text))
    grid[-1] = text
    _write_voice(spec, grid, len(text), reference_codes, has_speaker)
    return grid


def build_example(
    spec: LayoutSpec,
    text_ids: ArrayLike,
    assistant_start: int,
    answer_codes: ArrayLike | None = None,
    reference_codes: ArrayLike | None = None,
    has_speaker: bool = False,
    *,
    label_start: int | None = None,
    max_length: int | None = None,
    pad_to: int | None = None,
    half_frames: Literal["drop", "keep"] = "drop",
) -> Example:
    """Lay out one conversation, with or without a spoken answer.

    Args:
        text_ids: the rendered conversation, last assistant turn included.
        assistant_start: first position of that turn's content, after its thought.
        answer_codes: (Q, F) codes of the answer, or none for an unspoken one.
        reference_codes: (Q, R) codes of the voice prompt.
        has_speaker: put the speaker code before the reference.
        label_start: first learned text position (a thought's first token);
            `assistant_start` unless given.
        max_length: cut the grid to this many positions.
        pad_to: fill the grid up to this many positions.
        half_frames: what to do with frames the cut leaves half labelled.

    Raises:
        UserError: for `assistant_start` outside the text or codes that are no codes.
    """
    text = np.asarray(text_ids, dtype=np.int32)
    if not 1 <= assistant_start <= len(text):
        raise UserError(
            f"assistant_start is {assistant_start}; it must lie in 1..{len(text)}, "
            "behind the first and not behind the last text position."
        )
    answer = None if answer_codes is None else _as_codes(spec, answer_codes, "answer")
    num_frames = None if answer is None else answer.shape[1]
    full = example_length(spec, len(text), assistant_start, num_frames)
    length = full if max_length is None else min(full, max_length)

    # Everything is written uncut and then cut: truncation cannot move anything.
    grid = _blank(spec, max(full, pad_to or 0))
    grid[-1, : len(text)] = text
    _write_voice(spec, grid, assistant_start, reference_codes, has_speaker)
    audio_labelled = np.zeros((spec.num_codebooks, grid.shape[1]), dtype=bool)
    if answer is not None:
        for q in range(spec.num_codebooks):
            start = spec.frame_position(assistant_start, q, 0)
            stop = start + answer.shape[1]
            grid[q, start:stop] = answer[q]
            grid[q, stop] = spec.audio_stop_token
            audio_labelled[q, start : stop + 1] = True
    text_labelled = np.zeros(grid.shape[1], dtype=bool)
    text_labelled[
        assistant_start if label_start is None else label_start : len(text)
    ] = 1

    grid = grid[:, : max(length, min(pad_to or 0, grid.shape[1]))]
    first_whole = spec.frame_position(assistant_start, spec.num_codebooks - 1, 0)
    whole = max(0, length - first_whole)
    if half_frames == "drop":
        for q in range(spec.num_codebooks):
            audio_labelled[q, spec.frame_position(assistant_start, q, whole) :] = False
    labels = np.where(
        np.vstack([audio_labelled, text_labelled])[:, 1 : grid.shape[1]],
        grid[:, 1:],
        np.int32(IGNORE),
    )
    frames = num_frames or 0
    return Example(
        grid=grid,
        text_labels=labels[-1],
        audio_labels=labels[:-1],
        assistant_start=assistant_start,
        num_frames=min(frames, whole),
        dropped_frames=max(0, frames - whole),
        stop_labelled=num_frames is not None and whole > frames,
        text_truncated=len(text) > length,
    )


def read_codes(spec: LayoutSpec, grid: ArrayLike, assistant_start: int) -> IntArray:
    """The answer's codes (Q, F), read back from a grid (S, T): the inverse of building.

    The answer ends at layer 0's stop or pad; frames whose later layers lie beyond T
    are left out.

    Raises:
        UserError: if a special code stands inside the answer.
    """
    streams = np.asarray(grid, dtype=np.int32)
    whole = streams.shape[1] - spec.frame_position(
        assistant_start, spec.num_codebooks - 1, 0
    )
    first = spec.frame_position(assistant_start, 0, 0)
    specials = np.flatnonzero(streams[0, first:] >= spec.num_codes)
    frames = max(0, min(whole, specials[0] if len(specials) else whole))
    codes = np.empty((spec.num_codebooks, frames), dtype=np.int32)
    for q in range(spec.num_codebooks):
        start = spec.frame_position(assistant_start, q, 0)
        codes[q] = streams[q, start : start + frames]
    return _as_codes(spec, codes, "read-back")


def draw(spec: LayoutSpec, example: Example, **options: object) -> Figure:
    """Draw the grid; see `minimind_o.layout_figure.draw` for the options."""
    from minimind_o import layout_figure

    return layout_figure.draw(spec, example, **options)  # type: ignore[arg-type]


def _blank(spec: LayoutSpec, length: int) -> IntArray:
    grid = np.full((spec.num_codebooks + 1, length), spec.audio_pad_token, np.int32)
    grid[-1] = spec.pad_token_id
    return grid


def _write_voice(
    spec: LayoutSpec,
    grid: IntArray,
    assistant_start: int,
    reference_codes: ArrayLike | None,
    has_speaker: bool,
) -> None:
    start = assistant_start
    if reference_codes is not None:
        reference = _as_codes(spec, reference_codes, "reference")
        # Position 0 is kept free for the speaker code even where there is none.
        room = min(reference.shape[1], assistant_start - 1)
        if room > 0:
            start = assistant_start - room
            grid[:-1, start:assistant_start] = reference[:, -room:]
    if has_speaker and start > 0:
        grid[:-1, start - 1] = spec.audio_speaker_token


def _as_codes(spec: LayoutSpec, codes: ArrayLike, what: str) -> IntArray:
    array = np.asarray(codes, dtype=np.int32)
    if array.ndim != 2 or array.shape[0] != spec.num_codebooks:
        raise UserError(
            f"The {what} codes have shape {array.shape}; "
            f"they must be ({spec.num_codebooks}, frames)."
        )
    if array.size and not (array.min() >= 0 and array.max() < spec.num_codes):
        bad = array[(array < 0) | (array >= spec.num_codes)][0]
        raise UserError(
            f"The {what} codes hold {bad}; codes lie in 0..{spec.num_codes - 1}."
        )
    return array
