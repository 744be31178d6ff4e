"""Training examples from Parquet rows, kept compact and laid out when asked for.

Rows are read, checked and tokenised once and kept as flat 16- and 32-bit arrays (a few
kilobytes a row); building the nine streams costs about 0.1 ms, so what changes from
epoch to epoch (voice prompt or not, code noise) is drawn then.

Shape legend: S stream, Q codebook, F frame, T position (inputs).
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from minimind_o.data.encoders import NO_MEDIA, MediaEncoders, MediaStates, States
from minimind_o.data.row import Row, RowFormat
from minimind_o.data.schema import BadRowPolicy, BadRows, read_rows
from minimind_o.errors import UserError
from minimind_o.layout import LayoutSpec, build_example, example_length, frame_position
from minimind_o.tokenizer import EncodedConversation, Tokenizer

logger = logging.getLogger(__name__)

ROWS_ENCODED_TOGETHER = 64
NO_TEXT = -1
"""Alignment where no text position is being spoken."""


@dataclass(frozen=True, kw_only=True)
class ExampleOptions:
    """How rows become examples."""

    max_length: int = 512
    """Longest grid in positions; longer rows are cut, and that is reported."""
    reference_probability: float = 1.0
    """How often a row's voice prompt is used."""
    speaker_probability: float = 1.0
    """How often a row's speaker vector is used."""
    code_noise: float = 0.0
    """Share of the answer's input codes replaced by random codes; labels stay clean."""
    remove_empty_thought: bool = True
    """Drop empty ``<think>`` blocks."""
    seed: int = 0
    """Seed of the voice prompt and the noise, together with epoch and row."""

    def __post_init__(self) -> None:
        for name in (
            "reference_probability",
            "speaker_probability",
            "code_noise",
        ):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise UserError(
                    f"{name} is {getattr(self, name)}; it must lie in 0..1."
                )


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingExample:
    """What one row contributes to a batch."""

    input_ids: NDArray[np.int32]
    """(S, T)"""
    text_labels: NDArray[np.int32]
    """(T,)"""
    audio_labels: NDArray[np.int32]
    """(Q, T)"""
    alignment: NDArray[np.int32]
    """(T,): the text position spoken by the frame that codebook 0 predicts here, or
    -1. Only positions that attention can reach (at or before this one) are named."""
    assistant_start: int
    speaker_embedding: NDArray[np.float32] | None
    audio_states: States | None = None
    """(L, E) of the row's recordings, one after the other."""
    image_states: States | None = None
    """(L, E) of the row's pictures, one after the other."""


class ExampleDataset(Dataset[TrainingExample]):
    """All rows of some Parquet files as training examples.

    Args:
        paths: the Parquet files.
        tokenizer: encodes the conversations.
        spec: the ids of the layout.
        options: see `ExampleOptions`.
        bad_rows: "fatal" raises at the first bad row; "skip" logs each by file and row
            and lists them in `bad_rows.messages`.
        speaker_embedding_size: length of the rows' speaker vectors.
        encoders: for rows with speech or pictures; their states are kept, so that
            every recording and picture is encoded once, not once an epoch.

    Raises:
        UserError: for a bad file, a bad row, or files without one good row.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        tokenizer: Tokenizer,
        spec: LayoutSpec,
        options: ExampleOptions | None = None,
        *,
        bad_rows: BadRowPolicy = "fatal",
        speaker_embedding_size: int = 192,
        encoders: MediaEncoders | None = None,
    ) -> None:
        self.spec = spec
        self.options = options or ExampleOptions()
        self.bad_rows = BadRows(bad_rows)
        self.epoch = 0
        row_format = RowFormat(
            num_codebooks=spec.num_codebooks,
            num_codes=spec.num_codes,
            speaker_embedding_size=speaker_embedding_size,
        )
        builder = _TableBuilder(self.options.max_length, spec.num_codebooks)
        for path in paths:
            rows = read_rows(path, row_format, self.bad_rows, check_audio=False)
            for row, media in _with_media(rows, encoders, self.bad_rows):
                try:
                    builder.add(
                        row, media, tokenizer, self.options.remove_empty_thought
                    )
                except UserError as error:
                    self.bad_rows.report(UserError(f"{row.location}: {error}"))
        names = ", ".join(map(str, paths))
        if not builder.starts:
            raise UserError(f"{names} has no row to train on; it needs at least one.")
        self._table = builder.finish()
        frames = self._table.codes.lengths
        grid_lengths = np.array(
            [
                example_length(spec, text, start, count if count else None)
                for text, start, count in zip(
                    self._table.text.lengths, self._table.starts, frames, strict=True
                )
            ]
        )
        self.num_truncated = int((grid_lengths > self.options.max_length).sum())
        self.lengths = np.minimum(grid_lengths, self.options.max_length) - 1
        if self.num_truncated:
            logger.warning(
                "%s: %d of %d rows are longer than max_length %d and were cut.",
                names,
                self.num_truncated,
                len(self),
                self.options.max_length,
            )

    def __len__(self) -> int:
        return len(self._table.starts)

    @property
    def has_speakers(self) -> bool:
        """Some row has a speaker vector."""
        return any(speaker is not None for speaker in self._table.speakers)

    def set_epoch(self, epoch: int) -> None:
        """Draw voice prompts and noise anew; the same epoch draws the same."""
        self.epoch = epoch

    def __getitem__(self, index: int) -> TrainingExample:
        table, options = self._table, self.options
        rng = np.random.default_rng((options.seed, self.epoch, index))
        codes, reference = table.codes[index].T, table.references[index].T
        speaker = table.speakers[index]
        use_reference = rng.random() < options.reference_probability
        if speaker is not None and rng.random() >= options.speaker_probability:
            speaker = None
        example = build_example(
            self.spec,
            table.text[index],
            int(table.starts[index]),
            codes if codes.size else None,
            reference if reference.size and use_reference else None,
            has_speaker=speaker is not None,
            label_start=int(table.label_starts[index]),
            max_length=options.max_length,
        )
        input_ids = example.input_ids
        if options.code_noise:
            input_ids = add_code_noise(
                self.spec, input_ids, example.assistant_start, options.code_noise, rng
            )
        alignment = np.full(len(example.text_labels), NO_TEXT, dtype=np.int32)
        spoken = table.alignment[index][: example.num_frames]
        first = frame_position(example.assistant_start, 0, 0) - 1
        reachable = spoken <= np.arange(first, first + len(spoken))
        alignment[first : first + len(spoken)] = np.where(reachable, spoken, NO_TEXT)
        return TrainingExample(
            input_ids=input_ids,
            text_labels=example.text_labels,
            audio_labels=example.audio_labels,
            alignment=alignment,
            assistant_start=example.assistant_start,
            speaker_embedding=speaker,
            audio_states=table.media[index].audio_states,
            image_states=table.media[index].image_states,
        )


def add_code_noise(
    spec: LayoutSpec,
    input_ids: NDArray[np.int32],
    assistant_start: int,
    share: float,
    rng: np.random.Generator,
) -> NDArray[np.int32]:
    """Replace a share of the answer's input codes by random codes.

    Pads, stops and the speaker code stay, and so does the voice prompt: in decoding it
    is never the model's own, possibly wrong, output.
    """
    noisy = input_ids.copy()
    answer = noisy[:-1, assistant_start:]
    chosen = (answer < spec.num_codes) & (rng.random(answer.shape) < share)
    answer[chosen] = rng.integers(0, spec.num_codes, int(chosen.sum()))
    return noisy


@dataclass(frozen=True, eq=False)
class _Ragged:
    """Arrays of different lengths, end to end in one array."""

    values: NDArray[Any]
    offsets: NDArray[np.int64]

    @classmethod
    def pack(cls, arrays: Sequence[NDArray[Any]], dtype: type) -> _Ragged:
        lengths = [len(array) for array in arrays]
        return cls(
            np.concatenate(arrays).astype(dtype),
            np.cumsum([0, *lengths], dtype=np.int64),
        )

    @property
    def lengths(self) -> list[int]:
        return np.diff(self.offsets).tolist()

    def __getitem__(self, index: int) -> NDArray[Any]:
        return self.values[self.offsets[index] : self.offsets[index + 1]]


@dataclass(frozen=True, eq=False)
class _Table:
    text: _Ragged
    codes: _Ragged
    """(F, Q) each"""
    references: _Ragged
    """(R, Q) each"""
    alignment: _Ragged
    """(F,) each, or empty: the text position each frame speaks, or -1"""
    starts: NDArray[np.int32]
    label_starts: NDArray[np.int32]
    speakers: list[NDArray[np.float32] | None]
    media: list[MediaStates]


def _with_media(
    rows: Iterable[Row], encoders: MediaEncoders | None, bad_rows: BadRows
) -> Iterator[tuple[Row, MediaStates]]:
    """Rows and their media, encoded many at a time; what cannot be is reported."""
    rows = iter(rows)
    while chunk := list(itertools.islice(rows, ROWS_ENCODED_TOGETHER)):
        try:
            together = _encode(chunk, encoders)
        except UserError:
            together = None  # some row of them: which one?
        if together is not None:
            yield from zip(chunk, together, strict=True)
            continue
        for row in chunk:
            try:
                (media,) = _encode([row], encoders)
            except UserError as error:
                bad_rows.report(UserError(f"{row.location}: {error}"))
            else:
                yield row, media


def _encode(rows: Sequence[Row], encoders: MediaEncoders | None) -> list[MediaStates]:
    if encoders is not None:
        return encoders.encode(
            [row.question_audios for row in rows], [row.images for row in rows]
        )
    if any(row.question_audios or row.images for row in rows):
        raise UserError(
            "the row has speech or image input, and no encoders were given: "
            "question_audios and image_bytes must be empty."
        )
    return [NO_MEDIA] * len(rows)


class _TableBuilder:
    def __init__(self, max_length: int, num_codebooks: int) -> None:
        self._max_length = max_length
        self._num_codebooks = num_codebooks
        self._text: list[NDArray[Any]] = []
        self._codes: list[NDArray[Any]] = []
        self._references: list[NDArray[Any]] = []
        self._alignment: list[NDArray[Any]] = []
        self._speakers: list[NDArray[np.float32] | None] = []
        self._label_starts: list[int] = []
        self._media: list[MediaStates] = []
        self.starts: list[int] = []

    def add(
        self,
        row: Row,
        media: MediaStates,
        tokenizer: Tokenizer,
        remove_empty_thought: bool,
    ) -> None:
        text = tokenizer.encode_conversation(
            media.place(row.turns),
            remove_empty_thought=remove_empty_thought,
        )
        if text.assistant_start >= self._max_length:
            raise UserError(
                f"the answer starts at position {text.assistant_start}; it must start "
                f"before max_length {self._max_length}."
            )
        self._text.append(np.array(text.text_ids))
        self._codes.append(_frames_first(row.answer_codes, self._num_codebooks))
        self._references.append(_frames_first(row.reference_codes, self._num_codebooks))
        self._alignment.append(_spoken_positions(row, text))
        self._speakers.append(row.speaker_embedding)
        self._media.append(media)
        self._label_starts.append(text.label_start)
        self.starts.append(text.assistant_start)

    def finish(self) -> _Table:
        return _Table(
            _Ragged.pack(self._text, np.int32),
            _Ragged.pack(self._codes, np.int16),
            _Ragged.pack(self._references, np.int16),
            _Ragged.pack(self._alignment, np.int32),
            np.array(self.starts, dtype=np.int32),
            np.array(self._label_starts, dtype=np.int32),
            self._speakers,
            self._media,
        )


def _frames_first(codes: NDArray[np.int32] | None, num_codebooks: int) -> NDArray[Any]:
    if codes is None:
        return np.empty((0, num_codebooks), np.int16)
    return codes.T.astype(np.int16)


def _spoken_positions(row: Row, text: EncodedConversation) -> NDArray[np.int32]:
    characters = row.answer_alignment
    if characters is None:
        return np.empty(0, np.int32)
    positions = np.append(text.answer_positions, NO_TEXT)  # index -1 stays -1
    return positions[characters].astype(np.int32)
