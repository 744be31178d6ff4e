"""moshi's codec and transformers' are one codec in two formats, and both are read."""

import copy
import json
from pathlib import Path

import pytest
import torch
from moshi.models import loaders
from moshi.models.compression import MimiModel as MoshiCodec
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import MimiConfig, MimiModel

from minimind_o import cli
from minimind_o.assets import Assets
from minimind_o.data.speech import VOICES, render
from minimind_o.errors import UserError
from minimind_o.frozen.mimi import NANO_MIMI, load_mimi
from minimind_o.frozen.mimi_config import to_moshi_config, to_transformers_config
from minimind_o.frozen.mimi_files import (
    KYUTAI_FILE,
    convert_codec,
    read_codec,
    read_codec_config,
)
from minimind_o.frozen.mimi_names import (
    codec_format,
    name_in_file,
    to_moshi,
    to_transformers,
)

NUM_CODEBOOKS = 8
NUM_SAMPLES = 13 * 1920  # 1.04 s


@torch.no_grad()
def random_codec(config: dict | None, seed: int = 0) -> MoshiCodec:
    """moshi's class with random weights and codebooks.

    A codebook's entries are scaled as what it rounds, so that the codes are many and
    different, and each entry is a sum over a usage of its own, as in training.
    """
    torch.manual_seed(seed)
    model = loaders.get_mimi(None, config, "cpu", NUM_CODEBOOKS)
    for layer in model.modules():
        if isinstance(layer, torch.nn.LayerNorm):
            layer.weight.uniform_(0.5, 1.5)
            layer.bias.normal_(std=0.1)
    for name, value in model.named_parameters():
        if "layer_scale" in name:
            value.uniform_(0.3, 0.6)  # so that the transformers decide the codes, too
    latent = model.encode_to_latent(some_sound(), quantize=False)
    for half in (model.quantizer.rvq_first, model.quantizer.rvq_rest):
        left_over = half.input_proj(latent)[0].T
        for layer in half.vq.layers:
            book = layer._codebook
            book._initialized.fill_(1)
            book.cluster_usage.uniform_(0.5, 3.0)
            entries = torch.randn(book.embedding_sum.shape) * left_over.std(dim=0)
            entries += left_over.mean(dim=0)
            book.embedding_sum.copy_(entries * book.cluster_usage[:, None])
            book._embedding = None
            nearest = torch.cdist(left_over, book.embedding).argmin(dim=1)
            left_over = left_over - book.embedding[nearest]
    return model.eval()


def some_sound() -> Tensor:
    """(1, 1, N): tones and noise."""
    generator = torch.Generator().manual_seed(5)
    time = torch.arange(NUM_SAMPLES) / 24_000
    tones = sum(torch.sin(6.283 * pitch * time * (1 + time)) for pitch in (110, 523))
    noise = torch.randn(NUM_SAMPLES, generator=generator)
    return (0.2 * tones + 0.1 * noise)[None, None]


def file_tensors(model: MoshiCodec) -> dict[str, Tensor]:
    """As kyutai's file names them."""
    return {name_in_file(n): t.clone() for n, t in model.state_dict().items()}


@pytest.fixture(scope="module")
def full_size() -> MoshiCodec:
    """A codec of the published size."""
    return random_codec(None)


@pytest.fixture(scope="module")
def published(full_size: MoshiCodec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """kyutai's file, by itself."""
    file = tmp_path_factory.mktemp("kyutai") / KYUTAI_FILE
    save_file(file_tensors(full_size), file)
    return file


def test_both_classes_write_and_read_the_same_codes_at_full_size(
    full_size: MoshiCodec, published: Path, tmp_path: Path
) -> None:
    assert convert_codec(published, tmp_path / "kyutai_mimi") == "transformers"
    theirs, report = MimiModel.from_pretrained(
        tmp_path / "kyutai_mimi", output_loading_info=True
    )
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys"))
    wave = some_sound()
    with torch.no_grad():
        codes = full_size.encode(wave)
        their_codes = theirs.encode(wave, num_quantizers=NUM_CODEBOOKS).audio_codes
        assert codes.shape == (1, NUM_CODEBOOKS, 13)
        assert len(codes.unique()) > 60, "the codes are all alike: this tests nothing"
        assert torch.equal(codes, their_codes)
        decoded = full_size.decode(codes)
        their_decoded = theirs.decode(codes).audio_values
    assert decoded.std() > 1e-3
    assert (decoded - their_decoded).abs().max() < 1e-4
    # And back: what transformers' class saved, in ours.
    theirs.save_pretrained(tmp_path / "saved")
    mimi = load_mimi(tmp_path / "saved")
    assert torch.equal(mimi.encode(wave[:, 0]), codes)
    assert (mimi.decode(codes) - decoded[:, 0]).abs().max() < 1e-4


def test_there_and_back_is_bit_for_bit_at_full_size(
    published: Path, tmp_path: Path
) -> None:
    before = load_file(published)
    convert_codec(published, tmp_path / "there")
    assert convert_codec(tmp_path / "there", tmp_path / "back.safetensors") == "moshi"
    after = load_file(tmp_path / "back.safetensors")
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert torch.equal(tensor, after[name]), name
    loaders.get_mimi(tmp_path / "back.safetensors")  # moshi's own loader
    there = load_file(tmp_path / "there/model.safetensors")
    again = to_transformers(after, num_heads=8)
    assert there.keys() == again.keys()
    for name, tensor in there.items():
        assert torch.equal(tensor, again[name]), name
    mimi = load_mimi(published)
    assert (mimi.num_codebooks, mimi.num_codes) == (8, 2048)


def test_the_names_are_those_of_both_classes() -> None:
    config = to_moshi_config({}, "defaults")
    with torch.device("meta"):
        ours = loaders.get_mimi(None, config, "meta", 32).state_dict()
        theirs = MimiModel(MimiConfig()).state_dict()
    converted = to_transformers(ours, num_heads=8)
    assert {n: t.shape for n, t in converted.items()} == {
        n: t.shape for n, t in theirs.items()
    }
    back = to_moshi(theirs, num_heads=8)
    assert back.keys() == {name_in_file(name) for name in ours}
    assert codec_format(ours) == "moshi"
    assert codec_format(theirs) == "transformers"


def test_the_nano_codec_speaks_through_transformers(tmp_path: Path) -> None:
    folder = Assets.find().mimi
    convert_codec(folder, tmp_path / "theirs")
    assert convert_codec(tmp_path / "theirs", tmp_path / "ours") == "moshi"
    before, after = (
        load_file(one / "model.safetensors") for one in (folder, tmp_path / "ours")
    )
    assert {name_in_file(name) for name in before} == after.keys()
    for name, tensor in before.items():
        assert torch.equal(tensor, after[name_in_file(name)]), name
    assert json.loads((tmp_path / "ours/config.json").read_text()) == NANO_MIMI

    theirs = MimiModel.from_pretrained(tmp_path / "theirs", dtype=torch.float32).eval()
    samples = render("The cat sleeps by the river.", "en-us", VOICES["ada"]).wave
    wave = torch.from_numpy(samples[: len(samples) // 1920 * 1920])[None]
    mimi = load_mimi(folder)
    codes = mimi.encode(wave)
    with torch.no_grad():
        assert torch.equal(theirs.encode(wave[:, None]).audio_codes, codes)
        assert torch.allclose(
            theirs.decode(codes).audio_values[:, 0], mimi.decode(codes), atol=1e-4
        )
    assert torch.equal(load_mimi(tmp_path / "theirs").encode(wave), codes)


def test_configs_say_the_same_in_both_words() -> None:
    published = to_moshi_config({"model_type": "mimi"}, "defaults")
    assert published["quantizer"]["n_q"] == 32
    assert published["transformer"]["d_model"] == 512
    for config in (published, NANO_MIMI):
        theirs = to_transformers_config(config, "config").to_dict()
        assert to_moshi_config(theirs, "config") == config


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"num_key_value_heads": 4}, "num_key_value_heads as 4"),
        ({"hidden_act": "relu"}, "hidden_act as 'relu'"),
        ({"trim_right_ratio": 0.5}, "trim_right_ratio as 0.5"),
        ({"num_semantic_quantizers": 2}, "num_semantic_quantizers as 2"),
        ({"frame_rate": 6.25}, "frames of 4 encoder frames"),
        ({"upsampling_ratios": "8654"}, "is not a Mimi configuration"),
        ({"num_quantizers": 1}, "is not a Mimi configuration"),
    ],
)
def test_a_codec_that_moshi_has_not_is_refused(values: dict, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        to_moshi_config(values, "config.json")


@pytest.mark.parametrize(
    ("section", "change"),
    [
        ("seanet", {"true_skip": False}),
        ("transformer", {"norm": "rms_norm"}),
        ("quantizer", {"output_dimension": 64}),
    ],
)
def test_a_codec_that_transformers_has_not_is_refused(
    section: str, change: dict
) -> None:
    config = NANO_MIMI | {section: NANO_MIMI[section] | change}
    with pytest.raises(UserError, match=f"{section}.{next(iter(change))} as "):
        to_transformers_config(config, "config.json")


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """The nano codec in transformers' format, to be damaged."""
    convert_codec(Assets.find().mimi, tmp_path / "theirs")
    return tmp_path / "theirs"


def test_all_wrong_names_are_in_one_message(theirs: Path) -> None:
    file = theirs / "model.safetensors"
    tensors = load_file(file)
    del tensors["decoder_transformer.layers.1.mlp.fc1.weight"]
    del tensors["encoder_transformer.layers.0.self_attn.k_proj.weight"]
    tensors["lm_head.weight"] = torch.zeros(3)
    tensors["upsample.conv.weight"] = torch.zeros(3)
    save_file(tensors, file)
    with pytest.raises(UserError, match="cannot be read as Mimi weights") as error:
        load_mimi(theirs)
    message = str(error.value)
    assert "\n" not in message
    for part in (
        "decoder_transformer.transformer.layers.1.linear1.weight",
        "encoder_transformer.transformer.layers.0.self_attn.in_proj_weight",
        "lm_head.weight",
        "upsample.convtr.convtr.convtr.weight (3,) instead of (128, 1, 4)",
    ):
        assert part in message


def test_a_query_that_no_heads_divide_is_told(theirs: Path) -> None:
    file = theirs / "model.safetensors"
    tensors = load_file(file)
    tensors["encoder_transformer.layers.0.self_attn.q_proj.weight"] = torch.zeros(3, 3)
    save_file(tensors, file)
    with pytest.raises(UserError, match="cannot be read as Mimi weights"):
        load_mimi(theirs)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_truncated_and_missing_files_are_named(theirs: Path, name: str) -> None:
    content = (theirs / name).read_bytes()
    (theirs / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=f"{name} (is not a|cannot be read)"):
        load_mimi(theirs)
    (theirs / name).unlink()
    with pytest.raises(UserError, match=f"{name} is missing"):
        load_mimi(theirs)


def test_kyutai_s_file_is_found_beside_a_language_model(
    published: Path, tmp_path: Path
) -> None:
    (tmp_path / KYUTAI_FILE).symlink_to(published)
    (tmp_path / "config.json").write_text('{"model_type": "moshi", "dim": 4096}')
    (tmp_path / "model.safetensors").write_bytes(b"the language model")
    assert read_codec(tmp_path).config["quantizer"]["bins"] == 2048


def test_the_command_converts_and_overwrites_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    source, out = str(Assets.find().mimi), str(tmp_path / "out")
    assert cli.main(["convert-codec", source, out]) == 0
    assert "in the format of transformers" in capsys.readouterr().out
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {"config.json", "model.safetensors", "preprocessor_config.json"}
    assert cli.main(["convert-codec", source, out]) == 2
    assert "--force" in capsys.readouterr().err
    assert cli.main(["convert-codec", source, out, "--to", "moshi", "--force"]) == 0
    assert json.loads((tmp_path / "out/config.json").read_text()) == NANO_MIMI
    file = str(tmp_path / "nano.safetensors")
    for to, complaint in (
        ("moshi", "not of the published size"),
        ("transformers", "transformers reads a folder"),
    ):
        assert cli.main(["convert-codec", source, file, "--to", to]) == 2
        assert complaint in capsys.readouterr().err
    assert not Path(file).exists()


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("transformer", "num_layers", 10**9),
        ("quantizer", "n_q", 10**9),
        ("seanet", "ratios", [2] * 1_000),
        ("seanet", "n_filters", 10**30),
        ("quantizer", "bins", float("inf")),
    ],
)
def test_absurd_sizes_are_refused_unbuilt(
    tmp_path: Path, section: str, name: str, value: object
) -> None:
    config = copy.deepcopy(NANO_MIMI)
    config[section][name] = value
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config))
    with pytest.raises(UserError, match=rf"{section}\.{name} is .*; the most is"):
        read_codec_config(file)
