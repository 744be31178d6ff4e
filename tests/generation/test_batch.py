"""Batched answers are those of one prompt at a time, whatever stands beside them."""

import numpy as np
import pytest
import torch
from moshi.models import loaders

from minimind_o import tokenizer as tokenizers
from minimind_o.errors import UserError
from minimind_o.frozen.mimi import NANO_MIMI, Mimi
from minimind_o.generation.batch import (
    BatchAnswer,
    BatchSampling,
    generate_batch,
)
from minimind_o.generation.engine import Engine, Request
from minimind_o.generation.sampling import GREEDY
from minimind_o.generation.text_stream import forbidden_text
from minimind_o.generation.voices import Voice
from minimind_o.layout import LayoutSpec, build_prompt, read_codes
from minimind_o.model import OmniModel
from minimind_o.tokenizer import Tokenizer
from tests.model.tiny import tiny_model

PROMPTS = [
    "What color is the sky?",
    "Blue",
    "What color is the sea?",
    "天空是什么颜色？",
    "Blue",
    "Red.",
]
LIMITS = {"max_frames": 12, "max_text_tokens": 6}
SAMPLING = BatchSampling(text=GREEDY, audio=GREEDY, **LIMITS)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizers.train_bpe([*PROMPTS, "The sky is blue."], 320, folder)
    return tokenizers.load(folder)


@pytest.fixture(scope="module")
def model(tokenizer: Tokenizer) -> OmniModel:
    """Random, with large weights and loud ends, so that answers differ and stop."""
    model = tiny_model(
        seed=2,
        vocab_size=tokenizer.vocab_size,
        num_codes=5,
        audio_vocab_size=10,
        audio_pad_token=6,
        audio_stop_token=7,
        audio_speaker_token=8,
    ).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim >= 2 and "embed_tokens" not in name:
                weight *= 4
        model.talker.code_heads.shared[model.config.audio_stop_token] *= 2
        model.thinker.embed_tokens.weight[tokenizer.turn_end_id] *= 3
    return model


@pytest.fixture(scope="module")
def spec(model: OmniModel) -> LayoutSpec:
    return LayoutSpec.from_config(model.config)


@pytest.fixture(scope="module")
def references(spec: LayoutSpec) -> list[np.ndarray | None]:
    rng = np.random.default_rng(0)
    codes = [
        rng.integers(0, spec.num_codes, (8, length)) for length in (3, 50, 7, 4, 3)
    ]
    return [*codes, None]


@torch.inference_mode()
def one_by_one(
    model: OmniModel,
    tokenizer: Tokenizer,
    spec: LayoutSpec,
    prompt: str,
    reference: np.ndarray | None,
) -> BatchAnswer:
    """Greedy by the layout's rules, the whole sequence read anew for every position."""
    ids = tokenizer.encode_prompt([{"role": "user", "content": prompt}])
    grid = build_prompt(spec, ids, reference)
    start, newline = grid.shape[1], tokenizer.encode("\n")[0]
    forbidden = forbidden_text(tokenizer, model.config.vocab_size).numpy()
    text_ids: list[int] = []
    ended_at = num_frames = None
    was_cut = False
    for step in range(LIMITS["max_frames"] + 8):
        output = model(torch.from_numpy(grid).long()[None])
        column = np.full(9, spec.audio_pad_token)
        column[8] = spec.pad_token_id
        if ended_at is None:
            column[8] = (output.text_logits[0, -1].numpy() + forbidden).argmax()
            if len(text_ids) == LIMITS["max_text_tokens"]:
                was_cut |= column[8] != tokenizer.turn_end_id
                column[8] = tokenizer.turn_end_id
            if column[8] == tokenizer.turn_end_id:
                ended_at = step
            else:
                text_ids.append(int(column[8]))
        elif step == ended_at + 1:
            column[8] = newline
        logits = output.audio_logits[0, :, -1].numpy().copy()
        logits[1:, spec.num_codes :] = logits[0, [6, 8, 9]] = -np.inf
        logits[0, [6, 8, 9]] = -np.inf
        for q in range(8):
            frame = step - 1 - q
            drawn = logits[q].argmax()
            if q == 0 and frame >= 0 and num_frames is None:
                stopped = drawn == spec.audio_stop_token
                was_cut |= frame == LIMITS["max_frames"] and not stopped
                if stopped or frame == LIMITS["max_frames"]:
                    num_frames = frame
            if frame >= 0 and (num_frames is None or frame < num_frames):
                column[q] = drawn
            elif frame == num_frames:
                column[q] = spec.audio_stop_token
        grid = np.hstack([grid, column[:, None].astype(np.int32)])
    return BatchAnswer(
        text=tokenizer.decode(text_ids),
        codes_QF=read_codes(spec, grid, start),
        is_finished=not was_cut,
    )


def assert_equal(ours: BatchAnswer, theirs: BatchAnswer) -> None:
    assert ours.text == theirs.text
    assert np.array_equal(ours.codes_QF, theirs.codes_QF)
    assert ours.is_finished == theirs.is_finished


def test_greedy_batch_equals_one_by_one(model, tokenizer, spec, references) -> None:
    sizes: list[int] = []
    answers = generate_batch(
        model,
        tokenizer,
        spec,
        PROMPTS,
        references,
        SAMPLING,
        on_batch=sizes.append,
    )
    assert sum(sizes) == len(PROMPTS)
    assert max(sizes) >= 2
    expected = [
        one_by_one(model, tokenizer, spec, prompt, reference)
        for prompt, reference in zip(PROMPTS, references, strict=True)
    ]
    for ours, theirs in zip(answers, expected, strict=True):
        assert_equal(ours, theirs)
    # The cases that matter are among them: answers that stop, and answers that are cut.
    assert len({answer.codes_QF.shape[1] for answer in answers}) > 2
    assert {answer.is_finished for answer in answers} == {True, False}
    assert len({answer.text for answer in answers}) > 2


def test_greedy_batch_equals_the_engine(model, tokenizer, spec, references) -> None:
    config = {**NANO_MIMI, "seanet": {**NANO_MIMI["seanet"], "n_filters": 2}}
    config["quantizer"] = {**NANO_MIMI["quantizer"], "bins": spec.num_codes}
    mimi = Mimi(loaders.get_mimi(None, config, "cpu", 8).eval(), config)
    engine = Engine(model, tokenizer, mimi, max_length=120)
    answers = generate_batch(model, tokenizer, spec, PROMPTS, references, SAMPLING)
    for prompt, codes, ours in zip(PROMPTS, references, answers, strict=True):
        voice = None if codes is None else Voice(name="any", codes_QT=codes)
        end = engine.answer(
            Request(
                question=prompt,
                voice=voice,
                text_sampling=GREEDY,
                audio_sampling=GREEDY,
                **LIMITS,
            )
        ).end
        assert ours.text == end.text
        assert np.array_equal(ours.codes_QF, end.codes_QF)
        assert ours.is_finished == (end.reason == "stop")


def test_batch_size_does_not_change_greedy_answers(
    model, tokenizer, spec, references
) -> None:
    def answer(batch_size: int) -> list[BatchAnswer]:
        return generate_batch(
            model,
            tokenizer,
            spec,
            PROMPTS,
            references,
            SAMPLING,
            batch_size=batch_size,
        )

    for ours, theirs in zip(answer(2), answer(1), strict=True):
        assert_equal(ours, theirs)


def test_a_seed_repeats_sampled_answers(model, tokenizer, spec, references) -> None:
    def answer(seed: int) -> list[BatchAnswer]:
        sampling = BatchSampling(**LIMITS)
        return generate_batch(
            model, tokenizer, spec, PROMPTS, references, sampling, seed=seed
        )

    for ours, theirs in zip(answer(5), answer(5), strict=True):
        assert_equal(ours, theirs)
    assert [one.text for one in answer(5)] != [one.text for one in answer(6)]


def test_each_row_hears_its_own_speaker(model, tokenizer, spec) -> None:
    vectors = np.random.default_rng(1).normal(size=(7, 6)).astype(np.float32)
    speakers: list[np.ndarray | None] = [*vectors[:3], None, *vectors[3:]]

    def codes(batch_size: int) -> list[bytes]:
        answers = generate_batch(
            model,
            tokenizer,
            spec,
            ["天空是什么颜色？"] * 8,
            [None] * 8,
            SAMPLING,
            speaker_embeddings=speakers,
            batch_size=batch_size,
        )
        return [answer.codes_QF.tobytes() for answer in answers]

    alone = codes(batch_size=1)
    assert alone != alone[::-1]
    assert codes(batch_size=8) == alone


def test_a_prompt_that_fills_the_context_is_refused(model, tokenizer, spec) -> None:
    with pytest.raises(UserError, match="no room for an answer"):
        generate_batch(model, tokenizer, spec, ["blue " * 200], [None], SAMPLING)


def test_a_control_token_in_a_prompt_is_refused(model, tokenizer, spec) -> None:
    with pytest.raises(UserError, match="control token"):
        generate_batch(model, tokenizer, spec, ["<|im_end|>"], [None], SAMPLING)
