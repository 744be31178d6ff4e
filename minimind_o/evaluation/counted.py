"""What is counted, not measured: claims of the paper in which there is no seed.

Sizes are those of the code at the released configuration; the rest is counted in the
paper's own printed rows, in the layout, or in the answers of the nano world.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
import pyarrow.parquet as pq
import torch

from minimind_o import tokenizer
from minimind_o.ablations.measures import spoken_adapters
from minimind_o.assets import Assets
from minimind_o.config import OmniConfig
from minimind_o.evaluation import paper
from minimind_o.evaluation.metric_lesson import PAIRS, as_it_is, judge
from minimind_o.evaluation.paper_means import (
    ROW_DIGITS,
    bucket_without,
    recompute,
)
from minimind_o.layout import IGNORE, LayoutSpec, build_example
from minimind_o.model import OmniModel

MILLION = 1e6
OUTLIER = 4
"""The question of table 9 with the highest rate."""
SHORT, MID = 0, 1
"""Places of a model's buckets in table 8."""


@cache
def _model(**changes: object) -> OmniModel:
    """The released configuration, changed; sizes without weights."""
    with torch.device("meta"):
        return OmniModel(OmniConfig(**changes))  # type: ignore[arg-type]


def _millions(module: torch.nn.Module) -> float:
    return sum(parameter.numel() for parameter in module.parameters()) / MILLION


def million_parameters() -> float:
    """Of the dense model at its released size."""
    return _model().num_parameters().total / MILLION


def million_active_more_with_experts() -> float:
    """Active parameters with experts, minus those of the dense model."""
    both = (_model(use_moe=moe).num_parameters().active for moe in (True, False))
    with_experts, dense = both
    return (with_experts - dense) / MILLION


def module_difference() -> float:
    """The largest difference of a module's parameters to table 6, in millions."""
    parts = ("thinker", "talker", "audio_projector", "image_projector")
    differences = []
    for column, moe in (("params_m_dense", False), ("params_m_moe", True)):
        rows = [row for row in paper.modules() if row["status"] == "trainable"]
        for row, part in zip(rows, parts, strict=True):
            ours = _millions(getattr(_model(use_moe=moe), part))
            differences.append(abs(ours - row[column]))
    return max(differences)


def saving_difference() -> float:
    """What narrow Talkers save, against table 2: the largest relative difference.

    The table's own sizes are 2 to 3 M above those of the released code; what
    is saved is what can be compared.
    """
    found = []
    for variant in ("dense", "moe"):
        rows = [row for row in paper.talker_widths() if row.variant == variant]
        ours = [
            _model(use_moe=variant == "moe", talker_hidden_size=row.talker_hidden)
            for row in rows
        ]
        for row, model in zip(rows[1:], ours[1:], strict=True):
            printed = rows[0].params_m - row.params_m
            saved = _millions(ours[0]) - _millions(model)
            found.append(abs(saved - printed) / printed)
    return max(found)


def adapter_difference() -> float:
    """Parameters of the adapters, against figure 8: the largest difference, in M."""
    return max(
        abs(
            spoken_adapters(
                _model(
                    talker_embedding_rank=row.embedding_rank,
                    talker_head_rank=row.head_rank,
                )
            )
            / MILLION
            - row.adapter_params_m
        )
        for row in paper.ranks()
        if row.adapter_params_m is not None
    )


def bridge_layer() -> float:
    """The block whose output the Talker reads, at the released size."""
    return OmniConfig().bridge_index


def _example() -> tuple[LayoutSpec, np.ndarray, np.ndarray, int]:
    """An example with a voice: spec, codes (Q, F), labels (Q, T-1), answer's start."""
    spec = LayoutSpec()
    rng = np.random.default_rng(0)
    codes_QF = rng.integers(spec.num_codes, size=(spec.num_codebooks, 20))
    reference_QR = rng.integers(spec.num_codes, size=(spec.num_codebooks, 10))
    start = 25
    example = build_example(
        spec, np.arange(1, 41), start, codes_QF, reference_QR, has_speaker=True
    )
    return spec, codes_QF, example.audio_labels, start


def streams_that_start_elsewhere() -> float:
    """Codebooks whose first code is not q + 1 positions after the answer's start."""
    spec, codes_QF, labels_QT, start = _example()
    wrong = 0
    for q in range(spec.num_codebooks):
        first = int(np.argmax(labels_QT[q] != IGNORE)) + 1  # labels are shifted by one
        is_first_code = labels_QT[q, first - 1] == codes_QF[q, 0]
        wrong += not (first == start + q + 1 and is_first_code)
    return wrong


def learned_conditions() -> float:
    """Audio labels before the answer's first code."""
    _, _, labels_QT, start = _example()
    return int((labels_QT[:, :start] != IGNORE).sum())


def texts_longer_than_a_frame() -> float:
    """Share of the test set's answers still being written at their first sound."""
    assets = Assets.find()
    rows = pq.read_table(
        assets.path("sft_t2a") / "test.parquet", columns=["conversations"]
    )
    answers = [json.loads(c)[-1]["content"] for c in rows["conversations"].to_pylist()]
    words = tokenizer.load(assets.tokenizer)
    steps = OmniConfig().frame_steps
    return float(np.mean([len(words.encode(answer)) > steps for answer in answers]))


def means_beyond_rounding() -> float:
    """Printed means of tables 3, 4 and 5 that their printed rows cannot give."""
    wrong = 0
    for mean in paper.model_means(4):
        rows = [row for row in paper.question_rates() if row.model == mean.model]
        for printed, rates in (
            (mean.avg_cer, [row.cer for row in rows]),
            (mean.avg_wer, [row.wer for row in rows]),
        ):
            wrong += not recompute(printed, rates, ROW_DIGITS).is_within_rounding
    for mean in paper.model_means(5):
        pictures = [row for row in paper.picture_rates() if row.model == mean.model]
        for printed, rates in (
            (mean.avg_cer, [row.cer for row in pictures]),
            (mean.avg_wer, [row.wer for row in pictures]),
        ):
            wrong += not recompute(printed, rates).is_within_rounding
    for similar in paper.similarity_means():
        if similar.overall is None:
            continue  # the baseline has no rows
        own = [
            row for row in paper.speaker_similarities() if row.model == similar.model
        ]
        for printed, splits in (
            (similar.seen, ("seen",)),
            (similar.unseen, ("unseen",)),
            (similar.overall, ("seen", "unseen")),
        ):
            rates = [row.similarity for row in own if row.split in splits]
            wrong += not recompute(printed, rates).is_within_rounding
    return wrong


def _buckets(model: str) -> list[paper.BucketRate]:
    return [row for row in paper.bucket_rates() if row.model == model]


def _gap(place: int) -> float:
    ours, theirs = _buckets(paper.OUR_MODEL), _buckets("Mini-Omni2")
    return ours[place].cer - theirs[place].cer


def medium_gap() -> float:
    """How much larger the gap to Mini-Omni2 is in mid answers than in short ones."""
    return _gap(MID) - _gap(SHORT)


def medium_gap_without_outlier() -> float:
    """The same once the one answer with the highest rate is left out of ours."""
    mid = _buckets(paper.OUR_MODEL)[MID]
    (outlier,) = (
        row
        for row in paper.question_rates()
        if row.model == paper.OUR_MODEL and row.id == OUTLIER
    )
    without = bucket_without(mid, outlier) - _buckets("Mini-Omni2")[MID].cer
    return without - _gap(SHORT)


def short_gap() -> float:
    """CER of short answers, minus that of Mini-Omni2."""
    return _gap(SHORT)


def questions_without_errors() -> float:
    """Questions of table 9 with CER 0 for every model."""
    wrong = {row.id for row in paper.question_rates() if row.cer > 0}
    return len({row.id for row in paper.question_rates()} - wrong)


def wer_of_a_number_said_rightly() -> float:
    """Of the speed of light in digits, heard in words, without a normaliser."""
    return judge(as_it_is, PAIRS[:1])[0].wer


def picture_cer_ratio() -> float:
    """Table 5: CER of minimind-3o, divided by that of Mini-Omni2."""
    rates = {row.model: row.avg_cer for row in paper.model_means(5)}
    return rates[paper.OUR_MODEL] / rates["Mini-Omni2"]


def minutes_of_all_stages() -> float:
    """What the paper says its stages take, one after the other."""
    rows = paper.stages("paper")
    return sum(float(row["minutes_on_4x3090"]) for row in rows)


COUNTS: Mapping[str, Callable[[], float]] = {
    count.__name__: count
    for count in (
        million_parameters,
        million_active_more_with_experts,
        module_difference,
        saving_difference,
        adapter_difference,
        bridge_layer,
        streams_that_start_elsewhere,
        learned_conditions,
        texts_longer_than_a_frame,
        means_beyond_rounding,
        medium_gap,
        medium_gap_without_outlier,
        short_gap,
        questions_without_errors,
        wer_of_a_number_said_rightly,
        picture_cer_ratio,
        minutes_of_all_stages,
    )
}
"""Name -> what counts it."""
