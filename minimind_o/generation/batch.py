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

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from minimind_o.chat import check_plain_text
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
        batch_size: rows at once, at most.
        seed: of all draws. An answer depends on the rows beside it, except greedy.
        on_batch: told how many answers each batch brought.

    Raises:
        UserError: an empty prompt, one with control tokens, or one that leaves no room
            for an answer in the model's positions.
    """
    sampling = sampling or BatchSampling()
    speakers = speaker_embeddings or [None] * len(prompts)
    grids = []
    for prompt, codes, speaker in zip(prompts, reference_codes, speakers, strict=True):
        check_plain_text(prompt)
        ids = tokenizer.encode_prompt([{"role": "user", "content": prompt}])
        grids.append(build_prompt(spec, ids, codes, has_speaker=speaker is not None))
    batcher = _Batch(model, tokenizer, sampling, seed)
    answers: dict[int, BatchAnswer] = {}
    for rows in _equal_batches(grids, speakers, batch_size):
        ids_BST = torch.from_numpy(np.stack([grids[row] for row in rows])).long()
        vectors = [vector for row in rows if (vector := speakers[row]) is not None]
        batch_answers = batcher.answer(ids_BST, np.stack(vectors) if vectors else None)
        answers.update(zip(rows, batch_answers, strict=True))
        if on_batch is not None:
            on_batch(len(rows))
    return [answers[row] for row in range(len(prompts))]


def _equal_batches(
    grids: Sequence[NDArray[np.int32]],
    speakers: Sequence[NDArray[np.float32] | None],
    batch_size: int,
) -> list[list[int]]:
    """Row numbers, those of one batch alike in length and in having a speaker."""
    alike: dict[tuple[int, bool], list[int]] = defaultdict(list)
    for row, (grid, speaker) in enumerate(zip(grids, speakers, strict=True)):
        alike[grid.shape[1], speaker is not None].append(row)
    return [
        rows[start : start + batch_size]
        for _, rows in sorted(alike.items())
        for start in range(0, len(rows), batch_size)
    ]


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

    def answer(
        self, prompt_BST: Tensor, speaker_BE: NDArray[np.float32] | None
    ) -> list[BatchAnswer]:
        """Run one batch of equally long prompts until every row is done."""
        num_rows, num_streams, prompt_length = prompt_BST.shape
        max_columns = self._max_columns(prompt_length)
        cache = self.model.new_cache(num_rows, prompt_length + max_columns - 1)
        texts = [self._new_text() for _ in range(num_rows)]
        grids = [self._new_grid(max_columns) for _ in range(num_rows)]
        forbidden_NV = grids[0].forbidden_QV.repeat(num_rows, 1)
        vectors = None
        if speaker_BE is not None:
            weight = self.model.thinker.embed_tokens.weight
            vectors = torch.from_numpy(speaker_BE).to(weight)
        text_BV, audio_BQV = self.model.step(
            prompt_BST.to(self.device), cache, speaker_embedding=vectors
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
        num_codebooks = self.model.config.num_codebooks
        most = self.model.config.max_position_embeddings
        wanted = max(
            self.sampling.max_frames + num_codebooks, self.sampling.max_text_tokens + 2
        )
        columns = min(wanted, most - prompt_length + 1)
        if columns <= num_codebooks:
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
            max_frames=min(
                self.sampling.max_frames, max_columns - config.num_codebooks
            ),
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
