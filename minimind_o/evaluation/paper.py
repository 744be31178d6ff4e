"""The tables of the MiniMind-O report (arXiv 2605.03937) as typed rows.

The files in `data/paper` have the paper's columns; tables that are wide there, with a
pair of columns for each model, are long here: a row a model. Rates are shares, not per
cent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow.csv

from minimind_o.errors import UserError

PAPER_FOLDER = Path(__file__).resolve().parents[2] / "data" / "paper"
OUR_MODEL = "minimind-3o"
Metric = Literal["cer", "wer"]

_PREFIXES = {
    "mini_omni": "Mini-Omni",
    "mini_omni2": "Mini-Omni2",
    "minimind_3o": OUR_MODEL,
}


@dataclass(frozen=True, kw_only=True)
class ModelMean:
    """Tables 4 and 5: a model's mean over questions or pictures."""

    model: str
    params_b: float
    """Billions of parameters."""
    avg_cer: float
    avg_wer: float


@dataclass(frozen=True, kw_only=True)
class QuestionRate:
    """Table 9: one model's answer to one question."""

    id: int
    question: str
    """Paraphrased."""
    model: str
    cer: float
    wer: float


@dataclass(frozen=True, kw_only=True)
class BucketRate:
    """Table 8: the mean over a model's answers of some length."""

    bucket: str
    model: str
    cer: float
    wer: float
    n: int
    """Answers in the bucket."""


@dataclass(frozen=True, kw_only=True)
class PictureRate:
    """Table 10: one model's description of one picture."""

    id: int
    model: str
    output_len: int
    """Words of the description."""
    reference_len: int
    """Words of the reference that it is compared with, cut to about that length."""
    cer: float
    wer: float


@dataclass(frozen=True, kw_only=True)
class SpeakerSimilarity:
    """Table 7: cosine of a speaker's answers and voice prompt."""

    split: str
    """`seen` or `unseen` in training."""
    speaker: str
    model: str
    similarity: float


@dataclass(frozen=True, kw_only=True)
class SimilarityMean:
    """Table 3: means over speakers."""

    model: str
    seen: float
    unseen: float
    overall: float | None
    """Over all speakers; not given for the baseline."""


@dataclass(frozen=True, kw_only=True)
class TalkerWidth:
    """Table 2: a Talker's width and its mean CER, over all answers and by length."""

    variant: str
    talker_hidden: int
    params_m: float
    active_params_m: float
    avg_cer: float
    short_cer: float
    mid_cer: float
    long_cer: float


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """Figure 8: the ranks of the Talker's adapters."""

    sweep: str
    embedding_rank: int
    head_rank: int
    adapter_params_m: float | None


def model_means(table: Literal[4, 5]) -> list[ModelMean]:
    """Table 4, spoken answers, or table 5, picture descriptions."""
    names = {4: "table4_cross_model_t2a", 5: "table5_vision_language"}
    return [ModelMean(**row) for row in _rows(names[table])]


def question_rates() -> list[QuestionRate]:
    """Table 9, question by question for each model."""
    return [
        QuestionRate(id=row["id"], question=row["question"], model=model, **rates)
        for row in _rows("table9_per_question")
        for model, rates in _by_model(row, ("cer", "wer"))
    ]


def bucket_rates() -> list[BucketRate]:
    """Table 8."""
    return [BucketRate(**row) for row in _rows("table8_length_buckets")]


def picture_rates() -> list[PictureRate]:
    """Table 10, picture by picture for each model."""
    columns = ("output_len", "reference_len", "cer", "wer")
    return [
        PictureRate(id=row["id"], model=model, **values)
        for row in _rows("table10_vision_per_sample")
        for model, values in _by_model(row, columns)
    ]


def speaker_similarities() -> list[SpeakerSimilarity]:
    """Table 7, speaker by speaker for each model."""
    models = {"dense": OUR_MODEL, "moe": f"{OUR_MODEL}-moe"}
    return [
        SpeakerSimilarity(
            split=row["split"],
            speaker=row["speaker"],
            model=model,
            similarity=row[column],
        )
        for row in _rows("table7_per_speaker")
        for column, model in models.items()
    ]


def similarity_means() -> list[SimilarityMean]:
    """Table 3."""
    return [SimilarityMean(**row) for row in _rows("table3_voice_similarity")]


def talker_widths() -> list[TalkerWidth]:
    """Table 2."""
    return [TalkerWidth(**row) for row in _rows("table2_talker_width")]


def ranks() -> list[Ranks]:
    """Figure 8's settings; its curves are not published as numbers."""
    return [Ranks(**row) for row in _rows("figure8_ranks")]


def modules() -> list[dict[str, Any]]:
    """Table 6, a module a row: what it is, and its parameters in millions."""
    return _rows("table6_modules")


def stages(source: str = "paper") -> list[dict[str, Any]]:
    """The stages of training; `source`: who says so, the paper or a released script."""
    return [row for row in _rows("stages") if row["source"] == source]


def _rows(name: str) -> list[dict[str, Any]]:
    path = PAPER_FOLDER / f"{name}.csv"
    if not path.is_file():
        raise UserError(f"{path} is missing: restore it from the repository")
    return pyarrow.csv.read_csv(path).to_pylist()


def _by_model(
    row: dict[str, Any], columns: tuple[str, ...]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each model that a wide row has, with its values."""
    for prefix, model in _PREFIXES.items():
        if f"{prefix}_{columns[0]}" in row:
            yield model, {name: row[f"{prefix}_{name}"] for name in columns}
