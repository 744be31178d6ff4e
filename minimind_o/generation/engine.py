"""The streaming engine: text and speech as they come.

One step reads one column of the nine streams and writes the next. A frame of speech is
decoded as soon as its 8 codes exist, through the codec's own streaming state, so the
pieces join as if all codes had been decoded at once. The first frame needs the prompt
and 8 steps.

Shapes: B = 1 batch, S = 9 streams, Q codebook, T position, F frame, N sample.
"""

import weakref
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from minimind_o.chat import Turn, check_plain_text
from minimind_o.data.encoders import MediaEncoders, MediaStates, Source
from minimind_o.errors import UserError
from minimind_o.generation.code_grid import CodeGrid
from minimind_o.generation.continuous_batch import Codec, ContinuousBatch
from minimind_o.generation.events import AudioEvent, EndEvent, Event, TextEvent
from minimind_o.generation.sampling import (
    AUDIO_SAMPLING,
    TEXT_SAMPLING,
    SamplingConfig,
    sample,
)
from minimind_o.generation.stopwatch import Stopwatch, listened_to
from minimind_o.generation.text_stream import TextStream, forbidden_text
from minimind_o.generation.voices import Voice
from minimind_o.layout import LayoutSpec, build_prompt
from minimind_o.model import OmniModel
from minimind_o.tokenizer import Tokenizer


@dataclass(frozen=True, kw_only=True)
class Request:
    """One question, and how it is to be answered."""

    question: str = ""
    """What the user asks in writing; may be empty beside speech or a picture."""
    speech: Source | None = None
    """A recording of what the user asks: an encoded file, or where it lies."""
    picture: Source | None = None
    """A picture that the question is about, likewise."""
    history: Sequence[Turn] = ()
    """Earlier turns."""
    voice: Voice | None = None
    """Whose voice answers; None: whatever the model makes of no prompt."""
    text_sampling: SamplingConfig = TEXT_SAMPLING
    """How the text is drawn."""
    audio_sampling: SamplingConfig = AUDIO_SAMPLING
    """How the codes are drawn."""
    seed: int | None = None
    """Equal seeds give equal answers; None: a new one each time."""
    max_frames: int = 375
    """Longest speech, in frames of 80 ms."""
    max_text_tokens: int = 256
    """Longest text."""

    def __post_init__(self) -> None:
        for name in ("max_frames", "max_text_tokens"):
            if getattr(self, name) < 1:
                raise UserError(f"{name}={getattr(self, name)} must be at least 1.")


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """A whole answer, for who does not want to listen while it is made."""

    text: str
    """What it says."""
    wave_N: NDArray[np.float32]
    """The speech."""
    end: EndEvent
    """Codes, timings and why it ended."""


class Engine:
    """Answers questions, one at a time.

    It reads the model's weights when it is made: after training on, make a new one.
    """

    def __init__(
        self,
        model: OmniModel,
        tokenizer: Tokenizer,
        mimi: Codec,
        *,
        encoders: MediaEncoders | None = None,
        max_length: int = 1024,
        frames_per_call: int = 1,
        batch: ContinuousBatch | None = None,
    ) -> None:
        """Prepare the caches.

        Args:
            model: the model.
            tokenizer: its tokenizer.
            mimi: the codec.
            encoders: for requests with speech or pictures.
            max_length: positions of prompt and answer together.
            frames_per_call: most frames that the codec is given at once. More are
                cheaper for a codec whose call costs much. The calls grow to it, each
                no longer than what the listener already has, so that no gap is heard.
            batch: of the same model and codec, shared with engines whose answers are
                made by the same thread, in turn; None: of its own.
        """
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.mimi = mimi
        self.encoders = encoders or MediaEncoders()
        self.frames_per_call, self.max_length = frames_per_call, max_length
        self._batch = batch or ContinuousBatch(model, mimi)
        self.device = model.thinker.embed_tokens.weight.device
        self._spec = LayoutSpec.from_config(model.config)
        with torch.inference_mode():
            length = min(max_length, model.config.max_position_embeddings)
            self._cache = model.new_cache(1, length)
        self._forbidden_text_V = forbidden_text(
            tokenizer, model.config.vocab_size, self.device
        )
        # Weak, so that a stream nobody holds any more closes, and frees the codec.
        self._running: weakref.ref[Generator[Event, None, None]] | None = None

    def stream(
        self, request: Request, on_stage: Callable[[str], None] | None = None
    ) -> Generator[Event, None, None]:
        """Yield `TextEvent` and `AudioEvent` as they come, and one `EndEvent`.

        A stream that is still open is closed: caches and codec serve one at a time.

        Args:
            request: what is asked.
            on_stage: called with "encoded" when speech and picture are encoded, with
                "prompt read" when the model has read the question, and with "first
                frame" when all codes of the first frame are drawn.

        Raises:
            UserError: at once, for an empty question, one with control tokens or one
                longer than the context, and for a recording or a picture that cannot
                be read.
        """
        stopwatch = Stopwatch()
        note = on_stage or (lambda stage: None)
        media = self._encode(request)
        note("encoded")
        prompt_ST = self._prompt(request, media)
        max_columns = self._cache.max_length - prompt_ST.shape[1] + 1
        max_frames = min(
            request.max_frames, max_columns - self.model.config.frame_steps
        )
        if max_frames < 1:
            raise UserError(
                f"The question takes {prompt_ST.shape[1]} positions, which leaves no "
                f"room for an answer in the {self._cache.max_length} of the context; "
                "ask a shorter one."
            )
        running = self._running() if self._running is not None else None
        if running is not None:
            running.close()
        grid = CodeGrid(
            self.model.config,
            max_frames=max_frames,
            max_columns=max_columns,
            device=self.device,
        )
        text = TextStream(
            self.tokenizer,
            request.text_sampling,
            forbidden_V=self._forbidden_text_V,
            max_tokens=request.max_text_tokens,
        )
        inputs = self._inputs(request, media)
        events = self._generate(request, prompt_ST, inputs, text, grid, stopwatch, note)
        stopwatch.pause()
        running = listened_to(events, stopwatch)
        self._running = weakref.ref(running)
        return running

    def answer(self, request: Request) -> Answer:
        """Run a whole stream.

        Raises:
            UserError: as `stream`.
        """
        pieces: list[NDArray[np.float32]] = [np.zeros(0, dtype=np.float32)]
        for event in self.stream(request):
            if isinstance(event, AudioEvent):
                pieces.append(event.pcm_N)
            elif isinstance(event, EndEvent):
                return Answer(text=event.text, wave_N=np.concatenate(pieces), end=event)
        raise AssertionError("a stream ends with its EndEvent")

    def _encode(self, request: Request) -> MediaStates:
        recordings = [] if request.speech is None else [request.speech]
        pictures = [] if request.picture is None else [request.picture]
        (media,) = self.encoders.encode([recordings], [pictures])
        return media

    def _prompt(self, request: Request, media: MediaStates) -> NDArray[np.int32]:
        check_plain_text(request.question)
        asked = media.place([{"role": "user", "content": request.question}])
        voice = request.voice
        return build_prompt(
            self._spec,
            self.tokenizer.encode_prompt([*request.history, *asked]),
            None if voice is None else voice.codes_QT,
            has_speaker=voice is not None and voice.speaker_embedding_S is not None,
        )

    def _inputs(self, request: Request, media: MediaStates) -> dict[str, Any]:
        """What the prompt's columns hold besides ids."""
        voice = request.voice
        arrays = {
            "audio_states": media.audio_states,
            "image_states": media.image_states,
            "speaker_embedding": None if voice is None else voice.speaker_embedding_S,
        }
        weight = self.model.thinker.embed_tokens.weight
        return {
            name: torch.from_numpy(array)[None].to(weight)
            for name, array in arrays.items()
            if array is not None
        }

    # On a generator function the decorator enters the mode at every resumption and
    # leaves it at every yield; a `with` inside would leak it into the listener's code.
    @torch.inference_mode()
    def _generate(
        self,
        request: Request,
        prompt_ST: NDArray[np.int32],
        inputs: dict[str, Any],
        text: TextStream,
        grid: CodeGrid,
        stopwatch: Stopwatch,
        note: Callable[[str], None],
    ) -> Generator[Event, None, None]:
        generator = torch.Generator(self.device)
        if request.seed is None:
            generator.seed()
        else:
            generator.manual_seed(request.seed)
        column_1S1 = torch.empty(
            (1, prompt_ST.shape[0], 1), dtype=torch.long, device=self.device
        )
        num_decoded = 0
        with self._batch.row(self._cache) as row:
            text_1V, audio_1QV = self._read_prompt(prompt_ST, inputs)
            note("prompt read")
            while True:
                token = text.advance(text_1V, generator)
                num_pending = grid.num_whole_frames - num_decoded
                enough = min(self.frames_per_call, max(1, num_decoded))
                is_due = num_pending >= enough or (num_pending and grid.is_complete)
                is_over = (
                    grid.is_complete and text.has_ended
                ) or grid.num_columns == grid.max_columns
                # Asked for before anything is yielded: others may have it done.
                if is_due:
                    row.want_sound(grid.frames(num_decoded, grid.num_whole_frames))
                if not is_over:
                    column_1S1[0, :-1, 0] = grid.last_column_Q
                    column_1S1[0, -1, 0] = text.next_id
                    row.want_logits(column_1S1, with_text=not text.has_ended)
                if token is not None:
                    stopwatch.note_text()
                    yield TextEvent(text=text.last_piece, token_id=token)
                if is_due:
                    if not num_decoded:
                        note("first frame")
                    events = self._frames(grid, num_decoded, (yield from row.sound()))
                    num_decoded += len(events)
                    stopwatch.note_audio()
                    yield from events
                if is_over:
                    break
                text_1V, audio_1QV = yield from row.logits()
                grid.append(
                    sample(
                        audio_1QV[0],
                        request.audio_sampling,
                        forbidden_NV=grid.forbidden_QV,
                        recent_NK=grid.recent_QK,
                        generator=generator,
                    )
                )
        is_whole = text.has_ended and not text.was_cut and not grid.was_cut
        yield EndEvent(
            reason="stop" if is_whole else "length",
            text=text.finish(),
            codes_QF=grid.frames(0, num_decoded).cpu().numpy().copy(),
            timings=stopwatch.timings(num_decoded / self.mimi.frame_rate),
        )

    def _read_prompt(
        self, prompt_ST: NDArray[np.int32], inputs: dict[str, Any]
    ) -> tuple[Tensor | None, Tensor]:
        self._cache.truncate(0)
        ids_BST = torch.from_numpy(prompt_ST).long()[None].to(self.device)
        return self.model.step(ids_BST, self._cache, **inputs)

    def _frames(self, grid: CodeGrid, start: int, wave_N: Tensor) -> list[AudioEvent]:
        pcm_FN = wave_N.float().cpu().numpy().reshape(-1, self.mimi.frame_size)
        codes = grid.frames(start, start + len(pcm_FN)).cpu().numpy().copy()
        return [
            AudioEvent(pcm_N=pcm_N, frame=start + index, codes_Q=codes[:, index])
            for index, pcm_N in enumerate(pcm_FN)
        ]
