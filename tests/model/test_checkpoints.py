"""One reader for all forms of a model, which refuses what is not one."""

import json
import os
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from minimind_o.config import OmniConfig
from minimind_o.errors import UserError
from minimind_o.model import OmniModel, names
from minimind_o.model.checkpoints import read_checkpoint
from minimind_o.released_config import to_released
from tests.model.tiny import tiny_model

SPECIAL = {  # as many ids above the codes as in the released vocabulary
    "audio_vocab_size": 96,
    "audio_pad_token": 33,
    "audio_stop_token": 34,
    "audio_speaker_token": 35,
}
RELEASED_DTYPE = torch.bfloat16


def released_tensors(model: OmniModel, dtype: torch.dtype) -> dict[str, Tensor]:
    """As the released files have them, the text head under both its names."""
    tensors = names.to_released(names.omni_names(model.config), model.state_dict())
    tensors = {n: t.to(dtype, copy=True).contiguous() for n, t in tensors.items()}
    return {**tensors, names.TIED_HEAD: tensors[names.TEXT_EMBEDDING]}


def without_head(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {n: t for n, t in tensors.items() if n != names.TIED_HEAD}


def copied_tensors(path: Path) -> dict[str, Tensor]:
    """Out of the file, which may then be written over."""
    return {n: t.clone() for n, t in read_checkpoint(path).tensors.items()}


def write_config(folder: Path, config: OmniConfig) -> None:
    (folder / "config.json").write_text(json.dumps(to_released(config)))


def ours(folder: Path, model: OmniModel) -> Path:
    model.save(folder, RELEASED_DTYPE)
    return folder


def transformers_directory(folder: Path, model: OmniModel) -> Path:
    write_config(folder, model.config)
    tensors = without_head(released_tensors(model, RELEASED_DTYPE))
    save_file(tensors, folder / "model.safetensors")
    return folder


def in_shards(
    folder: Path, model: OmniModel, stem: str, suffix: str, save: Callable
) -> Path:
    write_config(folder, model.config)
    tensors = without_head(released_tensors(model, RELEASED_DTYPE))
    shards = [dict(list(tensors.items())[start::3]) for start in range(3)]
    weight_map = {}
    for number, shard in enumerate(shards, start=1):
        name = f"{stem}-{number:05}-of-00003{suffix}"
        save(shard, folder / name)
        weight_map |= dict.fromkeys(shard, name)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / f"{stem}{suffix}.index.json").write_text(json.dumps(index))
    return folder


def sharded_directory(folder: Path, model: OmniModel) -> Path:
    return in_shards(folder, model, "model", ".safetensors", save_file)


def sharded_pickled_directory(folder: Path, model: OmniModel) -> Path:
    return in_shards(folder, model, "pytorch_model", ".bin", torch.save)


def pickled_directory(folder: Path, model: OmniModel) -> Path:
    write_config(folder, model.config)
    tensors = released_tensors(model, RELEASED_DTYPE)
    torch.save(tensors, folder / "pytorch_model.bin")
    return folder


def state_dict_file(folder: Path, model: OmniModel) -> Path:
    suffix = "_moe" if model.config.use_moe else ""
    path = folder / f"sft_omni_768{suffix}.pth"
    torch.save(released_tensors(model, RELEASED_DTYPE), path)
    return path


def folder_of_a_state_dict(folder: Path, model: OmniModel) -> Path:
    return state_dict_file(folder, model).parent


FORMS = [
    ours,
    transformers_directory,
    sharded_directory,
    pickled_directory,
    sharded_pickled_directory,
    state_dict_file,
    folder_of_a_state_dict,
]
Form = Callable[[Path, OmniModel], Path]


def released_like(use_moe: bool = False, **changes: object) -> OmniModel:
    """A tiny model, every number of its config one that shapes can tell."""
    context = OmniConfig().max_position_embeddings
    fields = {"use_moe": use_moe, "num_image_tokens": 64, **SPECIAL}
    return tiny_model(
        seed=3, **{**fields, "max_position_embeddings": context, **changes}
    )


@pytest.mark.parametrize("use_moe", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_same_model(
    form: Form, use_moe: bool, tmp_path: Path
) -> None:
    num_experts = 3 if use_moe else 4
    model = released_like(use_moe, num_experts=num_experts, num_talker_hidden_layers=3)
    loaded = OmniModel.from_pretrained(form(tmp_path, model))
    assert to_released(loaded.config) == to_released(model.config)
    state = model.state_dict()
    assert loaded.state_dict().keys() == state.keys()
    for name, tensor in loaded.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, state[name].to(RELEASED_DTYPE).float()), name


@pytest.mark.parametrize("use_moe", [False, True])
def test_a_released_language_model_gets_a_warm_talker(
    use_moe: bool, tmp_path: Path
) -> None:
    model = released_like(use_moe)
    path = tmp_path / "llm_768.pth"
    tensors = released_tensors(model, torch.float16)
    known = ("model.", names.TIED_HEAD)
    torch.save({n: t for n, t in tensors.items() if n.startswith(known)}, path)
    config = OmniModel.from_pretrained(path).config
    assert (config.hidden_size, config.use_moe) == (32, use_moe)
    assert config.talker_hidden_size == OmniConfig().talker_hidden_size

    loaded = OmniModel.from_pretrained(path, config=model.config)
    for name, tensor in model.thinker.state_dict().items():
        assert torch.equal(loaded.thinker.state_dict()[name], tensor.half().float())
    for talker_layer, thinker_layer in ((0, 2), (1, 3)):
        expected = loaded.thinker.layers[thinker_layer].state_dict()
        for name, tensor in loaded.talker.layers[talker_layer].state_dict().items():
            assert torch.equal(tensor, expected[name]), name


def test_the_warm_start_can_be_left_out(tmp_path: Path) -> None:
    model = released_like()
    model.save_thinker(tmp_path)
    talkers = [
        OmniModel.from_pretrained(
            tmp_path,
            config=model.config,
            generator=torch.Generator().manual_seed(seed),
            warm_start=False,
        ).talker.layers.state_dict()
        for seed in (1, 1, 2)
    ]
    thinker = model.thinker.layers[-1].state_dict()
    last = len(model.talker.layers) - 1
    for name, tensor in thinker.items():
        first, same, other = (talker[f"{last}.{name}"] for talker in talkers)
        assert torch.equal(first, same), name
        if tensor.dim() > 1:  # norms start at one
            assert not torch.equal(first, other), name
            assert not torch.equal(first, tensor), name


def test_a_language_model_cannot_speak(tmp_path: Path) -> None:
    released_like().save_thinker(tmp_path)
    with pytest.raises(UserError, match="is a language model, without a Talker"):
        OmniModel.from_pretrained(tmp_path, must_speak=True)


@pytest.mark.parametrize(
    "form", [transformers_directory, pickled_directory, state_dict_file]
)
def test_all_wrong_names_are_in_one_message(form: Form, tmp_path: Path) -> None:
    model = released_like()
    path = form(tmp_path, model)
    file = path if path.is_file() else next(path.glob("*model*"))
    tensors = copied_tensors(path)
    del tensors["talker.lm_head.adapters.5.2.weight"]
    for layer in range(4):
        del tensors[f"model.layers.{layer}.self_attn.o_proj.weight"]
    tensors["talker.norm.bias"] = torch.zeros(32)
    for codebook in range(8):
        name = f"talker.embed_tokens.adapters.{codebook}.2.weight"
        tensors[name] = torch.zeros(32, 7)
    tensors.pop(names.TIED_HEAD, None)
    if file.suffix == ".safetensors":
        save_file(tensors, file)
    else:
        torch.save(tensors, file)
    with pytest.raises(UserError) as error:
        OmniModel.from_pretrained(path)
    message = str(error.value)
    assert str(file) in message
    assert (
        "missing: model.layers.{0-3}.self_attn.o_proj.weight, "
        "talker.lm_head.adapters.5.2.weight; "
        "unexpected: talker.norm.bias; of another shape: "
        "talker.embed_tokens.adapters.{0-7}.2.weight (32, 7) instead of (32, 8)."
    ) in message


class Touch:
    """Code in a pickle: it would make a file."""

    def __init__(self, make: Callable, path: Path) -> None:
        self.make, self.path = make, path

    def __reduce__(self) -> tuple:
        return self.make, (str(self.path),)


@pytest.mark.parametrize("make", [os.mkdir, partial(open, mode="w")])
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", ["sft_omni_768.pth", "pytorch_model.bin"])
def test_code_in_a_pickle_is_refused_and_not_run(
    name: str, zipped: bool, make: Callable, tmp_path: Path
) -> None:
    touched, path = tmp_path / "touched", tmp_path / name
    content = {names.TEXT_EMBEDDING: torch.zeros(4, 4), "x": Touch(make, touched)}
    if zipped:
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content, protocol=2))
    write_config(tmp_path, released_like().config)
    with pytest.raises(UserError, match="holds more than tensors") as error:
        OmniModel.from_pretrained(path)
    assert "\n" not in str(error.value)
    assert name in str(error.value)
    assert not touched.exists()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"model": {"a": torch.zeros(2)}, "epoch": 3}, "'model', a dict; nothing but"),
        ([torch.zeros(2)], "holds a list; it must hold tensors under names"),
        ({3: torch.zeros(2)}, "holds 3, a Tensor"),
        ({"a": torch.zeros(2, dtype=torch.int64)}, "dense floating-point"),
        ({"a": torch.zeros(1).expand(10**12)}, "1000000000000 numbers, but not so"),
    ],
)
def test_anything_but_parameters_is_refused(
    content: object, complaint: str, tmp_path: Path
) -> None:
    torch.save(content, tmp_path / "sft_omni_768.pth")
    with pytest.raises(UserError, match=complaint):
        OmniModel.from_pretrained(tmp_path)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("keep", [0, 7, 0.5, -1])
def test_truncated_files_are_named(form: Form, keep: float, tmp_path: Path) -> None:
    path = form(tmp_path, released_like())
    file = (
        path if path.is_file() else max(path.iterdir(), key=lambda f: f.stat().st_size)
    )
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * keep) if keep == 0.5 else int(keep)])
    with pytest.raises(UserError, match="is truncated or not") as error:
        OmniModel.from_pretrained(path)
    assert file.name in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("index", "complaint"),
    [
        ("{", "is no index of shards"),
        ("{}", "is no index of shards"),
        ('{"weight_map": {"a": "../x.safetensors"}}', "a file beside its index"),
        (
            '{"weight_map": {"a": "x.safetensors"}}',
            r"There is no model file .*x\.safetensors",
        ),
    ],
)
def test_a_bad_index_is_named(index: str, complaint: str, tmp_path: Path) -> None:
    write_config(tmp_path, released_like().config)
    (tmp_path / "model.safetensors.index.json").write_text(index)
    with pytest.raises(UserError, match=complaint):
        OmniModel.from_pretrained(tmp_path)


def test_a_folder_of_two_models_asks_which(tmp_path: Path) -> None:
    for use_moe in (False, True):
        state_dict_file(tmp_path, released_like(use_moe))
    with pytest.raises(UserError, match=r"sft_omni_768\.pth, sft_omni_768_moe\.pth"):
        OmniModel.from_pretrained(tmp_path)
    assert OmniModel.from_pretrained(tmp_path / "sft_omni_768_moe.pth").config.use_moe


def test_an_empty_folder_and_no_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a model directory holds"):
        OmniModel.from_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"no model file or folder '.*nowhere\.pth'"):
        OmniModel.from_pretrained(tmp_path / "nowhere.pth")
    (tmp_path / "notes.txt").write_text("not a model")
    with pytest.raises(UserError, match="no file of weights by its name"):
        OmniModel.from_pretrained(tmp_path / "notes.txt")


def change_shape(name: str, *shape: int) -> Callable[[dict[str, Tensor]], None]:
    def change(tensors: dict[str, Tensor]) -> None:
        tensors[name] = torch.zeros(shape)

    return change


def forget(name: str) -> Callable[[dict[str, Tensor]], None]:
    def change(tensors: dict[str, Tensor]) -> None:
        del tensors[name]

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            forget("model.layers.0.self_attn.q_norm.weight"),
            r"it lacks model\.layers\.0\.self_attn\.q_norm\.weight",
        ),
        (
            change_shape("model.layers.0.self_attn.q_norm.weight", 5),
            "heads of width 5 fill neither 32 nor 16",
        ),
        (
            change_shape("talker.layers.0.self_attn.q_norm.weight", 4),
            "num_attention_heads is 8 in the Talker and 4 in the Thinker",
        ),
        (
            change_shape("talker.embed_tokens.base.weight", 64, 32),
            "an audio vocabulary of 64 is not codes and 64 more",
        ),
        (
            change_shape("talker.norm.weight", 4, 8),
            r"it has talker\.norm\.weight of shape \(4, 8\)",
        ),
    ],
)
def test_a_config_that_shapes_do_not_tell_is_refused(
    change: Callable, reason: str, tmp_path: Path
) -> None:
    path = state_dict_file(tmp_path, released_like())
    tensors = copied_tensors(path)
    change(tensors)
    torch.save(tensors, path)
    with pytest.raises(UserError, match=f"No config can be derived .*{reason}"):
        OmniModel.from_pretrained(path)


def test_a_config_beside_a_state_dict_is_believed(tmp_path: Path) -> None:
    model = released_like(bridge_layer=2)
    path = state_dict_file(tmp_path, model)
    assert OmniModel.from_pretrained(path).config.bridge_index == 1
    path.with_suffix(".json").write_text(json.dumps(to_released(model.config)))
    assert OmniModel.from_pretrained(path).config.bridge_index == 2


@pytest.mark.parametrize("variant", ["dense", "moe"])
def test_the_released_sizes_are_derived(variant: str, shared: Path) -> None:
    from minimind_o.model.derived_config import config_from_shapes

    file = shared / f"golden/released_{variant}_shapes.json"
    shapes = {n: tuple(s) for n, s in json.loads(file.read_text()).items()}
    config = config_from_shapes(shapes, variant, language_model=False)
    assert config == OmniConfig(use_moe=variant == "moe")
    language_model = {n: s for n, s in shapes.items() if n.startswith("model.")}
    assert config_from_shapes(language_model, variant, language_model=True) == config
