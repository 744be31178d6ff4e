"""Does an answer sound like the voice prompt? Speaker vectors of both, compared.

Every voice answers the same questions twice: prompted with reference codes and speaker
vector, and with the codes alone. The speaker encoder, which trained on none of these
voices, says how near each answer is to the prompt, and whether its voice is the nearest
of all.

The encoder has a floor and a ceiling as the transcriber has. Floor: how near the
prompts of *other* voices are, which is what following nobody earns. Ceiling: how near
the speaker's own recordings of the same answers are, before and through the codec;
where they are not known, the prompt's own codes, decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from minimind_o.assets import Assets
from minimind_o.config import WeightPrecision
from minimind_o.data.schema import RowFormat
from minimind_o.errors import UserError
from minimind_o.evaluation.cases import Case, read_cases, select
from minimind_o.evaluation.originals import original_waves
from minimind_o.evaluation.record import Recorder, check_recordable
from minimind_o.evaluation.statistics import bootstrap_mean
from minimind_o.evaluation.tables import Provenance, write_markdown, write_parquet
from minimind_o.evaluation.transcribe import Wave
from minimind_o.evaluation.voices_report import (
    VoiceAnswer,
    VoiceYardstick,
    answer_rows,
    markdown,
)
from minimind_o.evaluation.yardsticks import decode, through_codec
from minimind_o.figures import FIGURES_FILE
from minimind_o.frozen.campplus import MIN_SECONDS, CampPlus, load_campplus
from minimind_o.frozen.mimi import Mimi, load_mimi
from minimind_o.generation.batch import BatchSampling, generate_batch
from minimind_o.generation.loading import check_codec
from minimind_o.generation.voices import Voice, list_voices, load_voice, seen_voices
from minimind_o.layout import LayoutSpec
from minimind_o.model import OmniModel
from minimind_o.model.precision import to_precision
from minimind_o.tokenizer import load as load_tokenizer

MIN_RECORDED = 20
"""Questions a voice below which no figure is recorded."""


@dataclass(frozen=True, kw_only=True)
class VoicesRun:
    """What to measure and where the result goes."""

    model: Path
    """Model directory."""
    data: Path
    """Parquet file of prompts with their answers."""
    out: Path
    """Folder for the tables."""
    num: int = MIN_RECORDED
    """Questions that every voice answers."""
    seed: int = 0
    """Draws questions and answers."""
    batch_size: int = 32
    """Prompts generated at once, where they are equally long."""
    device: str = "cpu"
    """Where the model runs; codec and speaker encoder stay on the CPU."""
    precision: WeightPrecision = "fp32"
    """Of the model's weights."""


@dataclass(frozen=True, kw_only=True)
class Voices:
    """What was measured."""

    answers: list[VoiceAnswer]
    yardsticks: dict[str, VoiceYardstick]


def run(
    options: VoicesRun,
    assets: Assets,
    *,
    sampling: BatchSampling | None = None,
    provenance: Provenance | None = None,
    record_command: str | None = None,
    figures_file: Path = FIGURES_FILE,
    show: Callable[[str], None] = print,
) -> Voices:
    """Ask, compare; write `voices.parquet` and `voices.md`.

    Args:
        options: what to measure.
        assets: tokenizer, codec, speaker encoder and voices.
        sampling: how to sample; the engine's own defaults unless given.
        provenance: what the tables say of where they came from.
        record_command: the command line to record the figures under; None: do not
            record.
        figures_file: where they are recorded.
        show: told what is going on.

    Raises:
        UserError: bad files, a voice without a speaker vector, too few questions.
    """
    if record_command:
        check_recordable(options.num, MIN_RECORDED)
    model = to_precision(
        OmniModel.from_pretrained(options.model, must_speak=True), options.precision
    )
    model = model.eval().to(options.device)
    mimi, campplus = load_mimi(assets.mimi), load_campplus(assets.campplus)
    check_codec(model, options.model, mimi, assets.mimi)
    voices = [load_voice(assets.voices, name) for name in list_voices(assets.voices)]
    centres_VS = voice_vectors(voices)
    cases = _questions(options, model)
    spec = LayoutSpec.from_config(model.config)
    tokenizer = load_tokenizer(assets.tokenizer)

    def answers(voices: Sequence[Voice]) -> Tensor:
        generated = generate_batch(
            model,
            tokenizer,
            spec,
            [case.prompt for _ in voices for case in cases],
            [voice.codes_QT for voice in voices for _ in cases],
            sampling,
            speaker_embeddings=[v.speaker_embedding_S for v in voices for _ in cases],
            batch_size=options.batch_size,
            seed=options.seed,
        )
        waves = [decode(mimi, answer.codes_QF) for answer in generated]
        return speaker_vectors(waves, mimi.sample_rate, campplus)

    show(f"{len(voices)} voices answer {len(cases)} questions, twice each")
    both_NS = answers(voices)
    alone_NS = answers([replace(voice, speaker_embedding_S=None) for voice in voices])
    items = compare(
        voices,
        centres_VS,
        both_NS,
        alone_NS,
        questions=[case.prompt for case in cases],
        seen=seen_voices(assets.voices),
    )
    show("measuring the speakers themselves")
    yardsticks = measure_yardsticks(voices, centres_VS, cases, mimi, campplus)
    provenance = provenance or Provenance(
        model=options.model.name, transcriber="none", seed=options.seed
    )
    summary = markdown(items, yardsticks, provenance)
    write_parquet(answer_rows(items), options.out / "voices.parquet", provenance)
    write_markdown(summary, options.out / "voices.md")
    show(summary)
    if record_command:
        recorder = Recorder(model=model, command=record_command, path=figures_file)
        record_figures(items, yardsticks, recorder)
    return Voices(answers=items, yardsticks=yardsticks)


def speaker_vectors(
    waves: Sequence[Wave], sample_rate: int, campplus: CampPlus
) -> Tensor:
    """A vector of length 1 for each wave, (N, S); zeros for one too short."""
    vectors = []
    for wave in waves:
        if len(wave) < MIN_SECONDS * sample_rate:
            vectors.append(torch.zeros(campplus.embedding_size))
        else:
            vectors.append(F.normalize(campplus.embed([wave], sample_rate)[0], dim=0))
    return torch.stack(vectors)


def compare(
    voices: Sequence[Voice],
    centres_VS: Tensor,
    both_NS: Tensor,
    alone_NS: Tensor,
    *,
    questions: Sequence[str],
    seen: Collection[str],
) -> list[VoiceAnswer]:
    """One item per answer; N = V · questions, voice by voice.

    seen: names of the voices that were trained on.
    """
    cosines_NV = both_NS @ centres_VS.T
    alone_NV = alone_NS @ centres_VS.T
    nearest_N = cosines_NV.argmax(dim=1)
    items = []
    for row in range(len(both_NS)):
        index, question = divmod(row, len(questions))
        heard = bool(both_NS[row].any())
        items.append(
            VoiceAnswer(
                voice=voices[index].name,
                seen=voices[index].name in seen,
                prompt=questions[question],
                similarity=float(cosines_NV[row, index]),
                is_nearest=heard and int(nearest_N[row]) == index,
                nearest=voices[int(nearest_N[row])].name if heard else "",
                codes_alone=float(alone_NV[row, index]),
            )
        )
    return items


def measure_yardsticks(
    voices: Sequence[Voice],
    centres_VS: Tensor,
    cases: Sequence[Case],
    mimi: Mimi,
    campplus: CampPlus,
) -> dict[str, VoiceYardstick]:
    """Floor and ceiling of each voice's similarity, by its name."""

    def cosines(waves: Sequence[Wave]) -> Tensor:
        return speaker_vectors(waves, mimi.sample_rate, campplus) @ centres_VS.T

    found = {}
    for index, (voice, centre_S) in enumerate(zip(voices, centres_VS, strict=True)):
        own = original_waves([replace(case, voice=voice.name) for case in cases])
        known = [wave for wave in own if wave is not None]
        coded = [through_codec(mimi, wave) for wave in known]
        others_VS = torch.cat([centres_VS[:index], centres_VS[index + 1 :]])
        coded_NV = cosines(coded or [decode(mimi, voice.codes_QT)])
        found[voice.name] = VoiceYardstick(
            others=(others_VS @ centre_S).tolist(),
            speaker=cosines(known)[:, index].tolist() if known else [],
            through_codec=coded_NV[:, index].tolist(),
            codec_is_nearest=(coded_NV.argmax(dim=1) == index).tolist(),
        )
    return found


def record_figures(
    items: Sequence[VoiceAnswer],
    yardsticks: Mapping[str, VoiceYardstick],
    recorder: Recorder,
) -> None:
    """Record the six figures; the gain is the lower end of its interval.

    Similarity and nearest are noted with their ceilings.
    """
    for name, seen in (("seen", True), ("unseen", False)):
        own = [item for item in items if item.seen == seen]
        if not own:
            continue
        similarity = bootstrap_mean([item.similarity for item in own])
        nearest = bootstrap_mean([float(item.is_nearest) for item in own])
        gain = bootstrap_mean([1 + i.similarity - i.codes_alone for i in own])
        best = [yardsticks[voice] for voice in {item.voice for item in own}]
        coded = bootstrap_mean([x for one in best for x in one.through_codec])
        first = bootstrap_mean([float(x) for one in best for x in one.codec_is_nearest])
        said = "; the speakers themselves, through the codec,"
        recorder.write_estimate(
            f"voice_similarity_{name}", similarity, f"{said} {coded.value:.3f}"
        )
        recorder.write_estimate(
            f"voice_nearest_{name}", nearest, f"{said} {first.value:.3f}"
        )
        note = f"lower end of the 95 % interval around {gain.value - 1:.4f}"
        recorder.write(f"voice_gain_{name}", gain.low - 1, f"{note}, n={gain.n}")


def _questions(options: VoicesRun, model: OmniModel) -> list[Case]:
    config = model.config
    rows = RowFormat(
        num_codebooks=config.num_codebooks,
        num_codes=config.num_codes,
        speaker_embedding_size=config.speaker_embedding_size,
    )
    cases = read_cases(options.data, rows)
    return select(
        cases, "fact", options.num, seed=options.seed, source=str(options.data)
    )


def voice_vectors(voices: Sequence[Voice]) -> Tensor:
    """The prompts' speaker vectors, each of length 1, (V, S).

    Raises:
        UserError: a voice without one.
    """
    vectors = []
    for voice in voices:
        if voice.speaker_embedding_S is None:
            raise UserError(
                f"voice '{voice.name}' has no speaker vector: make the voices anew "
                "with 'minimind-o nano voices'"
            )
        vectors.append(torch.from_numpy(voice.speaker_embedding_S))
    return F.normalize(torch.stack(vectors))
