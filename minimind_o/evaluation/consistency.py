"""Does the model say what it writes? Its text against what is heard of its speech."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from minimind_o.assets import Assets
from minimind_o.config import WeightPrecision
from minimind_o.data.encoders import MediaEncoders, MediaStates
from minimind_o.data.schema import RowFormat
from minimind_o.data.speech import SEEN_VOICES
from minimind_o.evaluation.cases import (
    Case,
    Kind,
    KnownVoice,
    kinds_of,
    read_cases,
    select,
)
from minimind_o.evaluation.hearing import hear
from minimind_o.evaluation.normalise import normalise
from minimind_o.evaluation.originals import original_waves, reference_voices
from minimind_o.evaluation.record import Recorder, check_recordable, record_figures
from minimind_o.evaluation.report import (
    Item,
    item_rows,
    markdown,
    questions_markdown,
)
from minimind_o.evaluation.tables import Provenance, write_markdown, write_parquet
from minimind_o.evaluation.transcribe import (
    ASSETS_TRANSCRIBER,
    Transcriber,
    sensevoice_transcriber,
)
from minimind_o.evaluation.yardsticks import decode, measure_yardsticks
from minimind_o.figures import FIGURES_FILE
from minimind_o.frozen.mimi import Mimi, load_mimi
from minimind_o.generation.batch import BatchAnswer, BatchSampling, generate_batch
from minimind_o.generation.loading import check_codec
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
    """Folder for the tables."""
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

    model: OmniModel
    items: list[Item]


def run(
    options: ConsistencyRun,
    assets: Assets,
    *,
    sampling: BatchSampling | None = None,
    transcriber: Transcriber | None = None,
    provenance: Provenance | None = None,
    record_command: str | None = None,
    figures_file: Path = FIGURES_FILE,
    show: Callable[[str], None] = print,
) -> Consistency:
    """Generate, listen, compare; write the rows, the summary and the questions.

    Args:
        options: what to measure.
        assets: tokenizer, codec, voices, and the transcriber unless one is given.
        sampling: how to sample; the engine's own defaults unless given.
        transcriber: any function from waves to texts.
        provenance: what the tables say of where they came from.
        record_command: the command line to record the figures under; None: do not
            record.
        figures_file: where they are recorded.
        show: told what is going on.

    Raises:
        UserError: bad files, too few prompts, or too few of them to record.
    """
    if record_command:
        check_recordable(options.num, MIN_RECORDED)
    found = measure(
        options, assets, sampling=sampling, transcriber=transcriber, show=show
    )
    provenance = provenance or own_provenance(options, transcriber)
    summary = markdown(found.items, provenance)
    rows = item_rows(found.items)
    write_parquet(rows, options.out / "consistency.parquet", provenance)
    write_markdown(summary, options.out / "consistency.md")
    questions = questions_markdown(found.items, provenance)
    write_markdown(questions, options.out / "consistency_questions.md")
    show(summary)
    if record_command:
        recorder = Recorder(
            model=found.model, command=record_command, path=figures_file
        )
        record_figures(found.items, recorder)
    return found


def own_provenance(
    options: ConsistencyRun, transcriber: Transcriber | None
) -> Provenance:
    """What tables say of a run that was not started from a command line."""
    named = getattr(transcriber, "__name__", type(transcriber).__name__)
    return Provenance(
        model=options.model.name,
        transcriber=named if transcriber else ASSETS_TRANSCRIBER,
        seed=options.seed,
    )


def measure(
    options: ConsistencyRun,
    assets: Assets,
    *,
    sampling: BatchSampling | None = None,
    transcriber: Transcriber | None = None,
    show: Callable[[str], None] = print,
) -> Consistency:
    """Answer the prompts and listen to the answers, and to the data's own speech.

    Arguments and errors are those of `run`, which writes what this measures.
    """
    model = to_precision(
        OmniModel.from_pretrained(options.model, must_speak=True), options.precision
    )
    model = model.eval().to(options.device)
    mimi = load_mimi(assets.mimi)
    check_codec(model, options.model, mimi, assets.mimi)
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
    return Consistency(
        model=model,
        items=[
            replace(item, floor=floor, ceiling=ceiling)
            for item, (floor, ceiling) in zip(items, yardsticks, strict=True)
        ],
    )


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
    if not {name for name, _ in voices}.isdisjoint(SEEN_VOICES):
        # Rows in these voices draw from several prompts, which can be made again.
        voices += reference_voices(mimi)
    cases = read_cases(options.data, row_format, voices)
    chosen = []
    for kind in options.kinds or kinds_of(cases):
        chosen += select(
            cases, kind, options.num, seed=options.seed, source=str(options.data)
        )
    return chosen
