"""A missing or damaged asset is told in one sentence, before anything heavy loads."""

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from minimind_o.assets import (
    ENVIRONMENT_VARIABLE,
    FILES,
    NANO_ROOT,
    NOT_SHIPPED,
    Assets,
)
from minimind_o.errors import UserError


@pytest.fixture
def omni(tmp_path):
    """An assets tree with a whole `omni` folder; returns that folder."""
    folder = tmp_path / "omni"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    save_file({"weight": np.zeros((4, 4), np.float32)}, folder / "model.safetensors")
    return folder


def test_a_whole_folder_is_found(omni):
    assert Assets.find(omni.parent).omni == omni


def test_the_root_comes_from_the_argument_then_the_variable_then_the_repository(
    tmp_path, monkeypatch
):
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path))
    (tmp_path / "other").mkdir()
    assert Assets.find(tmp_path / "other").root == tmp_path / "other"
    assert Assets.find().root == tmp_path
    monkeypatch.delenv(ENVIRONMENT_VARIABLE)
    if NANO_ROOT.is_dir():
        assert Assets.find().root == NANO_ROOT


def test_a_root_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(UserError, match="nowhere does not exist"):
        Assets.find(tmp_path / "nowhere")


def test_a_missing_file_is_named_with_the_command_that_makes_it(omni):
    (omni / "model.safetensors").unlink()
    with pytest.raises(
        UserError, match=r"model\.safetensors is missing: .*minimind-o nano omni"
    ):
        Assets.find(omni.parent).omni  # noqa: B018


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(UserError, match="voices is missing"):
        Assets.find(tmp_path).voices  # noqa: B018


@pytest.mark.parametrize("keep", [0, 5, 20, -1])
def test_truncated_weights_are_found_out(omni, keep):
    weights = omni / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:keep])
    with pytest.raises(UserError, match=r"model\.safetensors is (truncated|empty)"):
        Assets.find(omni.parent).omni  # noqa: B018


def test_half_a_config_is_found_out(omni):
    (omni / "config.json").write_text(json.dumps({"hidden_size": 256})[:-3])
    with pytest.raises(UserError, match=r"config\.json is not whole JSON"):
        Assets.find(omni.parent).omni  # noqa: B018


def test_truncated_parquet_and_checkpoints_are_found_out(tmp_path):
    folder = tmp_path / "sft_t2a"
    folder.mkdir()
    for name in FILES["sft_t2a"]:
        (folder / name).write_bytes(b"PAR1" + bytes(20))
    with pytest.raises(UserError, match=r"train\.parquet is truncated"):
        Assets.find(tmp_path).sft_t2a  # noqa: B018
    folder = tmp_path / "sensevoice"
    folder.mkdir()
    for name in FILES["sensevoice"]:
        (folder / name).write_text("{}")
    with pytest.raises(UserError, match=r"model\.pt is truncated"):
        Assets.find(tmp_path).sensevoice  # noqa: B018


def test_what_was_never_there_is_not_to_be_restored(tmp_path):
    with pytest.raises(UserError, match=r"restore it .* 'minimind-o nano llm'"):
        Assets.find(tmp_path).llm  # noqa: B018
    with pytest.raises(
        UserError, match=r"missing: make it .* 'minimind-o nano llm_moe"
    ):
        Assets.find(tmp_path).llm_moe  # noqa: B018


def test_a_tree_without_examples_is_asked_the_embedded_ones(tmp_path):
    assert Assets.find(tmp_path).examples == NANO_ROOT / "examples"
    (tmp_path / "examples").mkdir()
    with pytest.raises(UserError, match=r"question\.wav is missing"):
        Assets.find(tmp_path).examples  # noqa: B018


@pytest.mark.parametrize("name", [name for name in FILES if name not in NOT_SHIPPED])
def test_the_committed_assets_are_whole(name):
    assert Assets.find(NANO_ROOT).checked(name).is_dir()


@pytest.mark.parametrize(
    ("asset", "files"),
    [
        ("omni", {"sft_omni_768.pth": "torch"}),
        ("llm", {"config.json": "json", "pytorch_model.bin": "torch"}),
        (
            "omni_moe",
            {
                "config.json": "json",
                "model.safetensors.index.json": "json",
                "model-00001-of-00002.safetensors": "safetensors",
                "model-00002-of-00002.safetensors": "safetensors",
            },
        ),
        ("mimi", {"tokenizer-e351c8d8-checkpoint125.safetensors": "safetensors"}),
    ],
)
def test_a_folder_of_released_files_is_whole(tmp_path, asset, files):
    folder = tmp_path / asset
    folder.mkdir()
    for name, kind in files.items():
        if kind == "json":
            (folder / name).write_text("{}")
        elif kind == "torch":
            torch.save({"weight": torch.zeros(4)}, folder / name)
        else:
            save_file({"weight": np.zeros(4, np.float32)}, folder / name)
    assert Assets.find(tmp_path).checked(asset) == folder
    for name, kind in files.items():
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[: len(whole) // 2])
        complaint = "is not whole JSON" if kind == "json" else "is truncated"
        with pytest.raises(UserError, match=f"{name} {complaint}"):
            Assets.find(tmp_path).checked(asset)
        (folder / name).write_bytes(whole)
    (folder / name).unlink()
    if len(files) < 3:  # a shard that is not there, the reader tells
        with pytest.raises(UserError, match="is missing"):
            Assets.find(tmp_path).checked(asset)
