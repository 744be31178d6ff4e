"""What is exported is read again bit for bit, and nothing is lost on the way."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from minimind_o import cli
from minimind_o.config import EXPORT_FORMATS, ExportFormat
from minimind_o.errors import UserError
from minimind_o.model import OmniModel, names
from minimind_o.model.checkpoints import read_checkpoint
from minimind_o.model.export import DTYPES, export
from minimind_o.released_config import to_released
from tests.model.tiny import tiny_model


def target(folder: Path, export_format: str) -> Path:
    return folder / ("out.pth" if export_format == "released-pth" else "out")


@pytest.mark.parametrize("language_model", [False, True])
@pytest.mark.parametrize("use_moe", [False, True])
@pytest.mark.parametrize("dtype", DTYPES.values())
@pytest.mark.parametrize("export_format", EXPORT_FORMATS)
def test_every_tensor_comes_back_as_it_went(
    export_format: ExportFormat,
    dtype: torch.dtype,
    use_moe: bool,
    language_model: bool,
    tmp_path: Path,
) -> None:
    model = tiny_model(seed=7, use_moe=use_moe, bridge_layer=2)
    save = model.save_thinker if language_model else model.save
    save(tmp_path / "ours", dtype)
    there, back = target(tmp_path, export_format), tmp_path / "back"
    export(tmp_path / "ours", there, export_format, dtype="keep")
    export(there, back, "safetensors")
    before = load_file(tmp_path / "ours/model.safetensors")
    after = load_file(back / "model.safetensors")
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert after[name].dtype == dtype
        assert torch.equal(tensor, after[name]), name
    assert to_released(read_checkpoint(back).config) == to_released(model.config)
    assert read_checkpoint(there).is_language_model == language_model


@pytest.mark.parametrize(
    ("export_format", "dtype"),
    [
        ("released", torch.bfloat16),
        ("released-pth", torch.float16),
        ("safetensors", torch.float32),
    ],
)
def test_each_format_has_its_own_dtype(
    export_format: ExportFormat, dtype: torch.dtype, tmp_path: Path
) -> None:
    model = tiny_model()
    model.save(tmp_path / "ours")
    there = target(tmp_path, export_format)
    export(tmp_path / "ours", there, export_format)
    assert {t.dtype for t in read_checkpoint(there).tensors.values()} == {dtype}


def test_a_released_folder_says_what_it_is(tmp_path: Path) -> None:
    model = tiny_model()
    model.save(tmp_path / "ours")
    export(tmp_path / "ours", tmp_path / "out", "released")
    config = json.loads((tmp_path / "out/config.json").read_text())
    assert config["model_type"] == "minimind-o"
    assert config["architectures"] == ["MiniMindOmni"]
    assert config["torch_dtype"] == "bfloat16"
    assert names.TIED_HEAD not in load_file(tmp_path / "out/model.safetensors")
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {"config.json", "model.safetensors"}

    model.save_thinker(tmp_path / "llm")
    export(tmp_path / "llm", tmp_path / "out_llm", "released")
    config = json.loads((tmp_path / "out_llm/config.json").read_text())
    assert config["model_type"] == "minimind"
    assert config["architectures"] == ["MiniMindForCausalLM"]


def test_a_state_dict_holds_the_tied_head_once_in_memory(tmp_path: Path) -> None:
    tiny_model().save(tmp_path / "ours")
    export(tmp_path / "ours", tmp_path / "out.pth", "released-pth")
    stored = torch.load(tmp_path / "out.pth", weights_only=True)
    head, embedding = stored[names.TIED_HEAD], stored[names.TEXT_EMBEDDING]
    assert torch.equal(head, embedding)
    assert head.data_ptr() == embedding.data_ptr()


def test_a_config_goes_beside_a_state_dict_only_where_shapes_do_not_tell_it(
    tmp_path: Path,
) -> None:
    tells = {"num_image_tokens": 64, "max_position_embeddings": 32768}
    tells |= {"audio_vocab_size": 96}
    tiny_model(**tells, bridge_layer=2).save(tmp_path / "other_bridge")
    tiny_model(**tells).save(tmp_path / "plain")
    out, beside = tmp_path / "out.pth", tmp_path / "out.json"
    export(tmp_path / "other_bridge", out, "released-pth")
    assert json.loads(beside.read_text())["bridge_layer"] == 2
    export(tmp_path / "plain", out, "released-pth", force=True)
    assert not beside.exists()
    assert OmniModel.from_pretrained(out).config.bridge_index == 1


@pytest.mark.parametrize("export_format", EXPORT_FORMATS)
def test_nothing_is_overwritten_without_force(
    export_format: ExportFormat, tmp_path: Path
) -> None:
    tiny_model(seed=1).save(tmp_path / "first")
    tiny_model(seed=2).save(tmp_path / "second")
    out = target(tmp_path, export_format)
    export(tmp_path / "first", out, export_format, dtype="keep")
    with pytest.raises(UserError, match=r"is there already: .* --force"):
        export(tmp_path / "second", out, export_format, dtype="keep")
    name = "talker.norm.weight"
    for source in ("first", "second"):
        if source == "second":
            export(tmp_path / source, out, export_format, dtype="keep", force=True)
        stored = read_checkpoint(out).tensors
        for name, tensor in read_checkpoint(tmp_path / source).tensors.items():
            assert torch.equal(stored[name], tensor), name


@pytest.mark.parametrize("export_format", EXPORT_FORMATS)
def test_a_failed_export_leaves_what_was_there(
    export_format: ExportFormat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_model(seed=1).save(tmp_path / "ours")
    out = target(tmp_path, export_format)
    export(tmp_path / "ours", out, export_format)
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    before = {path: path.read_bytes() for path in files}

    def fail(content: object, path: Path, **_: object) -> None:
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr("minimind_o.model.files.save_file", fail)
    monkeypatch.setattr("minimind_o.model.files.torch.save", fail)
    with pytest.raises(OSError, match="disk full"):
        export(tmp_path / "ours", out, export_format, force=True)
    assert {path: path.read_bytes() for path in before} == before
    assert sorted(p for p in tmp_path.rglob("*") if p.is_file()) == files


def test_a_number_too_large_for_the_dtype_is_named(tmp_path: Path) -> None:
    model = tiny_model()
    with torch.no_grad():
        model.talker.text_scale.fill_(1e5)
    model.save(tmp_path / "ours")
    with pytest.raises(UserError, match=r"talker\.text_scale holds 100000, too large"):
        export(tmp_path / "ours", tmp_path / "out.pth", "released-pth")
    assert not (tmp_path / "out.pth").exists()


def test_a_model_that_is_not_whole_is_not_exported(tmp_path: Path) -> None:
    tiny_model().save(tmp_path / "ours")
    tiny_model(hidden_size=40, num_attention_heads=4).config.save(tmp_path / "ours")
    with pytest.raises(UserError, match="of another shape: "):
        export(tmp_path / "ours", tmp_path / "out", "released")
    assert not (tmp_path / "out").exists()


def test_the_command_says_what_it_wrote(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    tiny_model().save(tmp_path / "ours")
    command = ["export", str(tmp_path / "ours"), str(tmp_path / "out")]
    assert cli.main(command) == 0
    told = capsys.readouterr().out
    assert "released, bf16" in told
    assert "cannot run this model: " in told
    assert "talker_head_rank=8 (there 256)" in told
    assert OmniModel.from_pretrained(tmp_path / "out").config.hidden_size == 32
    assert cli.main(command) == 2
    assert "--force" in capsys.readouterr().err
    for arguments, complaint in (
        (["x.bin", "--format", "released-pth"], "must end in .pth"),
        (["ours/config.json"], "is a file"),
    ):
        out, *options = arguments
        command = ["export", str(tmp_path / "ours"), str(tmp_path / out), *options]
        assert cli.main(command) == 2
        assert complaint in capsys.readouterr().err
