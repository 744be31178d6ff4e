"""A tree of released files is used as one of ours, by every command that loads one."""

from pathlib import Path

import pytest

from minimind_o import cli
from minimind_o.assets import FILES, NANO_ROOT
from minimind_o.frozen.mimi_files import convert_codec
from minimind_o.model.export import export


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """The nano tree, model and codec as other programs have them, no number changed."""
    root = tmp_path / "released"
    root.mkdir()
    for name in FILES:
        if name not in ("omni", "llm", "mimi") and (NANO_ROOT / name).exists():
            (root / name).symlink_to(NANO_ROOT / name)
    for name in ("omni", "llm"):
        out = root / name / f"{name}_256.pth"
        export(NANO_ROOT / name, out, "released-pth", dtype="keep")
    convert_codec(NANO_ROOT / "mimi", root / "mimi")
    return root


def test_the_answer_is_the_same_to_the_last_sample(
    released: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    waves = []
    for root in (NANO_ROOT, released):
        out = tmp_path / f"{root.name}.wav"
        question = ["say", "What is two plus three?", "--out", str(out)]
        assert cli.main([*question, "--assets", str(root)]) == 0, capsys.readouterr()
        waves.append(out.read_bytes())
    assert len(waves[0]) > 20_000
    assert waves[0] == waves[1]


def test_a_language_model_in_the_model_s_place_is_told(
    released: Path, capsys: pytest.CaptureFixture
) -> None:
    (released / "omni/omni_256.pth").unlink()
    (released / "omni/omni_256.json").unlink()
    for file in (released / "llm").iterdir():
        file.rename(released / "omni" / file.name)
    assert cli.main(["say", "What?", "--assets", str(released)]) == 2
    assert "is a language model, without a Talker" in capsys.readouterr().err
