"""Does an answer sound like the voice prompt? Speaker vectors of both, compared.

Every voice answers the same questions twice: prompted with reference codes and speaker
vector, and with the codes alone. The speaker encoder, which trained on none of these
voices, says how near each answer is to the prompt, and whether its voice is the nearest
of all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from minimind_o.assets import Assets
from minimind_o.data.schema import RowFormat
from minimind_o.data.speech import SEEN_VOICES
from minimind_o.errors import UserError
from minimind_o.evaluation.cases import read_cases, select
from minimind_o.evaluation.consistency import decode
from minimind_o.evaluation.record import Recorder
from minimind_o.evaluation.statistics import bootstrap_mean
from minimind_o.evaluation.transcribe import Wave
from minimind_o.figures import FIGURES_FILE
from minimind_o.frozen.campplus import MIN_SECONDS, CampPlus, load_campplus
from minimind_o.frozen.mimi import Mimi, load_mimi
from minimind_o.generation.batch import BatchSampling, generate_batch
from minimind_o.generation.voices import Voice, list_voices, load_voice
from minimind_o.layout import LayoutSpec
from minimind_o.model import OmniModel
from minimind_o.terminal_table import terminal_table
from minimind_o.tokenizer import load as load_tokenizer

MIN_RECORDED = 20
"""Questions a voice below which no figure is recorded."""


@dataclass(frozen=True, kw_only=True)
class VoiceAnswer:
    """One answer next to its voice prompt."""

    voice: str
    """Whose prompt it was given."""
    seen: bool
    """Whether answers in this voice were trained on."""
    similarity: float
    """Cosine of its speaker vector and the prompt's; 0 for an answer too short."""
    is_nearest: bool
    """Whether the prompt's voice is the nearest of all."""
    codes_alone: float
    """The similarity of the answer that got no speaker vector."""


def run(
    model_directory: Path,
    assets: Assets,
    *,
    num: int = MIN_RECORDED,
    seed: int = 0,
    sampling: BatchSampling | None = None,
    record_command: str | None = None,
    figures_file: Path = FIGURES_FILE,
    show: Callable[[str], None] = print,
) -> list[VoiceAnswer]:
    """Ask, compare, show a table of the voices.

    Args:
        model_directory: the model.
        assets: tokenizer, codec, speaker encoder, voices, and the questions.
        num: questions that every voice answers.
        seed: draws questions and answers.
        sampling: how to sample; the engine's own defaults unless given.
        record_command: the command line to record the figures under; None: do not
            record.
        figures_file: where they are recorded.
        show: told the result.

    Raises:
        UserError: bad files, a voice without a speaker vector, too few questions.
    """
    if record_command and num < MIN_RECORDED:
        raise UserError(
            f"--num {num} is too few to record a figure: use at least {MIN_RECORDED}"
        )
    model = OmniModel.from_pretrained(model_directory, must_speak=True).eval()
    mimi, campplus = load_mimi(assets.mimi), load_campplus(assets.campplus)
    voices = [load_voice(assets.voices, name) for name in list_voices(assets.voices)]
    centres_VS = voice_vectors(voices)
    config = model.config
    rows = RowFormat(
        num_codebooks=config.num_codebooks,
        num_codes=config.num_codes,
        speaker_embedding_size=config.speaker_embedding_size,
    )
    data = assets.sft_t2a / "test.parquet"
    cases = select(read_cases(data, rows), "fact", num, seed=seed, source=str(data))
    questions = [case.prompt for case in cases]

    def answers(voices: Sequence[Voice]) -> Tensor:
        generated = generate_batch(
            model,
            load_tokenizer(assets.tokenizer),
            LayoutSpec.from_config(config),
            [question for _ in voices for question in questions],
            [voice.codes_QT for voice in voices for _ in questions],
            sampling,
            speaker_embeddings=[
                v.speaker_embedding_S for v in voices for _ in questions
            ],
            seed=seed,
        )
        return speaker_vectors([a.codes_QF for a in generated], mimi, campplus)

    both_NS = answers(voices)
    alone_NS = answers([replace(voice, speaker_embedding_S=None) for voice in voices])
    items = compare(voices, centres_VS, both_NS, alone_NS)
    show(table(items))
    if record_command:
        recorder = Recorder(model=model, command=record_command, path=figures_file)
        record_figures(items, recorder)
    return items


def speaker_vectors(codes: Sequence[object], mimi: Mimi, campplus: CampPlus) -> Tensor:
    """A vector of length 1 for each answer, (N, S); zeros for one too short."""
    vectors = []
    for codes_QF in codes:
        wave: Wave = decode(mimi, codes_QF)
        if len(wave) < MIN_SECONDS * mimi.sample_rate:
            vectors.append(torch.zeros(campplus.embedding_size))
        else:
            vectors.append(
                F.normalize(campplus.embed([wave], mimi.sample_rate)[0], dim=0)
            )
    return torch.stack(vectors)


def compare(
    voices: Sequence[Voice], centres_VS: Tensor, both_NS: Tensor, alone_NS: Tensor
) -> list[VoiceAnswer]:
    """One item per answer; N = V · questions, voice by voice."""
    cosines_NV = both_NS @ centres_VS.T
    alone_NV = alone_NS @ centres_VS.T
    nearest_N = cosines_NV.argmax(dim=1)
    per_voice = len(both_NS) // len(voices)
    items = []
    for row in range(len(both_NS)):
        index = row // per_voice
        heard = bool(both_NS[row].any())
        items.append(
            VoiceAnswer(
                voice=voices[index].name,
                seen=voices[index].name in SEEN_VOICES,
                similarity=float(cosines_NV[row, index]),
                is_nearest=heard and int(nearest_N[row]) == index,
                codes_alone=float(alone_NV[row, index]),
            )
        )
    return items


def table(items: Sequence[VoiceAnswer]) -> str:
    """Voice by voice: similarity, nearest, and what the speaker vector adds."""
    rows = []
    for name in dict.fromkeys(item.voice for item in items):
        own = [item for item in items if item.voice == name]
        means = (
            np.mean([item.similarity for item in own]),
            np.mean([item.is_nearest for item in own]),
            np.mean([item.similarity - item.codes_alone for item in own]),
        )
        seen = "seen" if own[0].seen else "unseen"
        rows.append((name, seen, str(len(own)), *(f"{mean:.2f}" for mean in means)))
    head = ("voice", "", "answers", "similarity", "nearest", "gain")
    return terminal_table(head, rows, max_width=20)


def record_figures(items: Sequence[VoiceAnswer], recorder: Recorder) -> None:
    """Record the six figures; the gain is the lower end of its interval."""
    for name, seen in (("seen", True), ("unseen", False)):
        own = [item for item in items if item.seen == seen]
        if not own:
            continue
        similarity = bootstrap_mean([item.similarity for item in own])
        nearest = bootstrap_mean([float(item.is_nearest) for item in own])
        gain = bootstrap_mean([1 + i.similarity - i.codes_alone for i in own])
        recorder.write_estimate(f"voice_similarity_{name}", similarity)
        recorder.write_estimate(f"voice_nearest_{name}", nearest)
        note = f"lower end of the 95 % interval around {gain.value - 1:.4f}"
        recorder.write(f"voice_gain_{name}", gain.low - 1, f"{note}, n={gain.n}")


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
