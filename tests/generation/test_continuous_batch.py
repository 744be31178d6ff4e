"""Answers that are made together are what each is alone."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch

from minimind_o.frozen.mimi import Mimi
from minimind_o.generation.continuous_batch import ContinuousBatch
from minimind_o.generation.engine import Answer, Engine, Request
from minimind_o.generation.events import AudioEvent, EndEvent, Event, Waiting
from minimind_o.generation.sampling import SamplingConfig
from minimind_o.model import OmniModel
from minimind_o.tokenizer import Tokenizer

WILD = SamplingConfig(temperature=2.0)
REQUESTS = [
    Request(
        question=question,
        seed=seed,
        max_frames=num_frames,
        max_text_tokens=num_tokens,
        text_sampling=WILD,
        audio_sampling=WILD,
    )
    for question, seed, num_frames, num_tokens in [
        ("Say it: hello.", 13, 30, 3),
        ("hello there. hello there.", 2, 24, 40),
        ("你好，世界。", 6, 40, 8),
        ("there.", 16, 16, 1),
    ]
]


class Party:
    """Engines on one batch, and one beside it."""

    def __init__(
        self, model: OmniModel, tokenizer: Tokenizer, mimi: Mimi, **options: int
    ) -> None:
        def engine(batch: ContinuousBatch | None = None) -> Engine:
            return Engine(
                model, tokenizer, mimi, max_length=160, batch=batch, **options
            )

        self.batch = ContinuousBatch(model, mimi)
        self.alone = engine()
        self.engines = [engine(self.batch) for _ in REQUESTS]

    def wanted(self) -> list[Answer]:
        return [self.alone.answer(request) for request in REQUESTS]

    def streams(self) -> list[Iterator[Event]]:
        pairs = zip(self.engines, REQUESTS, strict=True)
        return [engine.stream(request) for engine, request in pairs]


@pytest.fixture
def party(tiny_omni: OmniModel, tiny_tokenizer: Tokenizer, tiny_mimi: Mimi) -> Party:
    return Party(tiny_omni, tiny_tokenizer, tiny_mimi)


def take_turns(
    streams: Sequence[Iterator[Event]], begins: Sequence[int] | None = None
) -> list[list[Event]]:
    """Each one event a round, from a round on, until all have ended."""
    events: list[list[Event]] = [[] for _ in streams]
    going = set(range(len(streams)))
    number = 0
    while going:
        for index, stream in enumerate(streams):
            if index not in going or (begins and number < begins[index]):
                continue
            event = next(stream, None)
            if event is None:
                going.remove(index)
            elif not isinstance(event, Waiting):
                events[index].append(event)
        number += 1
    return events


def assert_same(events: list[Event], wanted: Answer) -> None:
    end = events[-1]
    assert isinstance(end, EndEvent)
    assert end.text == wanted.text
    assert np.array_equal(end.codes_QF, wanted.end.codes_QF)
    assert end.codes_QF.shape[1] > 8
    frames = [event for event in events if isinstance(event, AudioEvent)]
    assert [event.frame for event in frames] == list(range(len(frames)))
    wave_N = np.concatenate([event.pcm_N for event in frames])
    assert np.abs(wave_N - wanted.wave_N).max() < 1e-4


@pytest.mark.parametrize("begins", [(0, 0, 0, 0), (0, 3, 4, 9), (7, 0, 30, 2)])
def test_answers_made_together_are_those_made_alone(
    party: Party, begins: tuple[int, ...]
) -> None:
    wanted = party.wanted()
    for events, one in zip(take_turns(party.streams(), begins), wanted, strict=True):
        assert_same(events, one)
    assert party.batch.rows == []
    assert not party.alone.mimi.model.is_streaming  # type: ignore[attr-defined]


def test_experts_and_codec_calls_of_several_frames_are_no_exception(
    tiny_tokenizer: Tokenizer, tiny_mimi: Mimi
) -> None:
    from tests.model.tiny import tiny_model

    size = tiny_tokenizer.vocab_size
    model = tiny_model(vocab_size=size, max_position_embeddings=256, use_moe=True)
    party = Party(model, tiny_tokenizer, tiny_mimi, frames_per_call=3)
    wanted = party.wanted()
    streams = party.streams()
    for events, one in zip(take_turns(streams, (0, 5, 1, 9)), wanted, strict=True):
        assert_same(events, one)


@pytest.mark.parametrize("begins", [(0, 0, 0, 0), (0, 1, 2, 3), (3, 1, 0, 2)])
def test_one_call_serves_all_who_answer(
    party: Party, begins: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever they began: they fall into step."""
    steps: list[int] = []
    frames: list[int] = []
    model, mimi = party.batch.model, party.batch.mimi
    step, decode = model.step, mimi.step

    def counted_step(ids, *arguments, **named):  # type: ignore[no-untyped-def]
        if ids.shape[-1] == 1:
            steps.append(len(ids))
        return step(ids, *arguments, **named)

    def counted_decode(codes, due_B=None):  # type: ignore[no-untyped-def]
        frames.append(len(codes) if due_B is None else int(due_B.sum()))
        return decode(codes, due_B)

    monkeypatch.setattr(model, "step", counted_step)
    monkeypatch.setattr(mimi, "step", counted_decode)
    take_turns(party.streams(), begins)
    shortest = 16  # frames of the shortest answer
    assert steps.count(4) >= shortest
    assert frames.count(4) >= shortest - 4
    assert len(steps) <= 1.3 * (40 + 8)  # the longest answer's, and some


def test_who_is_interrupted_takes_nobody_along(party: Party) -> None:
    """Closed in each of the states that a stream can be left in."""
    wanted = party.wanted()
    for num_events in (1, 2, 20, 21, 22, 23, 24):
        streams = party.streams()
        others = [streams[0], streams[2]]
        begun = [[event] for event in (next(stream) for stream in others)]
        for _ in range(num_events):
            next(streams[1])
            for stream, events in zip(others, begun, strict=True):
                events.append(next(stream))
        streams[1].close()
        rest = take_turns(others)
        for number, events, more in zip((0, 2), begun, rest, strict=True):
            heard = [event for event in events if not isinstance(event, Waiting)]
            assert_same(heard + more, wanted[number])
    assert party.batch.rows == []


def test_who_stalls_goes_on_where_it_was(party: Party) -> None:
    wanted = party.wanted()
    streams = party.streams()
    events: list[Event] = []
    while sum(isinstance(event, AudioEvent) for event in events) < 5:
        for stream in streams[1:]:
            next(stream)
        events.append(next(streams[0]))
    for events_of_other in take_turns(streams[1:]):
        assert isinstance(events_of_other[-1], EndEvent)
    events += take_turns([streams[0]])[0]
    kept = [event for event in events if not isinstance(event, Waiting)]
    assert_same(kept, wanted[0])


def test_who_is_alone_never_waits(party: Party) -> None:
    stream = party.engines[0].stream(REQUESTS[0])
    assert not any(isinstance(event, Waiting) for event in stream)


def test_rows_at_different_positions_have_the_logits_of_each_alone(
    tiny_omni: OmniModel,
) -> None:
    from minimind_o.model.cache import OmniCache
    from tests.model.tiny import random_ids

    with torch.inference_mode():
        caches = [tiny_omni.new_cache(1, 64) for _ in range(6)]
        prompts = [random_ids(1, length, length) for length in (3, 17, 40)]
        for cache, prompt in zip(caches, prompts * 2, strict=True):
            tiny_omni.step(prompt, cache)
        for number in range(5):
            column_BS1 = random_ids(3, 1, 100 + number)
            with_text = number < 3
            together = tiny_omni.step(
                column_BS1, OmniCache.joined(caches[:3]), with_text=with_text
            )
            for row, cache in enumerate(caches[3:]):
                alone = tiny_omni.step(
                    column_BS1[row : row + 1], cache, with_text=with_text
                )
                for all_rows, one in zip(together, alone, strict=True):
                    if one is None or all_rows is None:
                        assert one is all_rows
                        continue
                    torch.testing.assert_close(all_rows[row : row + 1], one)
        assert [cache.length for cache in caches] == [8, 22, 45] * 2
