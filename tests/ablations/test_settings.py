"""Every setting changes what it says, and nothing else."""

import dataclasses
from dataclasses import replace

import numpy as np
import pytest
import torch

from minimind_o.ablations import __main__ as command
from minimind_o.ablations.experiment import Setting
from minimind_o.ablations.measures import (
    expert_use,
    losses_of,
    spoken_adapters,
)
from minimind_o.ablations.start import build_start
from minimind_o.ablations.training import data_of, phases_of, recipe_of, train
from minimind_o.config import EMBEDDING, FULL
from minimind_o.layout import IGNORE
from minimind_o.model import OmniModel
from tests.ablations import tiny
from tests.model.tiny import random_ids, tiny_model

PLAIN = Setting(name="plain", what="plain")


def of(name: str, setting: str) -> Setting:
    return command.load(name).setting(setting)


# Ranks


@pytest.mark.parametrize(
    ("name", "embedding", "head"),
    [("none", 0, 0), ("rank_16", 16, 16), ("head_64", 16, 64),
     ("embedding_4", 4, 16), ("full", FULL, FULL)],
)  # fmt: skip
def test_a_rank_is_what_the_adapters_have(bench, name, embedding, head) -> None:
    model = build_start(bench, of("talker_rank", name), "random", 0)
    config = model.config
    size, width = config.audio_vocab_size, config.talker_hidden_size

    def adapters(rank: int) -> int:
        return size * width if rank == FULL else rank * (size + width)

    expected = config.num_codebooks * (adapters(embedding) + adapters(head))
    assert spoken_adapters(model) == expected
    assert (model.talker.code_embedding.shared is None) == (embedding == FULL)
    assert (model.talker.code_heads.shared is None) == (head == FULL)


def test_without_adapters_the_codebooks_are_one_and_with_whole_tables_strangers() -> (
    None
):
    codes = random_ids(1, 6)
    swapped = codes.clone()
    swapped[:, [0, 5]] = swapped[:, [5, 0]]
    none = tiny_model(talker_embedding_rank=0, talker_head_rank=0).eval()
    full = tiny_model(talker_embedding_rank=FULL, talker_head_rank=FULL).eval()
    logits = none(codes).audio_logits
    torch.testing.assert_close(logits[:, 0], logits[:, 5])
    torch.testing.assert_close(logits, none(swapped).audio_logits)
    assert not torch.allclose(full(codes).audio_logits, full(swapped).audio_logits)
    assert not torch.allclose(*full(codes).audio_logits[:, [0, 5]].unbind(1))


# Starts


def test_settings_differ_in_what_is_varied_and_not_by_the_draw(bench) -> None:
    small = build_start(bench, of("talker_rank", "rank_4"), "omni", 1)
    large = build_start(bench, of("talker_rank", "rank_64"), "omni", 1)
    other_seed = build_start(bench, of("talker_rank", "rank_4"), "omni", 2)
    mine, theirs = small.state_dict(), large.state_dict()
    others = other_seed.state_dict()
    adapters = {name for name in mine if mine[name].shape != theirs[name].shape}
    assert all("code_" in name for name in adapters)
    for name in mine.keys() - adapters:
        assert torch.equal(mine[name], theirs[name]), name
    new = {name for name in mine if not torch.equal(mine[name], others[name])}
    assert {name for name in new if not name.startswith("talker.")} == set()
    assert "talker.code_heads.shared" in new
    shipped = OmniModel.from_pretrained(bench.assets.omni).state_dict()
    for name, tensor in mine.items():
        if not name.startswith("talker."):
            assert torch.equal(tensor, shipped[name]), name


def test_the_whole_shipped_model_is_a_start_for_every_seed(bench) -> None:
    setting = of("voice_condition", "codes")
    assert command.load("voice_condition").start == "whole"
    started = build_start(bench, setting, "whole", 3).state_dict()
    shipped = OmniModel.from_pretrained(bench.assets.omni).state_dict()
    for name, tensor in shipped.items():
        assert torch.equal(started[name], tensor), name


def test_experts_start_as_the_shipped_model(bench) -> None:
    inputs = random_ids(2, 12)
    dense = build_start(bench, of("moe_talker", "dense"), "whole", 0).eval()
    experts = build_start(bench, of("moe_talker", "moe"), "whole", 0).eval()
    assert len(experts.talker.layers[0].feed_forward.experts) == 4
    with torch.no_grad():
        mine, theirs = experts(inputs), dense(inputs)
    torch.testing.assert_close(mine.audio_logits, theirs.audio_logits)
    torch.testing.assert_close(mine.text_logits, theirs.text_logits)


def test_drawn_experts_are_not_alike(bench) -> None:
    model = build_start(bench, of("dense_moe", "moe"), "random", 0)
    first, second = model.thinker.layers[0].feed_forward.experts[:2]
    assert not torch.equal(first.up_proj.weight, second.up_proj.weight)


def test_the_warm_start_is_a_copy_or_what_fits_of_it(bench) -> None:
    width = bench.config.hidden_size
    heads = bench.config.num_attention_heads
    for size in (width // 2, width, 2 * width):
        config = {"talker_hidden_size": size}
        warm = build_start(bench, replace(PLAIN, config=config), "language model", 0)
        cold = build_start(
            bench, replace(PLAIN, config=config, warm_start=False), "language model", 0
        )
        source = warm.thinker.layers[-1].attention.q_proj.weight
        mine = warm.talker.layers[-1].attention.q_proj.weight
        control = cold.talker.layers[-1].attention.q_proj.weight
        source, mine, control = (
            w.unflatten(0, (heads, -1)) for w in (source, mine, control)
        )
        both = tuple(
            slice(min(a, b)) for a, b in zip(mine.shape, source.shape, strict=True)
        )
        assert torch.equal(mine[both], source[both])
        assert not torch.equal(control[both], source[both])
        if size > width:
            rest = mine[:, width // heads :]
            assert torch.equal(rest, control[:, width // heads :])


# Bridge


@pytest.mark.parametrize("layer", [EMBEDDING, 0, 2, 3])
def test_the_talker_reads_the_bridge_layer_and_none_above_it(layer) -> None:
    model = tiny_model(bridge_layer=layer).eval()
    ids = random_ids(2, 7)
    before = model(ids).audio_logits
    for index, block in enumerate(model.thinker.layers):
        with torch.no_grad():
            block.feed_forward.down_proj.weight.mul_(2)
        same = torch.equal(before, model(ids).audio_logits)
        assert same == (index > layer)
        with torch.no_grad():
            block.feed_forward.down_proj.weight.div_(2)
    names = [s.config["bridge_layer"] for s in command.load("bridge_layer").settings]
    assert names == [EMBEDDING, *range(8)]


# Delay, noise, voice: what the data are told


def test_the_delay_is_the_models_and_the_datas(bench, tmp_path) -> None:
    for name, steps in (("at_once", 1), ("staggered", 8), ("two_steps", 15)):
        model = build_start(bench, of("delay", name), "language model", 0)
        assert model.config.frame_steps == steps
        model.save(tmp_path / name)
        loaded = OmniModel.from_pretrained(tmp_path / name)
        assert loaded.config.codebook_delay == model.config.codebook_delay


def test_noise_and_voice_settings_reach_the_data(tmp_path) -> None:
    files = _files(tmp_path)
    noise = command.load("input_noise")
    found = {
        setting.name: data_of(noise, setting, files, 0) for setting in noise.settings
    }
    assert {
        name: (data.code_noise, data.noise_specials) for name, data in found.items()
    } == {
        "none": (0.0, False),
        "5_codes": (0.05, False),
        "5_any": (0.05, True),
        "10_codes": (0.1, False),
        "10_any": (0.1, True),
    }
    voice = command.load("voice_condition")
    given = [data_of(voice, setting, files, 0) for setting in voice.settings]
    assert [(d.reference_probability, d.speaker_probability) for d in given] == [
        (0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0),
    ]  # fmt: skip


def _files(folder):
    from minimind_o.ablations.experiment import WorldFiles

    return WorldFiles(
        train=folder / "t.parquet",
        validation=folder / "v.parquet",
        questions=folder / "q.parquet",
    )


# Phases


def test_phases_share_the_steps_and_change_only_what_learns() -> None:
    stages = command.load("stages")
    recipe = recipe_of(stages, 200, 0)
    phases = phases_of(stages.setting("with"), recipe)
    assert [count for _, count in phases] == [50, 150]
    assert phases[0][0].learning == ("audio_projector", "image_projector")
    assert phases[1][0].learning == ("thinker", "audio_projector", "image_projector")
    for setting in stages.settings:
        assert sum(count for _, count in phases_of(setting, recipe)) == 200


def test_a_phase_leaves_the_other_parts_as_they_were(bench, tmp_path) -> None:
    stages = command.load("stages")
    experiment = tiny.experiment(
        settings=stages.settings, recipe={**stages.recipe, "guidance_weight": 0.0}
    )
    files = _files(tmp_path)
    tiny.write_world(bench, tmp_path / "world")
    files = dataclasses.replace(
        files,
        train=tmp_path / "world" / "train.parquet",
        validation=tmp_path / "world" / "validation.parquet",
    )
    for name, stays in (("projectors_only", True), ("with", False)):
        setting = stages.setting(name)
        model, _ = train(experiment, setting, 0, 4, bench, files)
        start = build_start(bench, setting, experiment.start, 0)
        pairs = [
            (now, start.state_dict()[key])
            for key, now in model.state_dict().items()
            if key.startswith("thinker.") and now.ndim == 2
        ]
        assert all(torch.equal(now, then) for now, then in pairs) == stays


# Experts and losses


def _batch(model: OmniModel) -> dict[str, torch.Tensor]:
    ids = random_ids(3, 12)
    ids[:, 8, 7:] = model.config.pad_token_id
    labels = ids[:, :8].roll(-1, dims=-1)
    labels[..., -1] = IGNORE
    labels[1, :, :4] = IGNORE
    text = ids[:, 8].roll(-1, dims=-1)
    text[:, 6:] = IGNORE
    return {
        "input_ids": ids,
        "audio_labels": labels,
        "text_labels": text,
        "lengths": torch.tensor([12, 10, 12]),
    }


def test_the_shares_of_a_layers_experts_sum_to_one_and_follow_the_gate() -> None:
    model = tiny_model(use_moe=True, num_experts=4).eval()
    with torch.no_grad():
        gate = model.thinker.layers[1].feed_forward.gate.weight
        gate.zero_()
    batch = _batch(model)
    found = expert_use(model, [batch, batch], torch.device("cpu"))
    num_layers = len(model.thinker.layers) + len(model.talker.layers)
    for kind in ("text", "sound"):
        shares = np.reshape(found[f"expert_use_{kind}"], (num_layers, 4))
        np.testing.assert_allclose(shares.sum(axis=1), 1)
        assert shares[1].max() == 1, "a gate of zeros sends all to one expert"
    assert found["expert_use_text"] != found["expert_use_sound"]


def test_losses_are_the_models_own_but_for_the_stops_weight(monkeypatch) -> None:
    model = tiny_model().eval()
    batch = _batch(model)
    found = losses_of(model, [batch, batch], torch.device("cpu"))
    output = model(
        batch["input_ids"],
        text_labels=batch["text_labels"],
        audio_labels=batch["audio_labels"],
    )
    assert found["audio_loss"] == pytest.approx(float(output.audio_loss), rel=1e-2)
    assert found["text_loss"] == pytest.approx(float(output.text_loss), rel=1e-2)
    assert len(found["codebook_loss"]) == len(found["codebook_accuracy"]) == 8
    guesses = model(batch["input_ids"]).audio_logits.argmax(-1)
    labels = batch["audio_labels"]
    right = ((guesses == labels).sum((0, 2)) / (labels != IGNORE).sum((0, 2))).tolist()
    assert found["codebook_accuracy"] == pytest.approx(right, abs=0.05)
