"""A table that does not bear out its claim is told what it lacks."""

import base64
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile

from minimind_o.ablations.experiment import Experiment, Prediction, Setting
from minimind_o.ablations.review import (
    differences,
    main,
    review,
    review_text,
    verdict_of,
)
from minimind_o.ablations.review_page import write_page
from minimind_o.assets import Assets
from minimind_o.errors import UserError
from minimind_o.evaluation.statistics import Estimate, student_mean
from minimind_o.nano.answers import codec_name
from tests.ablations import tiny

ASSETS = Assets.find()
PREDICTION = Prediction(
    measure="audio_loss", setting="new", baseline="old", direction="lower", margin=0.01
)
EXPERIMENT: Experiment = replace(
    tiny.experiment(name="mine", prediction=PREDICTION),
    settings=(Setting(name="old", what="old"), Setting(name="new", what="new")),
    version="v1",
)
OLD, NEW = (2.0, 2.1, 2.2), (1.8, 1.85, 2.0)


def row(setting: str, seed: int, loss: float, **changes: object) -> dict:
    rank = {"old": 4, "new": 8}[setting]
    fields = {
        "setting": setting,
        "seed": seed,
        "steps": 20,
        "what": f"the <{setting}>",
        "audio_loss": loss,
        "config": json.dumps({"talker_head_rank": rank, "hidden_size": 32}),
        "recipe": json.dumps({"recipe": {"seed": seed, "learning_rate": 0.003}}),
        "definition": "v1",
        "prediction": str(PREDICTION),
        "clip_texts": ["a <b>"],
        "clip_codes": [[3] * 16],
        "codec": codec_name(ASSETS.mimi),
        "minutes": 1.0,
        "command": "python -m minimind_o.ablations mine.py",
    }
    return {**fields, **changes}


def table(old=OLD, new=NEW, **changes: object) -> list[dict]:
    pairs = (("old", old), ("new", new))
    return [
        row(name, seed, loss, **changes)
        for name, losses in pairs
        for seed, loss in enumerate(losses)
    ]


def unmet(rows: list[dict], verdict: str = "lower") -> dict[str, str]:
    checks = review(EXPERIMENT, rows, verdict)  # type: ignore[arg-type]
    return {one.name: one.said for one in checks if not one.is_met}


def test_a_whole_table_and_a_true_verdict_lack_nothing() -> None:
    assert unmet(table()) == {}
    text = review_text(review(EXPERIMENT, table(), "lower"))
    assert "talker_head_rank: 4 -> 8" in text
    assert "lower, as predicted" in text


def test_the_interval_is_students_of_the_differences() -> None:
    found = differences(table(), PREDICTION)
    assert found == pytest.approx([-0.2, -0.25, -0.2])
    interval = student_mean(found)
    # Mean -0.21667, standard error 0.016667, t(0.975, 2) = 4.30265.
    assert interval.value == pytest.approx(-0.216667, abs=1e-5)
    assert interval.low == pytest.approx(-0.288378, abs=1e-5)
    assert interval.high == pytest.approx(-0.144956, abs=1e-5)
    with pytest.raises(ValueError, match="two seeds"):
        student_mean([0.1])


def test_a_wrong_prediction_is_no_fault() -> None:
    text = review_text(review(EXPERIMENT, table(NEW, OLD), "higher"))
    assert "not yet" not in text
    assert "higher, where lower was predicted" in text


@pytest.mark.parametrize(
    ("rows", "name", "said"),
    [
        (table(OLD[:2], NEW[:2]), "the same seeds", "3 or more are needed"),
        (table(OLD, NEW[:2]), "the same seeds", "2 of one only"),
        (table(OLD, ()), "a baseline of as many steps", "no row of new"),
        ([], "a baseline of as many steps", "no row of old nor of new"),
        (
            [*table(OLD, ()), *table((), NEW, steps=9)],
            "a baseline of as many steps",
            "no row of new has as many steps",
        ),
        (table(prediction=None), "a prediction before the runs", "(none)"),
        (table(prediction="other"), "a prediction before the runs", "(other)"),
        (table(definition="v0"), "one experiment", "changed since"),
        (table(config="{}"), "what was swapped", "new is set up as old is"),
        (table(audio_loss=float("nan")), "the measure", "old, seed 0, has no"),
        (table(clip_codes=None), "something to hear", "has no clips"),
    ],
)
def test_what_is_lacking_is_named(rows, name, said) -> None:
    assert said in unmet(rows)[name]


def test_a_row_set_up_otherwise_is_found() -> None:
    rows = table()
    rows[-1]["recipe"] = json.dumps({"recipe": {"seed": 2, "learning_rate": 0.1}})
    assert "not the same for every seed" in unmet(rows)["what was swapped"]


@pytest.mark.parametrize("verdict", ["higher", "same", "undecided"])
def test_a_verdict_that_the_interval_does_not_bear_out_is_refused(verdict) -> None:
    said = unmet(table(), verdict)["a verdict from the interval"]
    assert f"lower, and not {verdict}" in said


@pytest.mark.parametrize(
    ("low", "high", "margin", "expected"),
    [
        (0.1, 0.2, 0.0, "higher"),
        (-0.2, -0.1, 0.0, "lower"),
        (-0.1, 0.2, 0.05, "undecided"),
        (-0.01, 0.01, 0.05, "same"),
        (0.001, 0.01, 0.05, "same"),
        (-0.01, 0.01, 0.0, "undecided"),
        (0.0, 0.0, 0.0, "undecided"),
    ],
)
def test_verdicts(low, high, margin, expected) -> None:
    interval = Estimate(value=(low + high) / 2, low=low, high=high, n=3)
    assert verdict_of(interval, margin) == expected


def test_mistakes_are_one_sentence() -> None:
    with pytest.raises(UserError, match="not 'better'"):
        review(EXPERIMENT, table(), "better")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="predicts nothing"):
        review(replace(EXPERIMENT, prediction=None), table(), "lower")


def test_a_page_has_the_clips_and_escapes_what_it_is_given(tmp_path: Path) -> None:
    path = tmp_path / "new" / "page.html"
    rows = table()
    rows[0] |= {"clip_texts": ["a <b>", "c"], "clip_codes": [[3] * 16, []]}
    rows[1] |= {"codec": "mimi_other"}
    write_page(EXPERIMENT, rows, review(EXPERIMENT, rows, "lower"), path, ASSETS)
    text = path.read_text()
    players = re.findall('src="data:audio/flac;base64,([^"]+)"', text)
    assert len(players) == 5
    wave_N, rate = soundfile.read(io.BytesIO(base64.b64decode(players[0])))
    assert len(wave_N) / rate == pytest.approx(2 * 0.08)
    assert text.count("(silent) c") == 1
    assert "Made with another codec, mimi_other." in text
    assert "the &lt;new&gt;" in text
    assert "<new>" not in text
    assert "2.1000" in text
    with pytest.raises(UserError, match="cannot be written"):
        write_page(EXPERIMENT, rows, [], path / "below.html", ASSETS)


def test_the_command_says_what_is_lacking_and_returns_it(tmp_path, capsys) -> None:
    path = tmp_path / "own.py"
    path.write_text("from tests.ablations.test_review import EXPERIMENT\n")
    options = [str(path), "--verdict", "lower", "--results", str(tmp_path)]
    assert main(options) == 1
    assert "not yet  the same seeds: seeds none of both" in capsys.readouterr().out
    assert main([str(tmp_path / "no.py"), "--verdict", "lower"]) == 2
    assert "cannot be read" in capsys.readouterr().err
