"""Many answers at once, for evaluation: no streaming, no sound, codes only.

Every answer is made by the same code grid and text stream as in the engine, so a greedy
answer is the engine's own. Prompts are put together where they are equally long: then
all rows stand at the same position, and no row needs padding or a mask.

Shapes: B batch, S = 9 streams, Q codebook, T position, F frame, V vocabulary.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from minimind_o.chat import check_plain_text
from minimind_o.data.encoders import NO_MEDIA, MediaStates, States, padded
from minimind_o.errors import UserError
from minimind_o.generation.code_grid import CodeGrid
from minimind_o.generation.sampling import (
    AUDIO_SAMPLING,
    TEXT_SAMPLING,
    SamplingConfig,
    sample,
)
from minimind_o.generation.text_stream import TextStream, forbidden_text
from minimind_o.layout import LayoutSpec, build_prompt
from minimind_o.model import OmniModel
from minimind_o.tokenizer import Tokenizer


@dataclass(frozen=True, kw_only=True)
class BatchSampling:
    """How the answers of a batch are drawn and how long they may be."""

    text: SamplingConfig = TEXT_SAMPLING
    """How the text is drawn."""
    audio: SamplingConfig = AUDIO_SAMPLING
    """How the codes are drawn."""
    max_frames: int = 375
    """Longest speech, in frames of 80 ms."""
    max_text_tokens: int = 256
    """Longest text."""


@dataclass(frozen=True, kw_only=True, eq=False)
class BatchAnswer:
    """What the model wrote and the codes of what it said."""

    text: str
    """The whole text."""
    codes_QF: NDArray[np.int64]
    """Whole frames only; (Q, 0) for a silent answer."""
    is_finished: bool
    """Text and speech ended by themselves, not at a limit."""


@torch.inference_mode()
def generate_batch(
    model: OmniModel,
    tokenizer: Tokenizer,
    spec: LayoutSpec,
    prompts: Sequence[str],
    reference_codes: Sequence[NDArray[np.integer] | None],
    sampling: BatchSampling | None = None,
    *,
    speaker_embeddings: Sequence[NDArray[np.float32] | None] | None = None,
    media: Sequence[MediaStates] | None = None,
    batch_size: int = 32,
    seed: int = 0,
    on_batch: Callable[[int], None] | None = None,
) -> list[BatchAnswer]:
    """Answer every prompt; answers in the order of `prompts`.

    Args:
        model: the model, in evaluation mode.
        tokenizer: its tokenizer.
        spec: its layout.
        prompts: what the user says, one turn each.
        reference_codes: (Q, R) codes of each prompt's voice, or None.
        sampling: temperatures and limits.
        speaker_embeddings: each prompt's speaker vector, or None.
        media: each prompt's speech and pictures, encoded.
        batch_size: rows at once, at most.
        seed: of all draws. An answer depends on the rows beside it, except greedy.
        on_batch: told how many answers each batch brought.

    Raises:
        UserError: an empty prompt, one with control tokens, or one that leaves no room
            for an answer in the model's positions.
    """
    sampling = sampling or BatchSampling()
    speakers = speaker_embeddings or [None] * len(prompts)
    media = media or [NO_MEDIA] * len(prompts)
    rows = [
        _Row.build(spec, tokenizer, prompt, codes, speaker, shown)
        for prompt, codes, speaker, shown in zip(
            prompts, reference_codes, speakers, media, strict=True
        )
    ]
    batcher = _Batch(model, tokenizer, sampling, seed)
    answers: dict[int, BatchAnswer] = {}
    for numbers in _equal_batches(rows, batch_size):
        batch_answers = batcher.answer([rows[number] for number in numbers])
        answers.update(zip(numbers, batch_answers, strict=True))
        if on_batch is not None:
            on_batch(len(numbers))
    return [answers[number] for number in range(len(prompts))]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Row:
    """One prompt as the model reads it."""

    grid_ST: NDArray[np.int32]
    speaker_E: NDArray[np.float32] | None
    audio_states: States | None
    image_states: States | None

    @classmethod
    def build(
        cls,
        spec: LayoutSpec,
        tokenizer: Tokenizer,
        prompt: str,
        codes_QR: NDArray[np.integer] | None,
        speaker_E: NDArray[np.float32] | None,
        media: MediaStates,
    ) -> Self:
        check_plain_text(prompt)
        turns = media.place([{"role": "user", "content": prompt}])
        ids = tokenizer.encode_prompt(turns)
        has_speaker = speaker_E is not None
        return cls(
            grid_ST=build_prompt(spec, ids, codes_QR, has_speaker=has_speaker),
            speaker_E=speaker_E,
            audio_states=media.audio_states,
            image_states=media.image_states,
        )

    @property
    def kind(self) -> tuple[int, bool, bool, bool]:
        """What rows of one batch must have in common: length, and what they hold."""
        held = (self.speaker_E, self.audio_states, self.image_states)
        no_speaker, no_audio, no_image = (part is None for part in held)
        return self.grid_ST.shape[1], no_speaker, no_audio, no_image


def _equal_batches(rows: Sequence[_Row], batch_size: int) -> list[list[int]]:
    """Row numbers, those of one batch of one kind."""
    alike: dict[tuple[int, bool, bool, bool], list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        alike[row.kind].append(number)
    return [
        numbers[start : start + batch_size]
        for _, numbers in sorted(alike.items())
        for start in range(0, len(numbers), batch_size)
    ]


def _inputs(rows: Sequence[_Row], like: Tensor) -> dict[str, Any]:
    """What the rows' columns hold besides ids."""
    inputs: dict[str, Any] = {}
    for kind in ("audio", "image"):
        states = padded([getattr(row, f"{kind}_states") for row in rows])
        if states is not None:
            inputs[f"{kind}_states"] = states[0].to(like)
            inputs[f"{kind}_lengths"] = states[1].to(like.device)
    vectors = [row.speaker_E for row in rows if row.speaker_E is not None]
    if vectors:
        inputs["speaker_embedding"] = torch.from_numpy(np.stack(vectors)).to(like)
    return inputs


class _Batch:
    """What stays the same from batch to batch."""

    def __init__(
        self,
        model: OmniModel,
        tokenizer: Tokenizer,
        sampling: BatchSampling,
        seed: int,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.sampling = sampling
        self.device = model.thinker.embed_tokens.weight.device
        self.generator = torch.Generator(self.device).manual_seed(seed)
        self.forbidden_V = forbidden_text(
            tokenizer, model.config.vocab_size, self.device
        )

    def answer(self, rows: Sequence[_Row]) -> list[BatchAnswer]:
        """Run one batch of equally long prompts until every row is done."""
        prompt_BST = torch.from_numpy(np.stack([row.grid_ST for row in rows])).long()
        num_rows, num_streams, prompt_length = prompt_BST.shape
        max_columns = self._max_columns(prompt_length)
        cache = self.model.new_cache(num_rows, prompt_length + max_columns - 1)
        texts = [self._new_text() for _ in range(num_rows)]
        grids = [self._new_grid(max_columns) for _ in range(num_rows)]
        forbidden_NV = grids[0].forbidden_QV.repeat(num_rows, 1)
        text_BV, audio_BQV = self.model.step(
            prompt_BST.to(self.device),
            cache,
            **_inputs(rows, self.model.thinker.embed_tokens.weight),
        )
        column_BS1 = torch.empty(
            (num_rows, num_streams, 1), dtype=torch.long, device=self.device
        )
        while True:
            for row, text in enumerate(texts):
                text.advance(
                    None if text_BV is None else text_BV[row : row + 1], self.generator
                )
            all_written = all(text.has_ended for text in texts)
            if all_written and all(grid.is_complete for grid in grids):
                break
            if cache.length == cache.max_length:
                break
            column_BS1[:, :-1, 0] = torch.stack([grid.last_column_Q for grid in grids])
            column_BS1[:, -1, 0] = torch.tensor([text.next_id for text in texts])
            text_BV, audio_BQV = self.model.step(
                column_BS1, cache, with_text=not all_written
            )
            self._append(grids, audio_BQV, forbidden_NV)
        return [_answer(t, g) for t, g in zip(texts, grids, strict=True)]

    def _append(
        self, grids: Sequence[CodeGrid], audio_BQV: Tensor, forbidden_NV: Tensor
    ) -> None:
        """Draw all rows' codes in one call, as streams of one big batch."""
        num_rows = len(grids)
        # A row that is done goes on to hold pad, so that all columns stay in step.
        drawn_N = sample(
            audio_BQV.flatten(0, 1),
            self.sampling.audio,
            forbidden_NV=forbidden_NV,
            recent_NK=torch.cat([grid.recent_QK for grid in grids]),
            generator=self.generator,
        )
        for grid, drawn_Q in zip(grids, drawn_N.view(num_rows, -1), strict=True):
            grid.append(drawn_Q)

    def _max_columns(self, prompt_length: int) -> int:
        """Room for the longest speech and text, as far as the model goes."""
        frame_steps = self.model.config.frame_steps
        most = self.model.config.max_position_embeddings
        wanted = max(
            self.sampling.max_frames + frame_steps, self.sampling.max_text_tokens + 2
        )
        columns = min(wanted, most - prompt_length + 1)
        if columns <= frame_steps:
            raise UserError(
                f"a prompt takes {prompt_length} positions, which leaves no room for "
                f"an answer in the model's {most}; use a shorter one."
            )
        return columns

    def _new_text(self) -> TextStream:
        return TextStream(
            self.tokenizer,
            self.sampling.text,
            forbidden_V=self.forbidden_V,
            max_tokens=self.sampling.max_text_tokens,
        )

    def _new_grid(self, max_columns: int) -> CodeGrid:
        config = self.model.config
        return CodeGrid(
            config,
            max_frames=min(self.sampling.max_frames, max_columns - config.frame_steps),
            max_columns=max_columns,
            device=self.device,
        )


def _answer(text: TextStream, grid: CodeGrid) -> BatchAnswer:
    is_whole = grid.is_complete and not grid.was_cut
    return BatchAnswer(
        text=text.finish(),
        codes_QF=grid.frames(0, grid.num_whole_frames).cpu().numpy().copy(),
        is_finished=is_whole and text.has_ended and not text.was_cut,
    )
