"""The ablations' figures show the numbers of their tables, and where these are from."""

import json
from pathlib import Path

import numpy as np
import pytest

from minimind_o import ablation_plots as plots
from minimind_o.ablations.__main__ import NAMES, load
from minimind_o.ablations.table import add_row
from minimind_o.errors import UserError

STEPS = [10, 20]


def row(experiment: str, setting: str, seed: int, **measures) -> dict:
    fields = {
        "experiment": experiment,
        "setting": setting,
        "what": setting.replace("_", " "),
        "place": 0,
        "seed": seed,
        "steps": 20,
        "commit": "abc1234",
        "command": f"python -m minimind_o.ablations {experiment} --only {setting}",
        "config": json.dumps({"num_experts": 2}),
        "curve_step": STEPS,
        "audio_loss": 2.0 + seed,
        "text_loss": 0.5,
        "cer": 0.25,
        "curve_audio_loss": [3.0 + seed, 2.0 + seed],
        "curve_text_loss": [1.0, 0.5],
        "codebook_accuracy": [0.5] * 8,
    }
    return {**fields, **measures}


def every_row(experiment: str, seed: int) -> list[dict]:
    """One row of every setting, with all that its figures need."""
    rows = []
    for place, setting in enumerate(load(experiment).settings):
        config = setting.config
        measures = {
            "embedding_rank": config.get("talker_embedding_rank"),
            "head_rank": config.get("talker_head_rank"),
            "adapter_parameters": 1000 * place,
            "bridge_layer": config.get("bridge_layer", 0),
            "voice": ["ada", "ben"] * 2,
            "voice_similarity": [0.1 * place, 0.2, 0.3, 0.4],
            "expert_use_text": [0.25, 0.75] * 3 if config.get("use_moe") else None,
            "expert_use_sound": [0.5, 0.5] * 3 if config.get("use_moe") else None,
            "frame_steps": place,
            "audio_loss_noisy": 3.0,
            **{f"cer_{length}": 0.1 * place for length in ("short", "mid", "long")},
            **{f"similarity_{split}": 0.2 * place for split in ("seen", "unseen")},
            **{f"text_loss_{k}": 1.0 for k in ("speech", "pictures", "written")},
            **{
                f"heteronym_{judge}": 0.5 + 0.05 * place
                for judge in (
                    "preferred_held_out", "heard_held_out", "heard_seen", "probe",
                )
            },
        }  # fmt: skip
        rows.append(row(experiment, setting.name, seed, place=place, **measures))
    return rows


def test_every_table_is_drawn_and_every_axis_has_its_unit(tmp_path: Path) -> None:
    for name in NAMES:
        for seed in (0, 1):
            for each in every_row(name, seed):
                add_row(tmp_path / "results" / f"{name}.parquet", each)
    written = plots.draw_all(tmp_path / "results", tmp_path / "figures")
    assert len(written) == sum(len(figures) for figures in plots.FIGURES.values())
    assert set(plots.FIGURES) == set(NAMES)
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in written)
    rows = [r for seed in (0, 1) for r in every_row("bridge_layer", seed)]
    labels = [axes.get_ylabel() for axes in plots.bridge(rows).axes]
    assert all("(%)" in label or "(nats)" in label for label in labels)


def test_a_line_is_the_mean_of_the_seeds_in_the_band_of_their_range() -> None:
    rows = [row("delay", "a", seed) for seed in (0, 1, 5)]
    (axes,) = plots.training(rows).axes
    (line,) = axes.lines
    np.testing.assert_allclose(line.get_xydata(), [[10, 5.0], [20, 4.0]])
    corners = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (corners.min(), corners.max()) == (2.0, 8.0)


def test_the_caption_names_table_command_and_commit() -> None:
    rows = [row("delay", "a", 0), row("delay", "a", 2, commit="def5678")]
    text = plots.training(rows).get_supxlabel()
    assert "data/results/delay.parquet" in text
    assert "python -m minimind_o.ablations delay" in text
    assert "seeds 0, 2" in text
    assert "abc1234, def5678" in text
    rows = [row("mine", "a", 0, command="python -m minimind_o.ablations mine.py -x")]
    text = plots.training(rows).get_supxlabel()
    assert "python -m minimind_o.ablations mine.py;" in text


def test_runs_of_fewer_steps_are_not_mixed_in() -> None:
    rows = [row("delay", "a", 0), row("delay", "b", 0, steps=5)]
    assert [r["setting"] for r in plots.longest_runs(rows)] == ["a"]
    with pytest.raises(UserError, match="the table has no rows"):
        plots.longest_runs([])


def test_experts_shares_fill_the_layer() -> None:
    figure = plots.experts(every_row("dense_moe", 0))
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    assert widths == pytest.approx([25] * 3 + [75] * 3)
    with pytest.raises(UserError, match="no row of the table has experts"):
        plots.experts([row("dense_moe", "dense", 0)])


def test_settings_stand_in_the_order_of_the_experiment() -> None:
    rows = sorted(every_row("stages", 0), key=lambda row: row["setting"])
    names = [setting.name for setting in load("stages").settings]
    assert list(plots.by_setting(rows)) == names != [r["setting"] for r in rows]


def test_a_setting_without_a_measure_leaves_a_gap_and_no_zero() -> None:
    rows = [row("talker_width", "width_128_warm", 0, cer_long=None)]
    assert np.isnan(plots.values(rows, "cer_long")).all()


def test_nothing_to_draw_is_said(tmp_path: Path, capsys) -> None:
    arguments = ["--results", str(tmp_path), "--out", str(tmp_path / "out")]
    assert plots.main(arguments) == 0
    assert "has no tables yet" in capsys.readouterr().out
    (tmp_path / "delay.parquet").write_bytes(b"broken")
    assert plots.main(arguments) == 2
    assert "cannot be read" in capsys.readouterr().err
