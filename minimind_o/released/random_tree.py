"""A tree of random weights in the released formats: everything but the learning.

Every file has the format, the name and the parameters of the released one, or of fewer
layers of the same widths (`SHALLOW`), so that whatever reads the tree reads the
released files, too. What a model of it says is noise.

    python -m minimind_o.released.random_tree FOLDER --reference SHARED

takes tokenizer, voices, recordings and pictures from `SHARED`, a folder with the
released `tokenizer.json`, `speaker/` and `eval_omni/`; without it, the embedded
tokenizer and recordings, and random voices.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
import torch
import yaml
from moshi.models import loaders
from moshi.models.compression import MimiModel
from safetensors.torch import save_file
from transformers import SiglipVisionConfig, SiglipVisionModel

from minimind_o.assets import NANO_ROOT, RANDOM_MARK, Assets
from minimind_o.config import CONFIG_FILE, OmniConfig
from minimind_o.data.writing import NewRow, write_table
from minimind_o.frozen.funasr_directory import save_half, write_configuration
from minimind_o.frozen.mimi_files import KYUTAI_FILE
from minimind_o.frozen.mimi_names import name_in_file
from minimind_o.frozen.siglip2 import save_siglip2
from minimind_o.model import names
from minimind_o.model.files import PICKLED_WEIGHTS_FILE, write_pickled
from minimind_o.model.omni import OmniModel
from minimind_o.nano.sensevoice_directory import untrained_model, write_directory
from minimind_o.released_config import to_released

SENSEVOICE_WORDS = 25_000
"""Entries of SenseVoice-Small's vocabulary, about."""
SENSEVOICE_TOKENIZER = "chn_jpn_yue_eng_ko_spectok.bpe.model"
CAMPPLUS_WEIGHTS = "campplus_cn_common.bin"
SAYING = "Nothing here was learned: the weights are random, in the released formats."
NUM_VOICES = {"voices": 5, "voices_unseen": 7}
"""Speakers of each file: those that were trained on, and the others."""
NUM_ROWS = {"sft_t2a": 64, "sft_a2a": 4, "sft_i2t": 4}
"""Of each split of a set."""
NUM_FRAMES = 12
"""Of each answer in the data."""
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class Depths:
    """Layers of each model; the widths are always the released ones."""

    thinker: int = 8
    talker: int = 4
    speech: tuple[int, int] = (50, 20)
    """Encoder blocks before and after SenseVoice's first norm."""
    vision: int = 12
    sensevoice_words: int = SENSEVOICE_WORDS


RELEASED = Depths()
SHALLOW = Depths(thinker=2, talker=1, speech=(2, 1), vision=2, sensevoice_words=500)
"""A twentieth of the work, for tests. Mimi and CAM++ have all their layers."""
FULL_MODEL = replace(SHALLOW, thinker=RELEASED.thinker, talker=RELEASED.talker)
"""Thinker and Talker whole, and encoders of few layers."""


def write_random_tree(
    root: Path, depths: Depths = RELEASED, reference: Path | None = None, seed: int = 0
) -> Assets:
    """Write the tree.

    Args:
        root: the folder; files of the same names are replaced.
        depths: how many layers.
        reference: a folder with the released `tokenizer.json`, `speaker` and
            `eval_omni`; None: the embedded tokenizer and media, and random voices.
        seed: of the weights and codes.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    nano = Assets(NANO_ROOT)
    root.mkdir(parents=True, exist_ok=True)
    (root / RANDOM_MARK).write_text(f"{SAYING}\n", "utf-8")
    _write_tokenizer(root / "tokenizer", reference or nano.tokenizer)
    _write_voices(root / "voices", reference, rng)
    _write_mimi(root / "mimi")
    _write_sensevoice(root / "sensevoice", depths)
    _write_siglip2(root / "siglip2", depths)
    _write_campplus(root / "campplus")
    _write_models(root, depths)
    shutil.copytree(nano.examples, root / "examples", dirs_exist_ok=True)
    _write_data(root, reference, rng)
    return Assets(root)


def _write_tokenizer(folder: Path, source: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(source / name, folder / name)


def _write_voices(
    folder: Path, reference: Path | None, rng: np.random.Generator
) -> None:
    """The released files, or two of their format."""
    folder.mkdir(exist_ok=True)
    for name, count in NUM_VOICES.items():
        file = folder / f"{name}.pt"
        if reference is not None:
            shutil.copyfile(reference / "speaker" / file.name, file)
            continue
        voices = {
            f"random_{name}_{number}": {
                "ref_codes": torch.from_numpy(rng.integers(0, 2048, (8, 40))),
                "spk_emb": torch.from_numpy(rng.normal(size=192)).float(),
            }
            for number in range(count)
        }
        torch.save(voices, file)


def _write_mimi(folder: Path) -> None:
    """kyutai's one file, 32 codebooks, no config."""
    folder.mkdir(exist_ok=True)
    model = loaders.get_mimi(None, None, "cpu", 32)
    _draw_codebooks(model.eval())
    tensors = {
        name_in_file(name): tensor.contiguous()
        for name, tensor in model.state_dict().items()
    }
    save_file(tensors, folder / KYUTAI_FILE)


@torch.no_grad()
def _draw_codebooks(model: MimiModel) -> None:
    """Entries that lie where speech does, so that its codes are many and different."""
    speech = Assets(NANO_ROOT).examples / "question.wav"
    samples_N, _ = soundfile.read(speech, dtype="float32")
    wave_11N = torch.from_numpy(samples_N)[None, None]
    latent = model.encode_to_latent(wave_11N, quantize=False)
    for half in (model.quantizer.rvq_first, model.quantizer.rvq_rest):
        half.input_proj.weight /= half.input_proj(latent).std()
        left_over_TD = half.input_proj(latent)[0].T
        for layer in half.vq.layers:
            book = layer._codebook
            entries = torch.randn(book.embedding_sum.shape) * left_over_TD.std(dim=0)
            entries += left_over_TD.mean(dim=0)
            book._initialized.fill_(1)
            book.cluster_usage.fill_(1)
            book.embedding_sum.copy_(entries)
            left_over_TD = (
                left_over_TD - entries[torch.cdist(left_over_TD, entries).argmin(dim=1)]
            )


def _write_sensevoice(folder: Path, depths: Depths) -> None:
    words = [f"word{number}" for number in range(depths.sensevoice_words)]
    num_blocks, num_top_blocks = depths.speech
    write_directory(
        folder,
        [" ".join(words[first : first + 100]) for first in range(0, len(words), 100)],
        width=512,
        num_blocks=num_blocks,
        num_top_blocks=num_top_blocks,
    )
    torch.save(untrained_model(folder).half().state_dict(), folder / "model.pt")
    (folder / "bpe.model").rename(folder / SENSEVOICE_TOKENIZER)
    file = folder / "configuration.json"
    file.write_text(file.read_text().replace("bpe.model", SENSEVOICE_TOKENIZER))


def _write_siglip2(folder: Path, depths: Depths) -> None:
    """siglip2-base-p32-256: 64 patches of a width of 768."""
    config = SiglipVisionConfig(
        hidden_size=768, intermediate_size=3072, num_hidden_layers=depths.vision,
        num_attention_heads=12, image_size=256, patch_size=32,
    )  # fmt: skip
    save_siglip2(SiglipVisionModel(config), folder)


def _write_campplus(folder: Path) -> None:
    from funasr.models.campplus.model import CAMPPlus  # takes seconds

    fields = {
        "feat_dim": 80, "embedding_size": 192, "growth_rate": 32, "bn_size": 4,
        "init_channels": 128, "config_str": "batchnorm-relu",
        "memory_efficient": True, "output_level": "segment",
    }  # fmt: skip
    folder.mkdir(exist_ok=True)
    config = {"model": "CAMPPlus", "model_conf": fields}
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    metas = {"init_param": CAMPPLUS_WEIGHTS}
    write_configuration(folder, "speaker-verification", metas)
    save_half(CAMPPlus(**fields), folder / CAMPPLUS_WEIGHTS)


def _write_models(root: Path, depths: Depths) -> None:
    """`llm_768.pth`, a bare state dict in fp16; and a Transformers folder in bf16."""
    config = OmniConfig(
        num_hidden_layers=depths.thinker, num_talker_hidden_layers=depths.talker
    )
    model = OmniModel(config)
    model.init_weights()
    state = model.state_dict()
    for folder in ("llm", "omni"):
        (root / folder).mkdir(exist_ok=True)
    thinker = names.to_released(names.thinker_names(config), state)
    thinker[names.TIED_HEAD] = thinker[names.TEXT_EMBEDDING]
    write_pickled(
        root / "llm" / "llm_768.pth", {name: t.half() for name, t in thinker.items()}
    )
    omni = names.to_released(names.omni_names(config), state)
    write_pickled(
        root / "omni" / PICKLED_WEIGHTS_FILE,
        {name: tensor.bfloat16() for name, tensor in omni.items()},
    )
    text = json.dumps(to_released(config), indent=2) + "\n"
    (root / "omni" / CONFIG_FILE).write_text(text)


def _write_data(root: Path, reference: Path | None, rng: np.random.Generator) -> None:
    """Random codes, real recordings and pictures; two of those in each split."""
    recordings, pictures = media_files(reference)
    for set_name, num_rows in NUM_ROWS.items():
        heard = recordings if set_name == "sft_a2a" else []
        shown = pictures if set_name == "sft_i2t" else []
        for number, split in enumerate(SPLITS):
            media = [2 * number + row % 2 for row in range(num_rows)]
            rows = [
                _row(heard[index : index + 1], shown[index : index + 1], rng)
                for index in media
            ]
            write_table(root / set_name / f"{split}.parquet", rows)


def media_files(reference: Path | None) -> tuple[list[Path], list[Path]]:
    """Six recordings and six pictures, the shortest first."""
    if reference is None:
        examples = Assets(NANO_ROOT).examples
        return [examples / "question.wav"] * 6, [examples / "picture.png"] * 6
    folder = reference / "eval_omni"
    found = (sorted(folder.glob(kind), key=_size) for kind in ("*.mp3", "*.jpg"))
    recordings, pictures = (files[:6] for files in found)
    return recordings, pictures


def _size(file: Path) -> tuple[int, str]:
    return file.stat().st_size, file.name


def _row(
    recordings: Sequence[Path], pictures: Sequence[Path], rng: np.random.Generator
) -> NewRow:
    question = "<image>\nWhat do you see?" if pictures else "What is it?"
    return NewRow(
        turns=[
            {"role": "user", "content": "" if recordings else question},
            {"role": "assistant", "content": "A red cat."},
        ],
        answer_codes=rng.integers(0, 2048, (8, NUM_FRAMES)),
        reference_codes=rng.integers(0, 2048, (8, 10)),
        speaker=rng.normal(size=192).astype(np.float32),
        recordings=[file.read_bytes() for file in recordings],
        pictures=[file.read_bytes() for file in pictures],
    )


def main() -> None:
    """Write the tree that the command line names."""
    parser = argparse.ArgumentParser(description="A tree of random released weights.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--reference", type=Path, metavar="SHARED")
    parser.add_argument("--shallow", action="store_true", help="few layers")
    arguments = parser.parse_args()
    depths = SHALLOW if arguments.shallow else RELEASED
    write_random_tree(arguments.folder, depths, arguments.reference)
    print(f"Random weights in the released formats are in {arguments.folder}")


if __name__ == "__main__":
    main()
