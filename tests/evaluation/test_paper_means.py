"""The paper's tables are read whole and agree with one another, to rounding."""

from pathlib import Path

import pytest

from minimind_o.errors import UserError
from minimind_o.evaluation import paper
from minimind_o.evaluation.paper import OUR_MODEL
from minimind_o.evaluation.paper_means import (
    ROW_DIGITS,
    Recomputed,
    bucket_without,
    leave_one_out,
    mean_rate,
    members,
    possible_counts,
    recompute,
)

SPEED_OF_LIGHT = 4


def of_questions(model: str, metric: str) -> Recomputed:
    """Table 4 from table 9."""
    (row,) = (row for row in paper.model_means(4) if row.model == model)
    rates = [getattr(r, metric) for r in paper.question_rates() if r.model == model]
    assert len(rates) == 20
    return recompute(getattr(row, f"avg_{metric}"), rates, ROW_DIGITS)


@pytest.mark.parametrize("metric", ["cer", "wer"])
@pytest.mark.parametrize("model", ["Mini-Omni", "Mini-Omni2", OUR_MODEL])
def test_table_4_is_the_mean_of_table_9(model: str, metric: str) -> None:
    found = of_questions(model, metric)
    assert found.is_within_rounding
    # One mean of six is a half that the paper has rounded down, or rows rounded up.
    assert found.is_same == ((model, metric) != ("Mini-Omni2", "wer"))
    assert found.mean == pytest.approx(
        mean_rate(paper.question_rates(), model, metric), abs=1e-12
    )


@pytest.mark.parametrize("model", ["Mini-Omni2", OUR_MODEL])
def test_table_5_is_the_mean_of_table_10(model: str) -> None:
    (row,) = (row for row in paper.model_means(5) if row.model == model)
    pictures = [r for r in paper.picture_rates() if r.model == model]
    assert len(pictures) == 9
    assert recompute(row.avg_cer, [p.cer for p in pictures]).is_same
    assert recompute(row.avg_wer, [p.wer for p in pictures]).is_same


def test_the_lengths_of_table_10_are_words() -> None:
    # A word error rate times the words of its reference is a whole number.
    for row in paper.picture_rates():
        errors = row.wer * row.reference_len
        rounding = 0.00005 * row.reference_len
        assert errors == pytest.approx(round(errors), abs=rounding), row


@pytest.mark.parametrize("model", [OUR_MODEL, f"{OUR_MODEL}-moe"])
def test_table_3_is_the_mean_of_table_7(model: str) -> None:
    (means,) = (row for row in paper.similarity_means() if row.model == model)
    speakers = [s for s in paper.speaker_similarities() if s.model == model]
    splits = {
        split: [s.similarity for s in speakers if s.split == split]
        for split in ("seen", "unseen")
    }
    assert [len(values) for values in splits.values()] == [5, 7]
    everyone = [s.similarity for s in speakers]
    found = {
        "seen": recompute(means.seen, splits["seen"]),
        "unseen": recompute(means.unseen, splits["unseen"]),
        "overall": recompute(means.overall, everyone),
    }
    assert all(part.is_within_rounding for part in found.values())
    different = [name for name, part in found.items() if not part.is_same]
    assert different == (["seen"] if model == OUR_MODEL else [])


@pytest.mark.parametrize("metric", ["cer", "wer"])
@pytest.mark.parametrize("model", ["Mini-Omni", "Mini-Omni2", OUR_MODEL])
def test_table_8_has_the_answers_of_table_9(model: str, metric: str) -> None:
    buckets = [bucket for bucket in paper.bucket_rates() if bucket.model == model]
    assert sum(bucket.n for bucket in buckets) == 20
    total = sum(bucket.n * getattr(bucket, metric) for bucket in buckets)
    mean = mean_rate(paper.question_rates(), model, metric)
    assert total / 20 == pytest.approx(mean, abs=0.0001)


def test_every_bucket_tells_which_questions_are_in_it() -> None:
    rows = paper.question_rates()
    found = {}
    for bucket in paper.bucket_rates():
        (chosen,) = members(bucket, rows)
        found[bucket.model, bucket.bucket.split()[0]] = [row.id for row in chosen]
    assert found == {
        ("Mini-Omni", "short"): [7, 9],
        ("Mini-Omni2", "short"): [4, 7, 9, 15],
        (OUR_MODEL, "short"): [13],
        ("Mini-Omni", "mid"): [18],
        ("Mini-Omni2", "mid"): [18],
        (OUR_MODEL, "mid"): [4, 11, 15],
        (OUR_MODEL, "long"): [18],
    }


def test_one_question_carries_the_mean_and_the_claim_about_length() -> None:
    rows = paper.question_rates()
    means = leave_one_out(rows, OUR_MODEL)
    assert len(means) == 20
    assert min(means, key=means.get) == SPEED_OF_LIGHT
    assert round(means[SPEED_OF_LIGHT], 4) == 0.0273
    assert all(value > 0.07 for n, value in means.items() if n != SPEED_OF_LIGHT)
    short, mid, long = (b for b in paper.bucket_rates() if b.model == OUR_MODEL)
    (light,) = (r for r in rows if r.model == OUR_MODEL and r.id == SPEED_OF_LIGHT)
    assert short.cer < mid.cer > long.cer
    without = bucket_without(mid, light)
    assert round(without, 4) == 0.005
    assert without < long.cer < short.cer


def test_a_mean_that_rounding_cannot_explain_is_told_apart() -> None:
    assert recompute(0.25, [0.2, 0.3]).is_same
    close = recompute(0.25, [0.2, 0.3002])
    assert not close.is_same
    assert close.is_within_rounding
    assert not recompute(0.25, [0.2, 0.3003]).is_within_rounding


def test_a_rate_tells_its_fraction() -> None:
    assert possible_counts(1.471, range(16, 31)) == [(25, 17)]
    assert (1, 3) in possible_counts(0.333, range(1, 10))
    assert (1, 2) not in possible_counts(0.333, range(1, 10))


def test_the_other_tables_are_read_with_their_types() -> None:
    widths = paper.talker_widths()
    assert [w.talker_hidden for w in widths if w.variant == "dense"] == [768, 512, 384]
    assert widths[0].avg_cer == 0.0897
    decoupled = [r for r in paper.ranks() if r.sweep == "decoupled"]
    assert [r.adapter_params_m for r in decoupled] == [None, None]


def test_a_missing_table_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paper, "PAPER_FOLDER", tmp_path)
    with pytest.raises(UserError, match=r"table8_length_buckets\.csv is missing"):
        paper.bucket_rates()
