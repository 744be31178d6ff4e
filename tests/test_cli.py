"""The command line: one sentence and exit code 2 for what a user can mend."""

import shutil
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import torch

from minimind_o import cli, figures
from minimind_o.assets import FILES, NANO_ROOT
from minimind_o.data.speech import VOICES, render
from minimind_o.errors import UserError
from minimind_o.evaluation import run
from minimind_o.generation.voices import load_voice
from minimind_o.nano import command


def one_sentence(capsys) -> str:
    """What the command complained, checked to be one line without a traceback."""
    complaint = capsys.readouterr().err
    assert complaint.startswith("minimind-o: ")
    assert complaint.count("\n") == 1
    assert "Traceback" not in complaint
    return complaint


def say(*arguments: str) -> list[str]:
    return ["say", *arguments, "--assets", str(NANO_ROOT)]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (say("", "--out", "a.wav"), "empty"),
        (say("   ", "--out", "a.wav"), "empty"),
        (say("again " * 5000, "--out", "a.wav"), "context"),
        (say("What?", "--voice", "nobody", "--out", "a.wav"), "known voices: ada"),
        (say("What?", "--out", "a.mp3"), "must end in .wav"),
        (say("What?", "--out", "no/where/a.wav"), "does not exist"),
        (say("What?", "--temperature", "-1", "--out", "a.wav"), "temperature"),
        (["demo", "--voice", "nobody"], "known voices: ada"),
        (["voices", "--assets", "nowhere"], "nowhere does not exist"),
        (["data", "check", "nowhere.parquet"], "nowhere.parquet"),
        (["ask"], "nothing was asked"),
        (["ask", "--audio", "nowhere.wav"], "nowhere.wav does not exist"),
        (["ask", "--image", "nowhere.png"], "nowhere.png does not exist"),
        (["ask", "--mic", "2", "--audio", "a.wav"], "give one of them"),
        (["ask", "--mic", "600"], "600.0 s cannot be recorded"),
        (["voices", "add", "Ada Lovelace", "a.wav"], "cannot name a voice"),
        (["voices", "add", "ada", "a.wav"], "'ada' exists"),
        (["voices", "add", "zoe", "nowhere.wav"], "nowhere.wav does not exist"),
        (["voices", "remove", "nobody"], "'nobody' is unknown"),
        (["download", "--what", "everything"], "'everything' is none of model, moe"),
        (["assets", "--assets", "nowhere"], "nowhere does not exist"),
        (["data", "stats", "nowhere.parquet"], "nowhere.parquet is missing"),
        (["data", "build", "nowhere.csv", "a.parquet"], "nowhere.csv does not exist"),
        (["data", "build", "rows.txt", "a.parquet"], "must end in .csv or .jsonl"),
        (["data", "build", "rows.csv", "a.txt"], "must end in .parquet"),
        (["data", "regroup", "nowhere.parquet", "a.parquet"], "is missing"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else None,
)
def test_bad_input_is_told_in_one_sentence(
    arguments, complaint, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == 2
    assert complaint in one_sentence(capsys)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("asset", ["tokenizer", "mimi", "omni", "voices"])
def test_a_missing_asset_is_named(asset, tmp_path, capsys):
    root = tmp_path / "assets"
    root.mkdir()
    for name in FILES:
        if name != asset:
            (root / name).symlink_to(NANO_ROOT / name)
    command = ["say", "What?", "--assets", str(root), "--out", str(tmp_path / "a.wav")]
    assert cli.main(command) == 2
    complaint = one_sentence(capsys)
    assert str(root / asset) in complaint
    assert f"minimind-o nano {asset}" in complaint


def test_truncated_weights_are_named(tmp_path, capsys):
    for name in FILES:
        if name != "omni":
            (tmp_path / name).symlink_to(NANO_ROOT / name)
    (tmp_path / "omni").mkdir()
    for name in FILES["omni"]:
        content = (NANO_ROOT / "omni" / name).read_bytes()
        (tmp_path / "omni" / name).write_bytes(content[: len(content) // 2])
    (tmp_path / "omni" / "config.json").write_bytes(
        (NANO_ROOT / "omni" / "config.json").read_bytes()
    )
    assert cli.main(["say", "What?", "--assets", str(tmp_path)]) == 2
    assert "model.safetensors is truncated" in one_sentence(capsys)


def test_no_traceback_from_the_shell_either(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-m", "minimind_o", "voices", "--assets", "nowhere"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1


def test_an_interrupt_is_no_error(capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(figures, "report", interrupted)
    assert cli.main(["figures"]) == 130
    assert capsys.readouterr().err == "minimind-o: interrupted\n"


def test_a_bug_is_not_dressed_up_as_the_user_s_mistake(monkeypatch):
    def broken(*_):
        raise ValueError("a bug")

    monkeypatch.setattr(figures, "report", broken)
    with pytest.raises(ValueError, match="a bug"):
        cli.main(["figures"])


def test_a_complaint_over_several_lines_becomes_one(capsys, monkeypatch):
    def complain(*_):
        raise UserError("two\n  lines")

    monkeypatch.setattr(figures, "report", complain)
    assert cli.main(["figures"]) == 2
    assert one_sentence(capsys) == "minimind-o: two lines\n"


@pytest.mark.parametrize("arguments", [["dance"], [], ["voices", "--loud"], ["say"]])
def test_mistyped_arguments_exit_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
    assert left.value.code == 2
    assert "usage: minimind-o" in capsys.readouterr().err


def test_voices_are_listed(capsys):
    assert cli.main(["voices"]) == 0
    shown = capsys.readouterr().out
    for name in ("ada", "ben", "clara", "dan", "eva"):
        assert name in shown


def test_a_voice_is_added_from_a_recording_and_removed(tmp_path, capsys):
    root = tmp_path / "assets"
    root.mkdir()
    for name in ("mimi", "campplus"):
        (root / name).symlink_to(NANO_ROOT / name)
    shutil.copytree(NANO_ROOT / "voices", root / "voices")
    wave = render("The old teacher reads a letter.", "en-us", VOICES["leo"]).wave
    soundfile.write(tmp_path / "leo.wav", wave, 24_000)
    added = ["voices", "add", "my-leo", str(tmp_path / "leo.wav")]
    assert cli.main([*added, "--assets", str(root)]) == 0
    mine, leo = (load_voice(root / "voices", n) for n in ("my-leo", "leo"))
    vectors = [torch.from_numpy(v.speaker_embedding_S) for v in (mine, leo)]
    assert float(torch.cosine_similarity(*vectors, dim=0)) > 0.6
    assert cli.main([*added, "--assets", str(root)]) == 2
    assert cli.main([*added, "--replace", "--assets", str(root)]) == 0
    assert cli.main(["voices", "remove", "my-leo", "--assets", str(root)]) == 0
    capsys.readouterr()
    assert cli.main(["voices", "list", "--assets", str(root)]) == 0
    assert "my-leo" not in capsys.readouterr().out


def test_figures_prints_every_bar(capsys):
    assert cli.main(["figures"]) == 0
    shown = capsys.readouterr().out
    for bar in figures.BARS:
        assert bar.name in shown


@pytest.mark.parametrize("module", [run, command], ids=["evaluate", "nano"])
def test_arguments_of_evaluate_and_nano_are_passed_on(module, monkeypatch):
    passed = []
    monkeypatch.setattr(module, "main", passed.append)
    name = "evaluate" if module is run else "nano"
    assert cli.main([name, "mimi", "--num", "3", "--help"]) == 0
    assert passed == [["mimi", "--num", "3", "--help"]]


def test_data_check_counts_the_bad_rows(tmp_path, capsys):
    file = tmp_path / "rows.parquet"
    talk = '[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]'
    table = {
        "conversations": [talk, "not json", talk],
        "answer_audios": pa.array([[[1] * 8], [[1] * 8], [[1] * 7]]),
    }
    pq.write_table(pa.table(table), file)
    assert cli.main(["data", "check", str(file)]) == 2
    output = capsys.readouterr()
    assert f"{file}: 2 bad rows of 3 (conversations 1, answer_audios 1)" in output.out
    assert "row 1" in output.out
    assert "row 2" in output.out
    assert output.err == "minimind-o: 2 bad rows; see above\n"
