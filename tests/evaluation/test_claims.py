"""Claims are judged by the tables alone, and by the rule that is written down."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from minimind_o import cli
from minimind_o.ablations.__main__ import load
from minimind_o.ablations.table import add_row
from minimind_o.errors import UserError
from minimind_o.evaluation import claims_report
from minimind_o.evaluation.claims import (
    CLAIMS_FILE,
    DERIVED,
    Check,
    Claim,
    Term,
    covered,
    judge,
    measure,
    read_claims,
)
from minimind_o.evaluation.counted import COUNTS
from minimind_o.evaluation.paper import PAPER_FOLDER
from minimind_o.evaluation.statistics import student_mean

STEPS = load("delay").steps
NOISE = (0.3, -0.1, 0.05)
"""What a seed does to all settings alike."""


def write(results: Path, **losses: tuple[float, ...]) -> None:
    """The table of `delay`: settings, and the audio loss of each seed."""
    write_rows(results, "delay", {k: {"audio_loss": v} for k, v in losses.items()})


def write_rows(results: Path, name: str, settings: dict, steps: int = STEPS) -> None:
    for setting, measures in settings.items():
        lengths = {len(values) for values in measures.values()}
        for seed in range(lengths.pop()):
            own = {key: values[seed] for key, values in measures.items()}
            row = {"experiment": name, "setting": setting, "seed": seed, "steps": steps}
            add_row(results / f"{name}.parquet", row | own)


def claim(*checks: Check, **fields: object) -> Claim:
    about = {"id": "x", "topic": "t", "place": "p", "what": "w", "paper": "0.1"}
    return Claim(checks=checks, **{**about, **fields})


def slower(above: float = 0.0, first: str = "at_once") -> Check:
    """The loss of a setting minus that of the staggered one."""
    terms = ((first, 1.0), ("staggered", -1.0))
    return Check(
        what="difference",
        table="delay",
        terms=tuple(
            Term(setting=setting, measure="audio_loss", weight=weight)
            for setting, weight in terms
        ),
        above=above,
    )


@pytest.mark.parametrize(
    ("differences", "verdict"),
    [
        ((0.30, 0.31, 0.32), "reproduced"),
        ((0.30, 0.02, 0.10), "partly"),
        ((0.10, -0.20, -0.01), "not"),
        ((-0.30, -0.31, -0.32), "not"),
        ((0.30, 0.31), "not run yet"),
    ],
)
def test_a_verdict_follows_mean_and_interval(tmp_path, differences, verdict) -> None:
    staggered = tuple(2.0 + noise for noise in NOISE[: len(differences)])
    at_once = tuple(a + b for a, b in zip(staggered, differences, strict=True))
    write(tmp_path, staggered=staggered, at_once=at_once)
    (judged,) = judge([claim(slower())], tmp_path)
    assert judged.verdict == verdict
    (finding,) = judged.findings
    if verdict == "not run yet":
        assert finding.estimate is None
        assert "delay --only at_once staggered" in claims_report.shown(finding)
    else:
        assert finding.estimate is not None
        assert finding.estimate.value == pytest.approx(np.mean(differences))
        assert finding.estimate.n == 3
        # Without the pairing, what the seeds do to both would hide all but the largest.
        assert finding.estimate.high - finding.estimate.low < 3


def test_checks_together_are_right_only_where_all_are(tmp_path) -> None:
    write(tmp_path, staggered=(2.0, 2.1, 1.9), at_once=(3.0, 3.1, 2.9),
          two_steps=(1.0, 1.1, 0.9))  # fmt: skip
    right, wrong = slower(), slower(first="two_steps")
    cases = (([right], "reproduced"), ([right, right], "reproduced"),
             ([right, wrong], "partly"), ([wrong, wrong], "not"))  # fmt: skip
    for checks, verdict in cases:
        assert judge([claim(*checks)], tmp_path)[0].verdict == verdict
    missing = Check(
        what="m", table="stages", above=0.0,
        terms=(Term(setting="with", measure="right_spoken", weight=1.0),),
    )  # fmt: skip
    assert judge([claim(right, missing)], tmp_path)[0].verdict == "not run yet"


def test_rehearsals_of_a_few_steps_judge_nothing(tmp_path) -> None:
    losses = {
        "at_once": {"audio_loss": (3.0,) * 3},
        "staggered": {"audio_loss": (2.0, 2.1, 2.2)},
    }
    write_rows(tmp_path, "delay", losses, steps=2)
    assert judge([claim(slower())], tmp_path)[0].verdict == "not run yet"
    write_rows(tmp_path, "delay", losses)
    assert judge([claim(slower())], tmp_path)[0].verdict == "reproduced"


def test_a_seed_counts_where_all_settings_have_it(tmp_path) -> None:
    write(tmp_path, staggered=(2.0, 2.0, 2.0, 9.0), at_once=(3.0, 3.1, 3.2))
    (judged,) = judge([claim(slower())], tmp_path)
    estimate = judged.findings[0].estimate
    assert estimate is not None
    assert (estimate.n, round(estimate.value, 6)) == (3, 1.1)


def test_what_lies_between_two_bounds_touches_neither(tmp_path) -> None:
    check = Check(what="w", count="bridge_layer", above=2, below=4)
    assert check.wanted == "> 2, < 4"
    assert [check.holds(v) for v in (2, 3, 4)] == [False, True, False]
    reason = {"reason": "counted"}
    assert judge([claim(check, **reason)], tmp_path)[0].verdict == "reproduced"
    other = Check(what="w", count="bridge_layer", equals=4)
    assert judge([claim(other, **reason)], tmp_path)[0].verdict == "not"
    rows = judge([claim(check, other, of_rows=True, **reason)], tmp_path)[0]
    assert rows.verdict == "rows disagree"
    assert judge([claim(**reason)], tmp_path)[0].verdict == "not here"


def test_the_interval_over_seeds_is_students() -> None:
    values = [0.2, 0.5, 0.45]
    low, high = ttest_1samp(values, 0).confidence_interval(0.95)
    found = student_mean(values)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert (found.value, found.n) == (pytest.approx(np.mean(values)), 3)
    with pytest.raises(ValueError, match="two values"):
        student_mean([0.2])


def test_measures_are_numbers_means_items_or_derived() -> None:
    row = {
        "experiment": "voice_condition",
        "cer": 0.5,
        "cer_long": None,
        "curve_audio_loss": [4.0, 3.0, 1.0],
        "voice": ["ada", "ben", "ada", "ben"],
        "voice_similarity": [0.8, 0.1, 0.6, 0.3],
        "reference_similarity": [0.9, 0.5, 0.9, 0.5],
        "cer_errors": [0, 4, 1, 8],
        "cer_lengths": [10, 10, 10, 10],
    }
    assert measure(row, "cer") == 0.5
    assert math.isnan(measure(row, "cer_long"))
    assert measure(row, "curve_audio_loss[0]") == 4.0
    assert measure(row, "curve_audio_loss[-1]") == 1.0
    assert measure(row, "voice_similarity") == pytest.approx(0.45)
    assert measure(row, "best_voice") == pytest.approx(0.7)
    assert measure(row, "clear_minus_unclear") == pytest.approx(0.7 - 0.2)
    assert measure(row, "reference_correlation") == pytest.approx(1)
    assert math.isnan(measure(row | {"cer_errors": [1] * 4}, "clear_minus_unclear"))
    same = row | {"reference_similarity": [0.5] * 4}
    assert math.isnan(measure(same, "reference_correlation"))
    with pytest.raises(UserError, match="voice_condition has no measure 'wer'"):
        measure(row, "wer")


def test_the_list_goes_through_the_paper_from_section_3_to_7() -> None:
    claims = read_claims()
    assert len({one.id for one in claims}) == len(claims) > 50
    named: dict[str, set[int]] = {"section": set(), "table": set(), "figure": set()}
    for one in claims:
        for kind, numbers in re.findall(r"(\w+?)s? ([\d., and]+)", one.place):
            if kind in named:
                found = re.findall(r"\d+(?:\.\d)?", numbers)
                named[kind] |= {int(float(number)) for number in found}
    assert named["section"] >= {3, 4, 5, 6, 7}
    assert named["table"] == set(range(1, 11))
    assert named["figure"] == set(range(3, 12))  # 1 and 2 are drawings of the model
    assert sum("abstract" in one.place for one in claims) >= 8


def test_every_figure_of_the_paper_is_in_its_tables() -> None:
    tables = " ".join(path.read_text() for path in PAPER_FOLDER.glob("*.csv"))
    known = {float(n) for n in re.findall(r"\d+\.\d+", tables)}
    for one in read_claims():
        for printed in re.findall(r"(?<![\d,])\d+\.\d{2,}", one.paper):
            if one.id != "size":  # the release's own count
                assert float(printed) in known, (one.id, printed)


def test_every_count_is_used_and_says_what_chapter_11_says() -> None:
    used = {check.count for one in read_claims() for check in one.checks}
    assert used - {""} == set(COUNTS)
    counted = {
        item.claim.id: item.verdict
        for item in judge([c for c in read_claims() if c.reason], Path("nowhere"))
    }
    assert counted["medium_gap"] == "rows disagree"
    assert counted["zero_questions"] == counted["three_models"] == "rows agree"
    assert counted["modules"] == counted["adapter_sizes"] == "reproduced"
    assert counted["delays"] == counted["conditions_not_learned"] == "reproduced"
    assert counted["names"] == "not here"
    assert "not" not in counted.values()
    assert COUNTS["medium_gap"]() > 0.1 > 0 > COUNTS["medium_gap_without_outlier"]()


def every_row(results: Path, shift: float = 0.0) -> None:
    """Three seeds of every setting that a claim is judged by."""
    wanted: dict[str, dict[str, set[str]]] = {}
    for one in read_claims():
        for check in one.checks:
            for term in check.terms:
                own = wanted.setdefault(check.table, {}).setdefault(term.setting, set())
                own.add(term.measure)
    for name, settings in wanted.items():
        rows = {}
        for place, (setting, measures) in enumerate(sorted(settings.items())):
            values: dict[str, list] = {}
            for full in measures:
                if full not in DERIVED:
                    plain, _, index = full.partition("[")
                    number = [0.5 + 0.1 * place + shift + n for n in NOISE]
                    values[plain] = [[n] * 8 for n in number] if index else number
            values["voice"] = [["ada", "ben"]] * 3
            values["voice_similarity"] = [[0.5, 0.6]] * 3
            values["reference_similarity"] = [[0.5, 0.6]] * 3
            values["cer_errors"] = [[0, 1]] * 3
            values["cer_lengths"] = [[2, 2]] * 3
            rows[setting] = values
        write_rows(results, name, rows)


def test_all_is_covered_once_all_is_run_and_the_figure_says_so(tmp_path) -> None:
    file = tmp_path / "figures.json"
    empty = judge(read_claims(), tmp_path / "none")
    assert 0 < covered(empty) < 1
    assert "not run yet" in claims_report.run(
        tmp_path / "none", record=True, figures_file=file
    )
    (entry,) = json.loads(file.read_text())
    assert entry["name"] == "paper_claims_covered"
    assert entry["figure"] == pytest.approx(covered(empty), rel=1e-3)
    assert "not run yet" in entry["note"]

    every_row(tmp_path / "results")
    done = judge(read_claims(), tmp_path / "results")
    assert covered(done) == 1
    by_seeds = [item for item in done if not item.claim.reason]
    assert {item.verdict for item in by_seeds} == {"reproduced", "partly", "not"}
    assert claims_report.commands(done) == []
    claims_report.run(tmp_path / "results", record=True, figures_file=file)
    (entry,) = json.loads(file.read_text())
    assert entry["figure"] == 1.0


def test_a_page_has_a_row_a_claim_with_its_figures(tmp_path) -> None:
    write(tmp_path, staggered=(2.0, 2.1, 1.9), at_once=(3.0, 3.2, 2.9))
    judged = judge([claim(slower()), claim(reason="no | seed")], tmp_path)
    _, _, first, second = claims_report.markdown(judged).splitlines()
    assert first.count("|") == 6
    assert "1.033 [0.890, 1.177], 3 seeds, wanted > 0" in first
    assert first.endswith("**reproduced** |")
    assert "no \\| seed" in second
    brief = claims_report.markdown(judged, brief=True).splitlines()
    assert "| 1.033 [0.890, 1.177], 3 seeds, wanted > 0 | **reproduced**" in brief[2]
    assert brief[3].endswith("| no \\| seed | **not here** |")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[claim]]\nid = 'a'\n", "'a' has neither a check nor a reason"),
        ("[[claim]]\nid = 'a'\nreason = 'r'\n", "'a'.*missing"),
        ("[[claim]]\nid = 'a'\n[[claim.check]]\nwhat = 'w'\ncount = 'bridge_layer'\n",
         "needs 'what', a bound"),
        ("[[claim]]\nid = 'a'\n[[claim.check]]\nwhat = 'w'\ncount = 'x'\nabove = 1\n",
         "counts an unknown 'x'"),
        ("[[claim]]\nid = 'a'\n[[claim.check]]\nwhat = 'w'\ntable = 'delay'\n"
         "above = 0\nterms = { 'no.cer' = 1 }\n", "has no setting 'no'"),
        ("[[claim]]\nid = 'a'\n[[claim.check]]\nwhat = 'w'\ncount = 'bridge_layer'\n"
         "above = 0\n", "gives no reason"),
        ("[[claim", "cannot be read"),
    ],
)  # fmt: skip
def test_a_list_that_cannot_be_judged_is_one_sentence(tmp_path, text, message) -> None:
    path = tmp_path / "claims.toml"
    path.write_text(text.replace("'no.cer'", '"no.cer"'))
    with pytest.raises(UserError, match=message):
        read_claims(path)


def test_the_command_prints_verdicts_and_what_is_to_be_run(tmp_path, capsys) -> None:
    assert CLAIMS_FILE.is_file()
    assert cli.main(["claims", "--results", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "claims; " in shown
    assert "python -m minimind_o.ablations talker_rank --only" in shown
