"""What is measured of a trained model, as numbers and lists that a table can hold.

Errors are kept answer by answer, with what they are errors of, so that an interval can
be computed from the table alone.

Shapes: B batch, Q codebook, T position, V vocabulary, X expert, N any number.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from minimind_o.ablations.closed_world import num_words
from minimind_o.ablations.experiment import Measures, Trained
from minimind_o.ablations.recipe import MAX_LENGTH, NUM_CLIPS, SAMPLING
from minimind_o.data.collate import collate
from minimind_o.data.encoders import NO_MEDIA
from minimind_o.data.examples import ExampleOptions, RowPreparer
from minimind_o.data.row import Row
from minimind_o.data.schema import BadRows
from minimind_o.evaluation.cases import Case, read_cases
from minimind_o.evaluation.consistency import compare
from minimind_o.evaluation.thinker_probe import watched_gates
from minimind_o.generation.batch import BatchAnswer, BatchSampling, generate_batch
from minimind_o.layout import IGNORE, LayoutSpec
from minimind_o.model import OmniModel
from minimind_o.model.blocks import Experts
from minimind_o.training.processes import autocast
from minimind_o.training.trainer import MEDIA, Batch, to_device


@torch.no_grad()
def losses_of(
    model: OmniModel,
    batches: Sequence[Batch],
    device: torch.device,
    *,
    speaks: bool = True,
) -> Measures:
    """Teacher-forced: mean cross-entropies, and the share of codes guessed right.

    A stop weighs as much as any code here. `audio_loss` is the mean over codebooks.
    """
    num_codebooks = model.config.num_codebooks
    text = torch.zeros(2, dtype=torch.float64)
    audio_3Q = torch.zeros(3, num_codebooks, dtype=torch.float64)
    for batch in batches:
        batch = to_device(batch, device)
        with autocast(device, "auto"):
            output = model(
                batch["input_ids"],
                **{name: batch.get(name) for name in MEDIA},
                thinker_only=not speaks,
            )
        text += _sums(output.text_logits, batch["text_labels"])[:2]
        if speaks:
            for q in range(num_codebooks):
                sums = _sums(output.audio_logits[:, q], batch["audio_labels"][:, q])
                audio_3Q[:, q] += sums
    found: Measures = {"text_loss": float(text[0] / text[1].clamp(min=1))}
    if speaks:
        per_codebook = audio_3Q[[0, 2]] / audio_3Q[1].clamp(min=1)
        found["audio_loss"] = float(per_codebook[0].mean())
        found["codebook_loss"] = per_codebook[0].tolist()
        found["codebook_accuracy"] = per_codebook[1].tolist()
    return found


@torch.no_grad()
def code_losses(run: Trained, rows: Sequence[Row]) -> Tensor:
    """Mean cross-entropy of each row's codes, codebook by codebook, (N, Q)."""
    spec = LayoutSpec.from_config(run.model.config)
    options = ExampleOptions(max_length=MAX_LENGTH)
    preparer = RowPreparer(tokenizer=run.bench.tokenizer, spec=spec, options=options)
    rng = np.random.default_rng(0)
    losses = []
    for _, prepared in preparer.prepare(rows, BadRows("fatal")):
        batch = collate(spec, [prepared.lay_out(spec, options, rng)])
        batch = to_device(batch, run.bench.device)
        output = run.model(
            batch["input_ids"],
            **{name: batch.get(name) for name in MEDIA},
            audio_labels=batch["audio_labels"],
        )
        losses.append((output.audio_loss_sum / output.audio_count).cpu())
    return torch.stack(losses)


def _sums(logits_BTV: Tensor | None, labels_BT: Tensor) -> Tensor:
    """Cross-entropy, number of labels and number of right guesses."""
    assert logits_BTV is not None
    is_labelled = labels_BT != IGNORE
    logits_NV, labels_N = logits_BTV[is_labelled].float(), labels_BT[is_labelled]
    loss = F.cross_entropy(logits_NV, labels_N, reduction="sum")
    right = (logits_NV.argmax(dim=-1) == labels_N).sum()
    return torch.stack([loss, is_labelled.sum(), right]).double().cpu()


def cases_of(run: Trained) -> list[Case]:
    """The questions of the run's world."""
    return read_cases(run.files.questions, run.bench.row_format)


def answer(
    run: Trained, cases: Sequence[Case], sampling: BatchSampling = SAMPLING
) -> list[BatchAnswer]:
    """The model's answers, with the voice given as in training."""
    config, data = run.model.config, run.data
    gives_codes = data.get("reference_probability", 1.0) > 0
    gives_vector = data.get("speaker_probability", 1.0) > 0
    media = (
        run.bench.encoders.encode(
            [case.recordings for case in cases], [case.pictures for case in cases]
        )
        if any(case.recordings or case.pictures for case in cases)
        else [NO_MEDIA] * len(cases)
    )
    return generate_batch(
        run.model,
        run.bench.tokenizer,
        LayoutSpec.from_config(config),
        [case.prompt for case in cases],
        [case.reference_codes_QR if gives_codes else None for case in cases],
        sampling,
        speaker_embeddings=[
            case.speaker_embedding if gives_vector else None for case in cases
        ],
        media=media,
        seed=run.seed,
    )


def consistency(
    run: Trained, cases: Sequence[Case], sampling: BatchSampling = SAMPLING
) -> Measures:
    """Does it say what it writes? Errors and lengths answer by answer.

    `cer_errors` of `cer_lengths` characters; `answer_words` of each written answer;
    `text_right`, 1 where it wrote the answer of the data.
    """
    answers = answer(run, cases, sampling)
    items = compare(cases, answers, run.bench.mimi, run.bench.transcriber)
    errors = [item.hearing.characters.errors for item in items]
    lengths = [item.hearing.characters.length for item in items]
    return {
        "cer": sum(errors) / max(sum(lengths), 1),
        "cer_errors": errors,
        "cer_lengths": lengths,
        "answer_words": [num_words(item.hearing.text) for item in items],
        "text_right": [int(item.is_right) for item in items],
        "is_finished": [int(item.is_finished) for item in items],
        **coded_clips(answers),
    }


def coded_clips(
    answers: Sequence[BatchAnswer], most: int = NUM_CLIPS, name: str = "clip"
) -> Measures:
    """Some of the answers, evenly chosen, to be heard beside the figures.

    `NAME_texts`, and `NAME_codes`, frame-major as in the released schema.
    """
    step = max(1, len(answers) // most)
    chosen = answers[::step][:most]
    return {
        f"{name}_texts": [each.text for each in chosen],
        f"{name}_codes": [each.codes_QF.T.flatten().tolist() for each in chosen],
    }


def spoken_adapters(model: OmniModel) -> int:
    """Parameters that only one codebook has, in the code embedding and the heads."""
    shared = ("code_embedding.shared", "code_heads.shared")
    return sum(
        parameter.numel()
        for name, parameter in model.talker.named_parameters()
        if name.startswith(("code_embedding.", "code_heads.")) and name not in shared
    )


@torch.no_grad()
def expert_use(
    model: OmniModel, batches: Sequence[Batch], device: torch.device
) -> Measures:
    """Which share of the positions each expert serves, layer by layer.

    `expert_use_text`: of positions where the text is still being written, or read;
    `expert_use_sound`: of those after it, where there is only sound. Each list is
    layer-major, the Thinker's layers before the Talker's; the shares of a layer sum to
    1. Padding does not count.
    """
    num_experts = model.config.num_experts
    layers = [
        module
        for stack in (model.thinker, model.talker)
        for module in stack.modules()
        if isinstance(module, Experts)
    ]
    counts = torch.zeros(2, len(layers), num_experts, dtype=torch.float64)
    for batch in batches:
        batch = to_device(batch, device)
        text_BT = batch["input_ids"][:, -1] != model.config.pad_token_id
        places = torch.arange(text_BT.shape[1], device=device)
        real_BT = places < batch["lengths"][:, None]
        with watched_gates(layers) as logits:
            model(batch["input_ids"], **{name: batch.get(name) for name in MEDIA})
        for layer, logits_NX in enumerate(logits):
            chosen = logits_NX.topk(layers[0].num_chosen, dim=-1).indices
            chosen_NX = F.one_hot(chosen, num_experts).sum(dim=1)
            for row, of_kind in enumerate((text_BT, ~text_BT)):
                mine = chosen_NX[(of_kind & real_BT).flatten()]
                counts[row, layer] += mine.sum(dim=0).double().cpu()
    shares = counts / counts.sum(dim=-1, keepdim=True).clamp(min=1)
    return {
        "expert_use_text": shares[0].flatten().tolist(),
        "expert_use_sound": shares[1].flatten().tolist(),
    }
