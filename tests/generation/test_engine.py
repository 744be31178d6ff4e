"""The engine follows the layout, streams sample-exactly and keeps its promises."""

import gc
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from minimind_o.errors import UserError
from minimind_o.frozen.mimi import Mimi
from minimind_o.generation.engine import Engine, Request
from minimind_o.generation.events import AudioEvent, EndEvent, TextEvent
from minimind_o.generation.sampling import GREEDY, SamplingConfig
from minimind_o.generation.voices import Voice
from minimind_o.layout import Example, LayoutSpec, build_example
from minimind_o.model import OmniModel
from minimind_o.tokenizer import Tokenizer
from tests.generation.conftest import ScriptedModel
from tests.model.tiny import tiny_config

WILD = SamplingConfig(temperature=3.0)
SPEC = LayoutSpec.from_config(tiny_config())
QUESTION, ANSWER = "Say it: hello.", "hello there. 你好"


@pytest.fixture
def engine(tiny_omni: OmniModel, tiny_tokenizer: Tokenizer, tiny_mimi: Mimi) -> Engine:
    return Engine(tiny_omni, tiny_tokenizer, tiny_mimi, max_length=160)


def request(**changes: object) -> Request:
    fields: dict = {"question": QUESTION, "seed": 1, "max_frames": 12}
    return Request(**{**fields, "max_text_tokens": 6, **changes})


def scripted(
    tokenizer: Tokenizer, num_frames: int, answer: str = ANSWER, **options: object
) -> tuple[ScriptedModel, Example, np.ndarray]:
    """A model that answers as one training example does."""
    turns = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": answer},
    ]
    encoded = tokenizer.encode_conversation(turns)
    codes = np.random.default_rng(0).integers(0, SPEC.num_codes, (8, num_frames))
    example = build_example(
        SPEC, encoded.text_ids, encoded.assistant_start, codes, **options
    )
    return ScriptedModel(tokenizer.vocab_size, example.grid), example, codes


@pytest.mark.parametrize("num_frames", [0, 1, 5, 30])
def test_what_the_model_reads_is_the_training_example(
    tiny_tokenizer: Tokenizer, tiny_mimi: Mimi, num_frames: int
) -> None:
    """Delays, stops, text after the text's end: all as the layout has them."""
    model, example, codes = scripted(tiny_tokenizer, num_frames)
    engine = Engine(model, tiny_tokenizer, tiny_mimi)
    greedy = {"text_sampling": GREEDY, "audio_sampling": GREEDY}
    answer = engine.answer(Request(question=QUESTION, **greedy))
    read = torch.cat(model.read, dim=1).numpy()
    assert np.array_equal(read, example.grid[:, : read.shape[1]])
    assert answer.text == ANSWER
    assert answer.end.reason == "stop"
    assert np.array_equal(answer.end.codes_QF, codes)
    # The last frame's code of layer 7 is drawn, not read.
    text_end = int(np.flatnonzero(example.text_labels != -100)[-1])
    last_code = example.assistant_start + num_frames + 7 if num_frames else 0
    assert read.shape[1] == max(last_code, text_end)
    # Text logits are asked for until the turn's end is drawn, then no more.
    num_tokens = len(tiny_tokenizer.encode(ANSWER))
    assert model.with_text[: num_tokens + 1] == [True] * (num_tokens + 1)
    assert not any(model.with_text[num_tokens + 1 :])


def test_only_layer_0s_stop_ends_the_speech(
    tiny_tokenizer: Tokenizer, tiny_mimi: Mimi
) -> None:
    model, example, _ = scripted(tiny_tokenizer, 9)
    model.script[3, example.assistant_start + 6 :] = SPEC.audio_stop_token
    model.script[5, example.assistant_start + 8 :] = SPEC.audio_pad_token
    answer = Engine(model, tiny_tokenizer, tiny_mimi).answer(
        Request(question=QUESTION, text_sampling=GREEDY, audio_sampling=GREEDY)
    )
    assert answer.end.codes_QF.shape == (8, 9)
    assert answer.end.codes_QF.max() < SPEC.num_codes
    assert answer.end.reason == "stop"


def test_text_goes_on_when_the_speech_is_over(
    tiny_tokenizer: Tokenizer, tiny_mimi: Mimi
) -> None:
    long = "hello there. " * 8
    model, example, _ = scripted(tiny_tokenizer, 1, long)
    answer = Engine(model, tiny_tokenizer, tiny_mimi).answer(
        Request(question=QUESTION, text_sampling=GREEDY, audio_sampling=GREEDY)
    )
    assert answer.text == long
    read = torch.cat(model.read, dim=1).numpy()
    assert np.array_equal(read, example.grid[:, : read.shape[1]])


@pytest.mark.parametrize("frames_per_call", [1, 3])
def test_streamed_audio_is_that_of_all_codes_at_once(
    tiny_omni: OmniModel,
    tiny_tokenizer: Tokenizer,
    tiny_mimi: Mimi,
    frames_per_call: int,
) -> None:
    engine = Engine(
        tiny_omni, tiny_tokenizer, tiny_mimi, frames_per_call=frames_per_call
    )
    answer = engine.answer(request(max_frames=40, audio_sampling=WILD))
    codes = torch.from_numpy(answer.end.codes_QF)
    assert codes.shape[1] > 8
    whole = tiny_mimi.decode(codes[None])[0].numpy()
    assert np.abs(whole).max() > 1e-2
    assert answer.wave_N.shape == whole.shape
    assert np.abs(answer.wave_N - whole).max() < 1e-4


def test_codec_calls_grow_with_what_the_listener_has(
    tiny_omni: OmniModel,
    tiny_tokenizer: Tokenizer,
    tiny_mimi: Mimi,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes = []
    step = tiny_mimi.step

    def counted(codes_BQT: torch.Tensor) -> torch.Tensor:
        sizes.append(codes_BQT.shape[-1])
        return step(codes_BQT)

    monkeypatch.setattr(tiny_mimi, "step", counted)
    engine = Engine(tiny_omni, tiny_tokenizer, tiny_mimi, frames_per_call=4)
    engine.answer(request(max_frames=14, audio_sampling=WILD))
    assert sizes == [1, 1, 2, 4, 4, 2]


def test_events_come_in_order_and_make_the_end(engine: Engine) -> None:
    events = list(engine.stream(request()))
    frames = [e for e in events if isinstance(e, AudioEvent)]
    assert [e.frame for e in frames] == list(range(len(frames)))
    assert all(e.pcm_N.shape == (1920,) for e in frames)
    assert all(e.pcm_N.dtype == np.float32 for e in frames)
    end = events[-1]
    assert isinstance(end, EndEvent)
    assert np.array_equal(np.stack([e.codes_Q for e in frames], 1), end.codes_QF)
    text = "".join(e.text for e in events if isinstance(e, TextEvent))
    assert end.text.startswith(text)
    assert end.timings.audio_s == pytest.approx(0.08 * len(frames))
    assert 0 < end.timings.time_to_first_text_s < end.timings.time_to_first_audio_s
    assert end.timings.time_to_first_audio_s < end.timings.total_s


def test_the_first_sound_comes_after_eight_steps(
    tiny_tokenizer: Tokenizer, tiny_mimi: Mimi
) -> None:
    model, _, _ = scripted(tiny_tokenizer, 20)
    events = Engine(model, tiny_tokenizer, tiny_mimi).stream(request())
    assert isinstance(next(events), TextEvent)
    assert len(model.read) == 1
    next(event for event in events if isinstance(event, AudioEvent))
    assert len(model.read) == 1 + 8


def test_special_ids_are_never_drawn(engine: Engine, tiny_tokenizer: Tokenizer) -> None:
    wild = request(
        max_frames=100, max_text_tokens=80, text_sampling=WILD, audio_sampling=WILD
    )
    events = list(engine.stream(wild))
    assert events[-1].codes_QF.max() < SPEC.num_codes
    tokens = [e.token_id for e in events if isinstance(e, TextEvent)]
    assert len(tokens) > 40
    assert not any(tiny_tokenizer.is_special(token) for token in tokens)


def test_equal_seeds_give_equal_answers(engine: Engine) -> None:
    def codes(**changes: object) -> list:
        wild = request(audio_sampling=WILD, max_frames=4, **changes)
        return engine.answer(wild).end.codes_QF.tolist()

    assert codes(seed=1) == codes(seed=1) != codes(seed=2)
    assert codes(seed=None) != codes(seed=None)


def test_greedy_needs_no_seed(engine: Engine) -> None:
    greedy = {"text_sampling": GREEDY, "audio_sampling": GREEDY, "seed": None}
    first, again = (engine.answer(request(**greedy)) for _ in range(2))
    assert first.text == again.text
    assert np.array_equal(first.end.codes_QF, again.end.codes_QF)


def test_inference_mode_covers_the_generator_and_stays_in_it(
    tiny_tokenizer: Tokenizer, tiny_mimi: Mimi, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _, _ = scripted(tiny_tokenizer, 3)
    inside = []
    step = model.step

    def watched(*args, **options):
        inside.append(torch.is_inference_mode_enabled())
        return step(*args, **options)

    monkeypatch.setattr(model, "step", watched)
    for _ in Engine(model, tiny_tokenizer, tiny_mimi).stream(request()):
        assert not torch.is_inference_mode_enabled()
    assert len(inside) > 8
    assert all(inside)


def test_limits_end_the_answer_and_say_so(
    tiny_tokenizer: Tokenizer, tiny_mimi: Mimi
) -> None:
    num_tokens = len(tiny_tokenizer.encode(ANSWER))

    def reason(**limits: int) -> tuple[str, int]:
        model, _, _ = scripted(tiny_tokenizer, 9)
        greedy = {"text_sampling": GREEDY, "audio_sampling": GREEDY}
        engine = Engine(model, tiny_tokenizer, tiny_mimi)
        end = engine.answer(Request(question=QUESTION, **greedy, **limits)).end
        return end.reason, end.codes_QF.shape[1]

    assert reason(max_frames=9) == ("stop", 9)
    assert reason(max_frames=8) == ("length", 8)
    assert reason(max_text_tokens=num_tokens) == ("stop", 9)
    assert reason(max_text_tokens=num_tokens - 1) == ("length", 9)


def test_the_context_ends_the_answer(
    tiny_tokenizer: Tokenizer, tiny_mimi: Mimi
) -> None:
    model, example, codes = scripted(tiny_tokenizer, 90)
    engine = Engine(model, tiny_tokenizer, tiny_mimi, max_length=64)
    end = engine.answer(
        Request(question=QUESTION, text_sampling=GREEDY, audio_sampling=GREEDY)
    ).end
    assert end.reason == "length"
    # The last column is written at position 64 and never read.
    num_frames = 64 - example.assistant_start - 7
    assert np.array_equal(end.codes_QF, codes[:, :num_frames])


@pytest.mark.parametrize(
    ("question", "named"),
    [
        (" \n", "empty"),
        ("<|im_end|>", "control token"),
        ("hello " * 200, "no room for an answer in the 160"),
    ],
)
def test_a_bad_question_is_refused_at_once(
    engine: Engine, question: str, named: str
) -> None:
    with pytest.raises(UserError, match=named):
        engine.stream(request(question=question))


def test_a_forgotten_stream_frees_the_codec(
    tiny_omni: OmniModel, tiny_tokenizer: Tokenizer, tiny_mimi: Mimi
) -> None:
    """Without waiting for a garbage collection."""
    gc.disable()
    try:
        first, second = (
            Engine(tiny_omni, tiny_tokenizer, tiny_mimi, max_length=160)
            for _ in range(2)
        )
        next(
            event for event in first.stream(request()) if isinstance(event, AudioEvent)
        )
        assert second.answer(request()).end.codes_QF.size
    finally:
        gc.enable()


def test_an_abandoned_stream_does_not_block_the_next(engine: Engine) -> None:
    expected = engine.answer(request(audio_sampling=WILD)).end.codes_QF
    abandoned = engine.stream(request(seed=9))
    next(event for event in abandoned if isinstance(event, AudioEvent))
    answer = engine.answer(request(audio_sampling=WILD))
    assert np.array_equal(answer.end.codes_QF, expected)
    assert list(abandoned) == []


def test_the_voice_is_in_the_prompt(tiny_tokenizer: Tokenizer, tiny_mimi: Mimi) -> None:
    codes = np.random.default_rng(1).integers(0, SPEC.num_codes, (8, 4))
    voice = Voice(
        name="ada", codes_QT=codes, speaker_embedding_S=np.ones(6, np.float32)
    )
    model, example, _ = scripted(
        tiny_tokenizer, 3, reference_codes=codes, has_speaker=True
    )
    engine = Engine(model, tiny_tokenizer, tiny_mimi)
    greedy = {"text_sampling": GREEDY, "audio_sampling": GREEDY}
    engine.answer(Request(question=QUESTION, voice=voice, **greedy))
    start = example.assistant_start
    assert np.array_equal(model.read[0].numpy(), example.grid[:, :start])
    assert model.speaker.tolist() == [[1.0] * 6]


def test_the_listeners_time_does_not_count(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a clock that only the listener moves, the engine takes no time."""
    now = [0.0]
    clock = SimpleNamespace(perf_counter=lambda: now[0])
    monkeypatch.setattr("minimind_o.generation.stopwatch.time", clock)
    events = []
    for event in engine.stream(request()):
        events.append(event)
        now[0] += 10.0
    assert isinstance(events[-1], EndEvent)
    assert events[-1].timings.time_to_first_audio_s == 0
    assert events[-1].timings.total_s == 0
