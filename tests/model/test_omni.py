"""What a forward pass promises: losses, injection, captured attention."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from minimind_o.errors import UserError
from minimind_o.model import OmniModel
from minimind_o.model.blocks import RotaryEmbedding
from tests.model.tiny import random_ids, tiny_config, tiny_model

STOP, SPEAKER, AUDIO, IMAGE = 34, 35, 16, 12


def staggered_labels(ids: Tensor, start: int, num_frames: int) -> tuple[Tensor, Tensor]:
    text = torch.full_like(ids[:, 8], -100)
    text[:, start : start + 5] = ids[:, 8, start + 1 : start + 6]
    audio = torch.full_like(ids[:, :8], -100)
    for layer in range(8):
        first = start + layer
        audio[:, layer, first : first + num_frames] = ids[
            :, layer, first + 1 : first + 1 + num_frames
        ]
        audio[:, layer, first + num_frames] = STOP
    return text, audio


@pytest.fixture
def model() -> OmniModel:
    return tiny_model()


@pytest.mark.parametrize("use_moe", [False, True])
def test_losses_are_those_of_the_full_logits(use_moe: bool) -> None:
    model = tiny_model(use_moe=use_moe)
    ids = random_ids(2, 24)
    text_labels, audio_labels = staggered_labels(ids, 6, 7)
    logits = model(ids)
    output = model(ids, text_labels=text_labels, audio_labels=audio_labels)
    assert output.text_logits is None
    assert output.audio_logits is None

    expected = F.cross_entropy(logits.text_logits.flatten(0, 1), text_labels.flatten())
    assert output.text_loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert output.text_count.item() == 10
    per_layer = []
    for layer in range(8):
        labels = audio_labels[:, layer].flatten()
        losses = F.cross_entropy(
            logits.audio_logits[:, layer].flatten(0, 1), labels, reduction="none"
        )
        weighted = losses * torch.where(labels == STOP, 10.0, 1.0)
        per_layer.append(weighted.sum() / (labels != -100).sum())
    expected = torch.stack(per_layer).mean()
    assert output.audio_loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert output.audio_count.tolist() == [16] * 8


def test_sums_over_two_batches_give_the_loss_of_both(model: OmniModel) -> None:
    ids = random_ids(4, 24)
    text_labels, audio_labels = staggered_labels(ids, 6, 7)
    text_labels[0, 6:9] = -100
    audio_labels[0, 2:5, 9:] = -100

    def run(rows: slice) -> tuple[Tensor, ...]:
        output = model(
            ids[rows], text_labels=text_labels[rows], audio_labels=audio_labels[rows]
        )
        return (
            output.text_loss_sum,
            output.text_count,
            output.audio_loss_sum,
            output.audio_count,
            output.text_loss,
            output.audio_loss,
        )

    whole, parts = run(slice(None)), (run(slice(0, 1)), run(slice(1, 4)))
    sums = [first + second for first, second in zip(*parts, strict=True)]
    assert (sums[0] / sums[1]).item() == pytest.approx(whole[4].item(), rel=1e-5)
    audio = (sums[2] / sums[3]).mean().item()
    assert audio == pytest.approx(whole[5].item(), rel=1e-5)


def test_heads_run_only_where_there_are_labels(
    model: OmniModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = random_ids(2, 24)
    text_labels, audio_labels = staggered_labels(ids, 6, 7)
    seen = {}
    text_logits, heads = model.thinker.text_logits, model.talker.code_heads.forward
    monkeypatch.setattr(
        model.thinker,
        "text_logits",
        lambda x: seen.setdefault("text", x.shape[0]) and text_logits(x),
    )
    monkeypatch.setattr(
        model.talker.code_heads,
        "forward",
        lambda x: seen.setdefault("audio", x.shape[0]) and heads(x),
    )
    model(ids, text_labels=text_labels, audio_labels=audio_labels)
    assert seen == {"text": 2 * 5, "audio": 2 * (7 + 1 + 7)}


def test_every_parameter_has_a_gradient_without_any_label(model: OmniModel) -> None:
    ids = random_ids(2, 12)
    output = model(
        ids,
        text_labels=torch.full((2, 12), -100),
        audio_labels=torch.full((2, 8, 12), -100),
    )
    (output.text_loss + output.audio_loss).backward()
    assert output.text_loss.item() == output.audio_loss.item() == 0
    media = ("audio_projector", "image_projector", "talker.speaker_proj")
    for name, parameter in model.named_parameters():
        assert name.startswith(media) or parameter.grad is not None, name


def test_thinker_only_is_the_same_language_model(model: OmniModel) -> None:
    ids = random_ids(2, 12)
    labels = ids[:, 8].roll(-1, 1)
    alone = model(ids, text_labels=labels, thinker_only=True)
    both = model(ids, text_labels=labels)
    assert torch.equal(alone.text_loss, both.text_loss)
    assert model(ids, thinker_only=True).audio_logits is None


def test_encoder_states_take_the_placeholders_in_order(model: OmniModel) -> None:
    """Speech in two rows of three, of unlike length; an image in one."""
    ids = random_ids(3, 16)
    ids[0, 8, 3:6] = AUDIO
    ids[2, 8, 5:10] = AUDIO
    ids[1, 8, 2:6] = IMAGE
    audio, image = torch.randn(3, 5, 12), torch.randn(3, 4, 10)
    audio_lengths, image_lengths = torch.tensor([3, 0, 5]), torch.tensor([0, 4, 0])
    embedded = model.embed(ids[:, 8], audio, audio_lengths, image, image_lengths)
    expected = model.thinker.embed_tokens(ids[:, 8]).clone()
    expected[0, 3:6] = model.audio_projector(audio[0, :3])
    expected[2, 5:10] = model.audio_projector(audio[2])
    expected[1, 2:6] = model.image_projector(image[1])
    assert torch.allclose(embedded, expected, atol=1e-6)


def test_a_wrong_number_of_placeholders_names_the_row(model: OmniModel) -> None:
    ids = random_ids(2, 16)
    ids[:, 8, 3:6] = AUDIO
    states = torch.randn(2, 4, 12)
    with pytest.raises(UserError, match=r"Row 1 .* 3 speech placeholders but 4"):
        model(ids, audio_states=states, audio_lengths=torch.tensor([3, 4]))
    ids[1, 8, 8:11] = IMAGE
    with pytest.raises(UserError, match=r"Row 1 .* 3 image placeholders but 4"):
        model(ids, image_states=torch.randn(2, 4, 10))


def test_the_speaker_embedding_matters_only_behind_its_code(model: OmniModel) -> None:
    ids = random_ids(1, 12)
    ids[:, :8, 4] = SPEAKER
    with_speaker = model(ids, speaker_embedding=torch.randn(1, 6)).audio_logits
    without = model(ids).audio_logits
    assert torch.equal(with_speaker[:, :, :4], without[:, :, :4])
    assert not torch.allclose(with_speaker[:, :, 4:], without[:, :, 4:])


@pytest.mark.parametrize("layers", [(0,), (1,), (0, 1)])
def test_captured_attention_is_the_attention_that_ran(
    model: OmniModel, layers: tuple[int, ...]
) -> None:
    ids = random_ids(2, 10)
    plain, output = model(ids), model(ids, capture_attention=layers)
    assert tuple(output.talker_attention) == layers
    assert torch.allclose(output.audio_logits, plain.audio_logits, atol=1e-5)
    for attention in output.talker_attention.values():
        assert attention.shape == (2, 4, 10, 10)
        assert torch.allclose(attention.sum(-1), torch.ones(2, 4, 10))
        assert attention.triu(1).abs().max() == 0
        attention[..., 0].sum().backward(retain_graph=True)
    assert model.talker.layers[layers[0]].attention.q_proj.weight.grad.abs().max() > 0


def test_a_captured_layer_must_exist(model: OmniModel) -> None:
    with pytest.raises(UserError, match="Talker layer 2"):
        model(random_ids(1, 4), capture_attention=(2,))


def test_a_sequence_beyond_the_positions_is_refused(model: OmniModel) -> None:
    with pytest.raises(UserError, match="129 positions"):
        model(random_ids(1, 129))


def test_autocast_stays_close_and_losses_are_float32(model: OmniModel) -> None:
    ids = random_ids(2, 24)
    text_labels, audio_labels = staggered_labels(ids, 6, 7)
    labels = {"text_labels": text_labels, "audio_labels": audio_labels}
    exact = model(ids, **labels)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = model(ids, **labels)
    for name in ("text_loss", "audio_loss"):
        ours, theirs = getattr(rough, name), getattr(exact, name)
        assert ours.dtype == torch.float32
        assert ours.item() == pytest.approx(theirs.item(), rel=2e-2)


def test_yarn_stretches_the_long_waves_alone() -> None:
    original = tiny_config(yarn_original_max_position_embeddings=64)
    stretched = tiny_config(yarn=True, yarn_original_max_position_embeddings=64)
    before = RotaryEmbedding(original, 64)._frequencies()
    after = RotaryEmbedding(stretched, 64)._frequencies()
    ratio = before / after
    assert torch.allclose(ratio[0], torch.tensor(1.0))
    assert torch.allclose(ratio[-1], torch.tensor(16.0))
    assert bool((ratio.diff() >= -1e-4).all())


def test_an_expert_that_is_not_chosen_is_not_active() -> None:
    dense, moe = (tiny_model(use_moe=use_moe) for use_moe in (False, True))
    counts = dense.num_parameters()
    assert counts.total == counts.active == sum(p.numel() for p in dense.parameters())
    # An MoE model works as the dense one does, but for its gates.
    gates = sum(
        p.numel() for name, p in moe.named_parameters() if "feed_forward.gate." in name
    )
    assert moe.num_parameters().active == counts.total + gates
    assert moe.num_parameters().total > 1.5 * counts.total
