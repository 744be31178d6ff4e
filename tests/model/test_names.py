"""Files hold the released names, and loading is strict in both directions."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from minimind_o.config import FULL
from minimind_o.errors import UserError
from minimind_o.model import OmniModel, names
from tests.model.tiny import random_ids, tiny_config, tiny_model


@pytest.fixture
def released() -> dict[str, Tensor]:
    model = tiny_model()
    return names.to_released(names.omni_names(model.config), model.state_dict())


@pytest.mark.parametrize("use_moe", [False, True])
def test_the_map_covers_every_parameter(use_moe: bool) -> None:
    model = tiny_model(use_moe=use_moe)
    assert names.omni_names(model.config).keys() == model.state_dict().keys()


@pytest.mark.parametrize("ranks", [(0, 0), (FULL, FULL), (0, 4), (4, FULL)])
def test_ranks_that_no_released_model_has_are_read_back_and_never_mistaken(
    ranks: tuple[int, int], tmp_path: Path, released: dict[str, Tensor]
) -> None:
    embedding, head = ranks
    model = tiny_model(talker_embedding_rank=embedding, talker_head_rank=head)
    model.save(tmp_path)
    loaded = OmniModel.from_pretrained(tmp_path)
    assert loaded.state_dict().keys() == model.state_dict().keys()
    ids = random_ids(1, 5)
    mine, theirs = (m.eval()(ids).audio_logits for m in (model, loaded))
    assert mine is not None
    torch.testing.assert_close(mine, theirs)
    with pytest.raises(UserError, match="does not hold the parameters"):
        model.load_released(released, "released.safetensors")


def test_load_reads_what_save_wrote(tmp_path: Path) -> None:
    model = tiny_model(seed=3)
    model.save(tmp_path)
    loaded = OmniModel.from_pretrained(tmp_path)
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    rotary, other = loaded.thinker.rotary, model.thinker.rotary
    assert torch.equal(rotary.cos_TE, other.cos_TE)


def test_save_in_16_bits(tmp_path: Path) -> None:
    tiny_model().save(tmp_path, torch.bfloat16)
    stored = load_file(tmp_path / "model.safetensors")
    assert {tensor.dtype for tensor in stored.values()} == {torch.bfloat16}
    assert OmniModel.from_pretrained(tmp_path).talker.text_scale.dtype == torch.float32


def test_each_kind_of_problem_is_listed(released: dict[str, Tensor]) -> None:
    del released["talker.lm_head.adapters.5.2.weight"]
    released["talker.norm.bias"] = torch.zeros(32)
    released["audio_proj.mlp.1.weight"] = torch.zeros(32, 13)
    with pytest.raises(UserError) as error:
        tiny_model().load_released(released, "some.safetensors")
    message = str(error.value)
    assert "some.safetensors" in message
    assert "missing: talker.lm_head.adapters.5.2.weight" in message
    assert "unexpected: talker.norm.bias" in message
    assert "audio_proj.mlp.1.weight (32, 13) instead of (32, 12)" in message


def test_the_tied_head_may_be_there_but_must_agree(released: dict[str, Tensor]) -> None:
    released[names.TIED_HEAD] = released[names.TEXT_EMBEDDING].clone()
    model = tiny_model(seed=1)
    model.load_released(released, "some.safetensors")
    assert torch.equal(
        model.thinker.embed_tokens.weight, released[names.TEXT_EMBEDDING]
    )
    released[names.TIED_HEAD][0, 0] += 1
    with pytest.raises(UserError, match=r"lm_head\.weight differs"):
        model.load_released(released, "some.safetensors")


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    tiny_model().save(tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"model\.safetensors is truncated"):
        OmniModel.from_pretrained(tmp_path)


def test_a_failed_save_leaves_the_older_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_model().save(tmp_path)
    before = (tmp_path / "model.safetensors").read_bytes()

    def fail(tensors: dict, path: Path, metadata: dict) -> None:
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr("minimind_o.model.files.save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        tiny_model(seed=1).save(tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == before


def test_the_language_model_is_a_directory_of_its_own(tmp_path: Path) -> None:
    trained = tiny_model(seed=5)
    trained.save_thinker(tmp_path)
    stored = load_file(tmp_path / "model.safetensors")
    assert all(name.startswith("model.") for name in stored)

    model = OmniModel.from_pretrained(tmp_path)
    for name, tensor in trained.thinker.state_dict().items():
        assert torch.equal(model.thinker.state_dict()[name], tensor), name

    save_file({**stored, "model.norm.bias": torch.ones(32)}, tmp_path / "x")
    (tmp_path / "x").rename(tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=r"unexpected: model\.norm\.bias"):
        OmniModel.from_pretrained(tmp_path)


def test_the_talker_starts_from_the_last_thinker_blocks(tmp_path: Path) -> None:
    tiny_model(seed=5).save_thinker(tmp_path)
    model = OmniModel.from_pretrained(tmp_path)
    for ours, theirs in ((0, 2), (1, 3)):
        expected = model.thinker.layers[theirs].state_dict()
        for name, tensor in model.talker.layers[ours].state_dict().items():
            assert torch.equal(tensor, expected[name]), name


def test_a_talker_of_another_width_starts_from_random_weights() -> None:
    model = tiny_model(talker_hidden_size=16)
    before = model.talker.layers[0].attention.q_proj.weight.clone()
    assert model.warm_start_talker() is False
    assert torch.equal(model.talker.layers[0].attention.q_proj.weight, before)


def test_seeded_weights_are_the_same_weights() -> None:
    first, again, other = tiny_model(seed=1), tiny_model(seed=1), tiny_model(seed=2)
    name = "talker.code_heads.adapters"
    assert torch.equal(first.state_dict()[name], again.state_dict()[name])
    assert not torch.equal(first.state_dict()[name], other.state_dict()[name])
    assert tiny_config() == first.config
