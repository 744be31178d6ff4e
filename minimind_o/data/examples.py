"""Training examples from Parquet rows: prepared once, laid out when asked for.

A row is read, checked, tokenised and its media encoded once (`PreparedRow`, a few
kilobytes); building the nine streams costs about 0.1 ms, so what changes from epoch to
epoch (voice prompt or not, code noise) is drawn then.

Shape legend: S stream, Q codebook, F frame, R reference frame, T position (inputs).
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
from minimind_o.layout import LayoutSpec, build_example, example_length
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
    noise_specials: bool = False
    """Draw the random codes from all ids of an audio stream, specials included, as the
    released implementation does."""
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


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedRow:
    """A row as the layout needs it."""

    text_ids: NDArray[np.int32]
    """(T,)"""
    codes: NDArray[np.int16]
    """(F, Q); without frames where the answer is not spoken."""
    reference: NDArray[np.int16]
    """(R, Q) of the voice prompt, likewise."""
    alignment: NDArray[np.int32]
    """(F,) or empty: the text position that each frame speaks, -1 for none."""
    assistant_start: int
    label_start: int
    speaker_embedding: NDArray[np.float32] | None
    media: MediaStates

    def grid_length(self, spec: LayoutSpec) -> int:
        """Positions of the whole grid, one more than the inputs."""
        frames = len(self.codes)
        return example_length(
            spec, len(self.text_ids), self.assistant_start, frames or None
        )

    def lay_out(
        self, spec: LayoutSpec, options: ExampleOptions, rng: np.random.Generator
    ) -> TrainingExample:
        """The nine streams; `rng` draws the voice prompt's part and the noise."""
        use_reference = rng.random() < options.reference_probability
        speaker = self.speaker_embedding
        if speaker is not None and rng.random() >= options.speaker_probability:
            speaker = None
        example = build_example(
            spec,
            self.text_ids,
            self.assistant_start,
            self.codes.T if self.codes.size else None,
            self.reference.T if self.reference.size and use_reference else None,
            has_speaker=speaker is not None,
            label_start=self.label_start,
            max_length=options.max_length,
        )
        input_ids = example.input_ids
        if options.code_noise:
            input_ids = add_code_noise(
                spec,
                input_ids,
                example.assistant_start,
                options.code_noise,
                rng,
                specials=options.noise_specials,
            )
        alignment = np.full(len(example.text_labels), NO_TEXT, dtype=np.int32)
        spoken = self.alignment[: example.num_frames]
        first = spec.frame_position(example.assistant_start, 0, 0) - 1
        reachable = spoken <= np.arange(first, first + len(spoken))
        alignment[first : first + len(spoken)] = np.where(reachable, spoken, NO_TEXT)
        return TrainingExample(
            input_ids=input_ids,
            text_labels=example.text_labels,
            audio_labels=example.audio_labels,
            alignment=alignment,
            assistant_start=example.assistant_start,
            speaker_embedding=speaker,
            audio_states=self.media.audio_states,
            image_states=self.media.image_states,
        )


@dataclass(frozen=True, kw_only=True)
class RowPreparer:
    """What turns checked rows into prepared ones.

    encoders: for rows with speech or pictures.
    """

    tokenizer: Tokenizer
    spec: LayoutSpec
    options: ExampleOptions
    encoders: MediaEncoders | None = None

    def prepare(
        self, rows: Iterable[Row], bad_rows: BadRows
    ) -> Iterator[tuple[Row, PreparedRow]]:
        """Rows and what was made of them; `bad_rows` is told of those that are not fit.

        Media are encoded many rows at a time.
        """
        rows = iter(rows)
        while chunk := list(itertools.islice(rows, ROWS_ENCODED_TOGETHER)):
            for row, media in self._with_media(chunk, bad_rows):
                try:
                    yield row, self._one(row, media)
                except UserError as error:
                    bad_rows.report(UserError(f"{row.location}: {error}"))

    def _one(self, row: Row, media: MediaStates) -> PreparedRow:
        text = self.tokenizer.encode_conversation(
            media.place(row.turns),
            remove_empty_thought=self.options.remove_empty_thought,
        )
        if text.assistant_start >= self.options.max_length:
            raise UserError(
                f"the answer starts at position {text.assistant_start}; it must start "
                f"before max_length {self.options.max_length}."
            )
        return PreparedRow(
            text_ids=np.array(text.text_ids, np.int32),
            codes=_frames_first(row.answer_codes, self.spec.num_codebooks),
            reference=_frames_first(row.reference_codes, self.spec.num_codebooks),
            alignment=_spoken_positions(row, text),
            assistant_start=text.assistant_start,
            label_start=text.label_start,
            speaker_embedding=row.speaker_embedding,
            media=media,
        )

    def _with_media(
        self, rows: Sequence[Row], bad_rows: BadRows
    ) -> Iterator[tuple[Row, MediaStates]]:
        """Each row and its media; what cannot be encoded is reported."""
        try:
            together = self._encode(rows)
        except UserError:
            together = None  # some row of them: which one?
        if together is not None:
            yield from zip(rows, together, strict=True)
            return
        for row in rows:
            try:
                (media,) = self._encode([row])
            except UserError as error:
                bad_rows.report(UserError(f"{row.location}: {error}"))
            else:
                yield row, media

    def _encode(self, rows: Sequence[Row]) -> list[MediaStates]:
        if self.encoders is not None:
            return self.encoders.encode(
                [row.question_audios for row in rows], [row.images for row in rows]
            )
        if any(row.question_audios or row.images for row in rows):
            raise UserError(
                "the row has speech or image input, and no encoders were given: "
                "question_audios and image_bytes must be empty."
            )
        return [NO_MEDIA] * len(rows)


class ExampleDataset(Dataset[TrainingExample]):
    """All rows of some Parquet files as training examples, in memory.

    For validation and for looking at rows; training streams (`minimind_o.data.stream`).

    Args:
        paths: the Parquet files.
        tokenizer: encodes the conversations.
        spec: the ids of the layout.
        options: see `ExampleOptions`.
        bad_rows: "fatal" raises at the first bad row; "skip" logs each by file and row
            and lists them in `bad_rows.messages`.
        speaker_embedding_size: length of the rows' speaker vectors.
        encoders: for rows with speech or pictures.

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
        preparer = RowPreparer(
            tokenizer=tokenizer, spec=spec, options=self.options, encoders=encoders
        )
        self.rows: list[PreparedRow] = []
        for path in paths:
            rows = read_rows(path, row_format, self.bad_rows, check_audio=False)
            self.rows += [row for _, row in preparer.prepare(rows, self.bad_rows)]
        names = ", ".join(map(str, paths))
        if not self.rows:
            raise UserError(f"{names} has no row to train on; it needs at least one.")
        grid_lengths = np.array([row.grid_length(spec) for row in self.rows])
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
        return len(self.rows)

    def set_epoch(self, epoch: int) -> None:
        """Draw voice prompts and noise anew; the same epoch draws the same."""
        self.epoch = epoch

    def __getitem__(self, index: int) -> TrainingExample:
        rng = np.random.default_rng((self.options.seed, self.epoch, index))
        return self.rows[index].lay_out(self.spec, self.options, rng)


def add_code_noise(
    spec: LayoutSpec,
    input_ids: NDArray[np.int32],
    assistant_start: int,
    share: float,
    rng: np.random.Generator,
    *,
    specials: bool = False,
) -> NDArray[np.int32]:
    """Replace a share of the answer's input codes by random codes.

    Pads, stops and the speaker code stay, and so does the voice prompt: in decoding it
    is never the model's own, possibly wrong, output. With `specials` a code may be
    replaced by any id, pad, stop and speaker code among them, which decoding never
    reads inside an answer.
    """
    noisy = input_ids.copy()
    answer = noisy[:-1, assistant_start:]
    chosen = (answer < spec.num_codes) & (rng.random(answer.shape) < share)
    num_ids = spec.audio_vocab_size if specials else spec.num_codes
    answer[chosen] = rng.integers(0, num_ids, int(chosen.sum()))
    return noisy


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
