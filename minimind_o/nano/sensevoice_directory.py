"""A SenseVoice directory in funasr's own format, but for the weights."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import sentencepiece
import yaml

from minimind_o.frozen.funasr_directory import write_configuration

if TYPE_CHECKING:
    from funasr.models.sense_voice.model import SenseVoiceSmall

NUM_FEATURES = 560  # 7 frames of 80 mel bands
RICH_TOKENS = ("<|en|>", "<|zh|>", "<|Speech|>", "<|NEUTRAL|>", "<|woitn|>")


_HAN = re.compile(r"([\u3400-\u9fff])")


def spaced(text: str) -> str:
    """A normalised text with its words apart: a Mandarin character is a word.

    The nano recogniser writes whole words. With pieces of words it has to learn English
    spelling from sound, which took it more than the hour an asset may take.
    """
    return " ".join(_HAN.sub(r" \1 ", text).split())


def write_directory(
    directory: Path,
    texts: Sequence[str],
    *,
    width: int,
    num_blocks: int,
    num_top_blocks: int,
) -> None:
    """The directory without weights: sentencepiece model, configs, unit cmvn.

    Args:
        directory: is made where it is missing.
        texts: what the sentencepiece model is trained on, words apart (`spaced`).
        width: of the encoder.
        num_blocks, num_top_blocks: encoder blocks before and after the first norm.
    """
    directory.mkdir(parents=True, exist_ok=True)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_prefix=str(directory / "bpe"),
        model_type="word",
        use_all_vocab=True,
        character_coverage=1.0,
        user_defined_symbols=list(RICH_TOKENS),
        minloglevel=2,
    )
    (directory / "bpe.vocab").unlink()
    encoder = {
        "output_size": width, "attention_heads": 4, "linear_units": 4 * width,
        "num_blocks": num_blocks, "tp_blocks": num_top_blocks, "dropout_rate": 0.0,
        "positional_dropout_rate": 0.0, "attention_dropout_rate": 0.0,
        "input_layer": "pe", "pos_enc_class": "SinusoidalPositionEncoder",
        "normalize_before": True, "kernel_size": 11, "sanm_shfit": 0,
        "selfattention_layer_type": "sanm",
    }  # fmt: skip
    config = {
        "encoder": "SenseVoiceEncoderSmall",
        "encoder_conf": encoder,
        "model": "SenseVoiceSmall",
        "model_conf": {
            "length_normalized_loss": True, "sos": 1, "eos": 2, "ignore_id": -1,
        },
        "tokenizer": "SentencepiecesTokenizer",
        "tokenizer_conf": {
            "bpemodel": None, "unk_symbol": "<unk>", "split_with_space": True,
        },
        "frontend": "WavFrontend",
        "frontend_conf": {
            "fs": 16000, "window": "hamming", "n_mels": 80, "frame_length": 25,
            "frame_shift": 10, "lfr_m": 7, "lfr_n": 6, "cmvn_file": None,
        },
    }  # fmt: skip
    (directory / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    metas = {
        "init_param": "model.pt",
        "tokenizer_conf": {"bpemodel": "bpe.model"},
        "frontend_conf": {"cmvn_file": "am.mvn"},
    }
    write_configuration(directory, "auto-speech-recognition", metas)
    shift, scale = np.zeros(NUM_FEATURES), np.ones(NUM_FEATURES)
    write_cmvn(directory / "am.mvn", shift, scale)


def untrained_model(directory: Path) -> "SenseVoiceSmall":
    """The model that a directory without weights describes, with random ones."""
    from funasr.models.sense_voice.model import SenseVoiceSmall  # takes seconds

    config = yaml.safe_load((directory / "config.yaml").read_text())
    pieces = sentencepiece.SentencePieceProcessor(str(directory / "bpe.model"))
    return SenseVoiceSmall(
        encoder=config["encoder"],
        encoder_conf=config["encoder_conf"],
        input_size=NUM_FEATURES,
        vocab_size=pieces.GetPieceSize(),
        **config["model_conf"],
    )


def write_cmvn(path: Path, shift: np.ndarray, scale: np.ndarray) -> None:
    """Kaldi's nnet text, which funasr reads: features become (x + shift) · scale."""

    def row(values: np.ndarray) -> str:
        return "[ " + " ".join(f"{v:.6g}" for v in values) + " ]"

    size = len(shift)
    path.write_text(
        f"<Nnet>\n<Splice> {size} {size}\n[ 0 ]\n"
        f"<AddShift> {size} {size}\n<LearnRateCoef> 0 {row(shift)}\n"
        f"<Rescale> {size} {size}\n<LearnRateCoef> 0 {row(scale)}\n</Nnet>\n"
    )
