"""Notebooks show a whole table or say in a line what is missing and how to make it."""

import pytest

from minimind_o import ablation_plots
from minimind_o.ablations import again
from minimind_o.ablations.live import begin_run
from minimind_o.ablations.measures import coded_clips
from minimind_o.ablations.runs import measure, runs_of, world_files
from minimind_o.ablations.stored import Note, Stored, stored
from minimind_o.ablations.table import add_row
from minimind_o.ablations.training import train
from minimind_o.assets import Assets
from minimind_o.errors import UserError
from minimind_o.generation.batch import BatchAnswer
from minimind_o.nano.answers import codec_name
from minimind_o.plots import Picture
from minimind_o.widgets.ab_listener import ABListener
from tests.ablations import tiny
from tests.test_ablation_plots import every_row


def write(folder, seeds=(0, 1), **measures) -> None:
    for seed in seeds:
        for row in every_row("delay", seed):
            row |= {"steps": 200, **measures}
            add_row(folder / "delay.parquet", row)


def test_an_absent_table_is_one_line_with_the_command(tmp_path) -> None:
    table = stored("delay", tmp_path)
    for shown in (
        table,
        table.draw(ablation_plots.training),
        table.judge(len),
        table.listen(("at_once",), Assets.find()),
        table.compare_blind("at_once", "staggered", Assets.find()),
        table.compare_blind("at_once", "staggered", Assets.find()).twin(),
    ):
        assert repr(shown) == (
            "delay: 0 of 9 runs are stored; to make the others: python -m "
            "minimind_o.ablations delay"
        )


def test_a_table_with_runs_missing_is_not_drawn(tmp_path) -> None:
    write(tmp_path, seeds=(0, 1))
    table = stored("delay", tmp_path)
    assert "delay: 6 of 9 runs are stored" in repr(table)
    assert isinstance(table.draw(ablation_plots.training), Note)
    assert table.row("staggered", 1)["setting"] == "staggered"
    assert table.row("staggered", 2) is None


def test_a_whole_table_is_drawn_and_judged(tmp_path) -> None:
    write(tmp_path)
    table = stored("delay", tmp_path, seeds=(0, 1))
    assert repr(table).endswith("delay.parquet: 3 settings, seeds 0, 1, 200 steps.")
    assert isinstance(table.draw(ablation_plots.training), Picture)
    assert table.judge(len) == 6


def test_shorter_runs_make_no_table_whole(tmp_path) -> None:
    write(tmp_path, seeds=(0,), steps=2)
    assert "0 of 3 runs" in repr(stored("delay", tmp_path, seeds=(0,)))


def test_a_curve_is_read_where_it_noted_the_step(tmp_path) -> None:
    write(tmp_path)
    table = stored("delay", tmp_path)
    assert table.at_step("audio_loss", "staggered", 1, 10) == 4.0
    assert table.at_step("audio_loss", "staggered", 1, 11) is None
    assert table.at_step("audio_loss", "staggered", 2, 10) is None


def test_an_unknown_experiment_is_refused(tmp_path) -> None:
    for name in ("nothing", "table"):
        with pytest.raises(UserError, match="there is no experiment"):
            stored(name, tmp_path)


def answer(text: str, frames: int):
    import numpy as np

    codes = np.arange(8)[:, None] + 10 * np.arange(frames)
    return BatchAnswer(text=text, codes_QF=codes, is_finished=True)


def test_clips_are_a_few_of_the_answers_frame_by_frame() -> None:
    found = coded_clips([answer(str(n), 2) for n in range(9)])
    assert found["clip_texts"] == ["0", "2", "4", "6"]
    assert found["clip_codes"][0] == [*range(8), *range(10, 18)]
    assert coded_clips([answer("a", 0)], name="phrase")["phrase_codes"] == [[]]


def test_clips_are_heard_where_all_settings_said_the_text(tmp_path) -> None:
    assets = Assets.find()
    write(
        tmp_path,
        codec=codec_name(assets.mimi),
        **coded_clips([answer("One.", 3), answer("Two.", 0)]),
    )
    table = stored("delay", tmp_path, seeds=(0, 1))
    player = table.listen(("staggered", "at_once"), assets)
    assert list(player.clips) == [
        "a step each (released): One.",
        "all 8 at once: One.",
    ]
    assert all(len(wave) == 3 * 1920 for wave in player.clips.values())
    pair = table.compare_blind("staggered", "at_once", assets)
    assert isinstance(pair, ABListener)
    assert pair.trials == 2


@pytest.mark.parametrize(
    ("measures", "words"),
    [
        ({}, "holds no clips"),
        ({"codec": "mimi_other", **coded_clips([answer("One.", 1)])}, "another codec"),
        (coded_clips([answer("One.", 0)]), "no text was said by all"),
    ],
)
def test_what_cannot_be_heard_is_said(tmp_path, measures, words) -> None:
    assets = Assets.find()
    write(tmp_path, **{"codec": codec_name(assets.mimi), **measures})
    table = stored("delay", tmp_path, seeds=(0, 1))
    assert words in repr(table.listen(("staggered", "at_once"), assets))


def test_a_begun_run_is_the_beginning_of_the_stored_one(
    bench, tmp_path, monkeypatch
) -> None:
    experiment = tiny.experiment()
    (run,) = runs_of(experiment, (0,), only=("rank_2",))
    row = measure(run, bench, None)
    assert row["codec"] == codec_name(bench.assets.mimi)
    table = Stored(experiment=experiment, rows=[row], num_wanted=3)
    begun = begin_run(table, "rank_2", bench=bench)
    assert (begun.step, begun.num_steps) == (1, tiny.STEPS)
    assert begun.here == begun.stored == row["curve_audio_loss"][0]
    assert f"step 1 of 2: audio loss {begun.here:.3f} here" in repr(begun)
    other = begin_run(table, "rank_4", bench=bench)
    assert other.stored is None
    assert "stored: not there yet" in repr(other)
    assert "data/nano" not in repr(other)
    monkeypatch.setattr(again, "changed_since", lambda commit, *paths: True)
    begun = begin_run(table, "rank_2", bench=bench)
    assert f"commit {row['commit']}, and data/nano has changed since" in repr(begun)


def test_until_leaves_the_schedule_alone_and_stops(bench) -> None:
    experiment = tiny.experiment()
    setting = experiment.settings[0]
    files = world_files(experiment, bench)
    _, curves = train(experiment, setting, 0, 4, bench, files, until=2)
    _, whole = train(experiment, setting, 0, 4, bench, files)
    _, short = train(experiment, setting, 0, 2, bench, files)
    assert curves["curve_step"] == [1, 2]
    assert curves["curve_audio_loss"] == whole["curve_audio_loss"][:2]
    assert curves["curve_audio_loss"] != short["curve_audio_loss"]
