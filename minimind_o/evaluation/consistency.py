"""Does the model say what it writes? Its text against what is heard of its speech.

A consistency figure alone can flatter or slander: the transcriber errs by itself, and
the codec loses something before the model can. So the transcriber's error on the data's
original speech (floor) and on that speech through the codec (ceiling) stand beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from minimind_o.assets import Assets
from minimind_o.config import WeightPrecision
from minimind_o.data.encoders import MediaEncoders, MediaStates
from minimind_o.data.schema import RowFormat
from minimind_o.errors import UserError
from minimind_o.evaluation.cases import (
    Case,
    Kind,
    KnownVoice,
    kinds_of,
    read_cases,
    select,
)
from minimind_o.evaluation.hearing import Hearing, hear
from minimind_o.evaluation.normalise import normalise
from minimind_o.evaluation.originals import original_waves, reference_voices
from minimind_o.evaluation.record import Recorder, record_figures
from minimind_o.evaluation.report import Item, Yardsticks, markdown, write_items
from minimind_o.evaluation.transcribe import (
    Transcriber,
    Wave,
    sensevoice_transcriber,
)
from minimind_o.figures import FIGURES_FILE
from minimind_o.frozen.mimi import Mimi, load_mimi
from minimind_o.generation.batch import BatchAnswer, BatchSampling, generate_batch
from minimind_o.generation.voices import list_voices, load_voice
from minimind_o.layout import LayoutSpec
from minimind_o.model import OmniModel
from minimind_o.model.precision import to_precision
from minimind_o.tokenizer import load as load_tokenizer

MIN_RECORDED = 200
"""Prompts of a kind below which no figure of it is recorded."""


@dataclass(frozen=True, kw_only=True)
class ConsistencyRun:
    """What to measure and where the result goes."""

    model: Path
    """Model directory."""
    data: Path
    """Parquet file of prompts with their answers."""
    out: Path
    """Folder for `consistency.parquet` and `consistency.md`."""
    num: int = 200
    """Prompts of each kind."""
    kinds: tuple[Kind, ...] = ()
    """Which kinds of prompts; empty: all that there are."""
    seed: int = 0
    """Draws prompts, samples and bootstrap."""
    batch_size: int = 32
    """Prompts generated at once, where they are equally long."""
    device: str = "cpu"
    """Where the model runs; codec and transcriber stay on the CPU."""
    precision: WeightPrecision = "fp32"
    """Of the model's weights."""


@dataclass(frozen=True, kw_only=True)
class Consistency:
    """What was measured."""

    items: list[Item]
    yardsticks: Yardsticks


def run(
    options: ConsistencyRun,
    assets: Assets,
    *,
    sampling: BatchSampling | None = None,
    transcriber: Transcriber | None = None,
    record_command: str | None = None,
    figures_file: Path = FIGURES_FILE,
    show: Callable[[str], None] = print,
) -> Consistency:
    """Generate, listen, compare; write the table and the summary.

    Args:
        options: what to measure.
        assets: tokenizer, codec, voices, and the transcriber unless one is given.
        sampling: how to sample; the engine's own defaults unless given.
        transcriber: any function from waves to texts.
        record_command: the command line to record the figures under; None: do not
            record.
        figures_file: where they are recorded.
        show: told what is going on.

    Raises:
        UserError: bad files, too few prompts, or too few of them to record.
    """
    if record_command and options.num < MIN_RECORDED:
        raise UserError(
            f"--num {options.num} is too few to record a figure: use at least "
            f"{MIN_RECORDED}"
        )
    model = OmniModel.from_pretrained(options.model, must_speak=True)
    model = to_precision(model, options.precision).eval().to(options.device)
    mimi = load_mimi(assets.mimi)
    cases = _choose_cases(options, model, mimi, assets)
    transcriber = transcriber or sensevoice_transcriber(assets.sensevoice)
    show(f"answering {len(cases)} prompts")
    answers = generate_batch(
        model,
        load_tokenizer(assets.tokenizer),
        LayoutSpec.from_config(model.config),
        [case.prompt for case in cases],
        [case.reference_codes_QR for case in cases],
        sampling,
        speaker_embeddings=[case.speaker_embedding for case in cases],
        media=encode_media(cases, assets),
        batch_size=options.batch_size,
        seed=options.seed,
    )
    show("listening")
    items = compare(cases, answers, mimi, transcriber)
    yardsticks = measure_yardsticks(cases, original_waves(cases), mimi, transcriber)
    options.out.mkdir(parents=True, exist_ok=True)
    write_items(items, options.out / "consistency.parquet")
    summary = markdown(items, yardsticks)
    (options.out / "consistency.md").write_text(summary, encoding="utf-8")
    show(summary)
    if record_command:
        recorder = Recorder(model=model, command=record_command, path=figures_file)
        record_figures(items, yardsticks, recorder)
    return Consistency(items=items, yardsticks=yardsticks)


def encode_media(cases: Sequence[Case], assets: Assets) -> list[MediaStates]:
    """What the assets' encoders make of the cases' recordings and pictures."""
    encoders = MediaEncoders(assets.path("sensevoice"), assets.path("siglip2"))
    return encoders.encode(
        [case.recordings for case in cases], [case.pictures for case in cases]
    )


def compare(
    cases: Sequence[Case],
    answers: Sequence[BatchAnswer],
    mimi: Mimi,
    transcriber: Transcriber,
) -> list[Item]:
    """Decode and transcribe the answers; one item per case."""
    hearings = hear(
        [answer.text for answer in answers],
        [decode(mimi, answer.codes_QF) for answer in answers],
        [case.language for case in cases],
        transcriber,
        mimi.sample_rate,
    )
    return [
        Item(
            kind=case.kind,
            voice=case.voice,
            prompt=case.prompt,
            reference_answer=case.answer,
            is_right=is_same_answer(answer.text, case),
            is_finished=answer.is_finished,
            hearing=hearing,
        )
        for case, answer, hearing in zip(cases, answers, hearings, strict=True)
    ]


def is_same_answer(text: str, case: Case) -> bool:
    """Whether a text is the case's answer, both normalised."""
    return normalise(text, case.language) == normalise(case.answer, case.language)


def measure_yardsticks(
    cases: Sequence[Case],
    originals: Sequence[Wave | None],
    mimi: Mimi,
    transcriber: Transcriber,
) -> Yardsticks:
    """Floor and ceiling on recordings of the cases' answers.

    Where originals are known both are measured on the same recordings, so that their
    difference is the codec's alone. Where none is known the floor is empty and the
    ceiling is that of the codes in the data.
    """
    known = [
        (case, wave)
        for case, wave in zip(cases, originals, strict=True)
        if wave is not None
    ]
    if known:
        heard_cases = [case for case, _ in known]
        waves = [wave for _, wave in known]
        through = [_resynthesise(mimi, wave) for wave in waves]
    else:
        heard_cases = [case for case in cases if case.answer_codes_QF is not None]
        waves = []
        through = [decode(mimi, case.answer_codes_QF) for case in heard_cases]

    def listen(waves: Sequence[Wave]) -> list[Hearing]:
        texts = [case.answer for case in heard_cases]
        languages = [case.language for case in heard_cases]
        return hear(texts, waves, languages, transcriber, mimi.sample_rate)

    return Yardsticks(
        original=listen(waves) if known else [], resynthesised=listen(through)
    )


def decode(mimi: Mimi, codes_QF: object) -> Wave:
    """The wave of one answer's codes; no samples for no frames."""
    codes_BQF = torch.as_tensor(codes_QF, dtype=torch.int64)[None]
    if codes_BQF.shape[-1] == 0:
        return torch.zeros(0).numpy()
    return mimi.decode(codes_BQF)[0].numpy()


def _resynthesise(mimi: Mimi, wave: Wave) -> Wave:
    codes_BQF = mimi.encode(torch.from_numpy(wave)[None])
    return mimi.decode(codes_BQF)[0].numpy()


def _choose_cases(
    options: ConsistencyRun, model: OmniModel, mimi: Mimi, assets: Assets
) -> list[Case]:
    config = model.config
    row_format = RowFormat(
        num_codebooks=config.num_codebooks,
        num_codes=config.num_codes,
        speaker_embedding_size=config.speaker_embedding_size,
    )
    folder = assets.voices
    voices: list[KnownVoice] = [
        (name, load_voice(folder, name).codes_QT) for name in list_voices(folder)
    ]
    voices += reference_voices(mimi)
    cases = read_cases(options.data, row_format, voices)
    chosen = []
    for kind in options.kinds or kinds_of(cases):
        chosen += select(
            cases, kind, options.num, seed=options.seed, source=str(options.data)
        )
    return chosen
