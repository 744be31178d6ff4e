"""What was measured is kept, judged against its bar, and shown in the README."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from minimind_o import figures
from minimind_o.errors import UserError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "results" / "figures.json"


def test_record_has_the_nine_fields_and_its_bar(file):
    entry = figures.record("ttfa_text_ms", 123.456, command="bench", path=file)
    assert json.loads(file.read_text()) == [entry]
    assert list(entry) == list(figures.FIELDS)
    assert entry["figure"] == 123.5
    assert (entry["unit"], entry["target"]) == ("ms", "<= 200")
    assert entry["machine"]
    assert entry["commit"]


def test_a_new_record_replaces_only_its_own_name(file):
    figures.record("rtf_generate", 0.4, command="a", path=file)
    figures.record("codec_wer_gap", 0.01, command="b", path=file)
    figures.record("rtf_generate", 0.2, command="c", path=file)
    records = figures.load(file)
    assert [(one["name"], one["figure"]) for one in records] == [
        ("codec_wer_gap", 0.01),
        ("rtf_generate", 0.2),
    ]


def test_a_missing_figure_needs_a_reason(file):
    with pytest.raises(UserError, match="note must say why"):
        figures.record("rtf_generate", None, command="a", path=file)
    figures.record("rtf_generate", None, command="a", note="no time", path=file)
    assert "not measured" in figures.table(file)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_figure_is_a_finite_number(file, value):
    with pytest.raises(UserError, match="finite"):
        figures.record("rtf_generate", value, command="a", path=file)
    assert not file.exists()


def test_an_unknown_name_is_refused_with_the_known_ones(file):
    with pytest.raises(UserError, match=r"'speed'.*rtf_generate"):
        figures.record("speed", 1.0, command="a", path=file)


def test_a_damaged_file_is_named_and_left_alone(file):
    file.parent.mkdir()
    file.write_text("[{")
    with pytest.raises(UserError, match=r"figures\.json is not valid JSON"):
        figures.record("rtf_generate", 0.2, command="a", path=file)
    assert file.read_text() == "[{"


def test_the_table_judges_both_kinds_of_bar(file):
    figures.record("answers_right_t2a", 0.89, command="a", path=file)
    figures.record("consistency_cer_t2a_seen", 0.05, command="a", path=file)
    lines = {line.split("`")[1]: line for line in figures.table(file).splitlines()[2:]}
    assert set(lines) == {bar.name for bar in figures.BARS}
    assert lines["answers_right_t2a"].split("|")[-2].strip() == "**no**"
    assert lines["consistency_cer_t2a_seen"].split("|")[-2].strip() == "yes"
    assert lines["rtf_generate"].split("|")[-2].strip() == "-"


def test_the_readme_table_is_made_between_the_markers(file):
    figures.record("rtf_generate", 0.2, command="bench", note="60 answers", path=file)
    readme = f"before\n{figures.README_START}\nold\n{figures.README_END}\nafter\n"
    written = figures.readme_with_table(readme, file)
    assert written.startswith("before\n")
    assert written.endswith("after\n")
    assert "old" not in written
    assert "60 answers" in written
    assert figures.readme_with_table(written, file) == written
    with pytest.raises(UserError, match="needs the lines"):
        figures.readme_with_table("no markers", file)


def test_the_committed_readme_is_in_step_with_the_committed_figures():
    readme = figures.README_FILE.read_text(encoding="utf-8")
    assert figures.readme_with_table(readme) == readme, (
        "run `minimind-o figures --write-readme`"
    )


def test_the_committed_figures_carry_the_declared_bars():
    for entry in figures.load():
        declared = figures.bar(entry["name"])
        assert (entry["unit"], entry["target"]) == (declared.unit, declared.target)
        assert entry["figure"] is not None or entry["note"]


def test_what_is_only_shown_is_not_judged(file):
    figures.record("voice_similarity_seen_moe", 0.1, command="a", path=file)
    lines = {line.split("`")[1]: line for line in figures.table(file).splitlines()[2:]}
    cells = [c.strip() for c in lines["voice_similarity_seen_moe"].split("|")]
    assert cells[-3:-1] == ["shown", "-"]
    dense = figures.bar("voice_similarity_seen")
    shown = figures.bar("voice_similarity_seen_moe")
    assert not dense.passes(0.1)
    assert shown.passes(0.1)


@pytest.fixture
def git(tmp_path, monkeypatch):
    """Runs git in the folder that stands for the repository."""

    def run(*arguments):
        name = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        subprocess.run(["git", *name, *arguments], cwd=tmp_path, check=True)

    monkeypatch.setattr(figures, "REPOSITORY", tmp_path)
    return run


def test_assets_that_changed_since_a_commit_are_told(tmp_path, git):
    assert not figures.changed_since("1234567", "data")  # no checkout
    git("init", "-q")
    for name in ("data", "code"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("1")
    git("add", ".")
    git("commit", "-qm", "first")
    first = figures.current_commit()
    (tmp_path / "code" / "file").write_text("2")
    git("commit", "-qam", "second")
    assert not figures.changed_since(first, "data")
    assert figures.changed_since(f"{first}-dirty", "code")
    assert not figures.changed_since(first, "code", ":(exclude)code")
    assert not figures.changed_since("1234567", "code")  # a commit of elsewhere


def test_only_what_is_measured_makes_a_commit_dirty(tmp_path, git):
    assert figures.current_commit() == "unknown"
    git("init", "-q")
    table = tmp_path / "data" / "results" / "figures.json"
    table.parent.mkdir(parents=True)
    for path in (table, tmp_path / "LOG.md", tmp_path / "model.py"):
        path.write_text("1")
    git("add", ".")
    git("commit", "-qm", "first")
    clean = figures.current_commit()
    assert re.fullmatch("[0-9a-f]{7,}", clean)
    table.write_text("2")
    (tmp_path / "LOG.md").write_text("2")
    (tmp_path / "new.txt").write_text("untracked")
    assert figures.current_commit() == clean
    (tmp_path / "model.py").write_text("2")
    assert figures.current_commit() == f"{clean}-dirty"
