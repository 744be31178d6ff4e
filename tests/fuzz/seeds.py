"""Small valid inputs of every kind that comes from outside, made here."""

import base64
import io
import json
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
import torch
from PIL import Image
from safetensors.torch import save

from minimind_o.data.schema import SCHEMA
from minimind_o.frozen.mimi import NANO_MIMI
from minimind_o.frozen.siglip2 import NANO_SIGLIP2
from minimind_o.model import names
from minimind_o.released_config import to_released
from minimind_o.serve.wire import pack
from tests.model.tiny import tiny_config, tiny_model

RATE = 16_000


def sound(seconds: float = 0.2, channels: int = 1) -> np.ndarray:
    """A tone, (N,) or (N, channels)."""
    wave_N = 0.3 * np.sin(np.arange(int(seconds * RATE)) * 0.2).astype(np.float32)
    return wave_N if channels == 1 else np.stack([wave_N] * channels, axis=1)


def audio(kind: str = "WAV", subtype: str | None = None, channels: int = 1) -> bytes:
    """An encoded recording."""
    file = io.BytesIO()
    soundfile.write(file, sound(channels=channels), RATE, format=kind, subtype=subtype)
    return file.getvalue()


def audios() -> list[bytes]:
    """One of each format that is read."""
    return [
        audio(), audio("WAV", "FLOAT", 2), audio("WAV", "PCM_24"), audio("WAV", "ULAW"),
        audio("FLAC"), audio("OGG"), audio("OGG", "OPUS"), audio("MP3"),
    ]  # fmt: skip


def picture(kind: str, mode: str = "RGB", **options: Any) -> bytes:
    """An encoded picture of 16 x 12 pixels."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (12, 16, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, kind, **options)
    return file.getvalue()


def pictures() -> list[bytes]:
    """One of each format, and PNGs and TIFFs of some modes."""
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    return [
        picture("PNG"), picture("PNG", "P"), picture("PNG", "I;16"),
        picture("PNG", "RGBA"), picture("JPEG", exif=exif), picture("JPEG", "CMYK"),
        picture("GIF", "P"), picture("WEBP"), picture("WEBP", lossless=True),
        picture("BMP"), picture("TIFF"), picture("TIFF", compression="tiff_lzw"),
        picture("TIFF", "F"), picture("TIFF", compression="jpeg"),
    ]  # fmt: skip


def conversation() -> list[dict[str, Any]]:
    """A system turn, a question with a picture, a thought and an answer."""
    return [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "<image>\nWhat is it?"},
        {"role": "assistant", "content": "<think>\nA cat.\n</think>\n\nA red cat."},
    ]


def row() -> dict[str, Any]:
    """One row in the schema's own values."""
    return {
        "conversations": json.dumps(conversation()),
        "question_audios": [audio()],
        "answer_audios": [list(range(16))],
        "image_bytes": [picture("PNG")],
        "ref_audios": list(range(24)),
        "spk_emb": [0.5] * 192,
        "answer_alignment": [0, 1],
    }


def parquet(**options: Any) -> bytes:
    """A file of three rows."""
    columns = {name: [row()[name]] * 3 for name in SCHEMA.names}
    file = io.BytesIO()
    pq.write_table(pa.table(columns, schema=SCHEMA), file, **options)
    return file.getvalue()


def parquets() -> list[bytes]:
    """Of three codecs, with dictionaries and without."""
    return [
        parquet(compression="none", use_dictionary=False),
        parquet(compression="snappy"),
        parquet(compression="zstd", data_page_version="2.0"),
        parquet(compression="gzip", row_group_size=1),
    ]


def json_row() -> bytes:
    """A row as JSON, its bytes in base64 (`tests.fuzz.readers.read_json_row`)."""
    values = row()
    for name in ("question_audios", "image_bytes"):
        values[name] = [base64.b64encode(blob).decode() for blob in values[name]]
    return json.dumps(values).encode()


def voice_json() -> bytes:
    """A voice file of ours."""
    codes = [list(range(5))] * 8
    content = {"name": "v", "codes": codes, "speaker_embedding": [0.1] * 8}
    return json.dumps(content).encode()


def saved(content: Any) -> bytes:
    """What `torch.save` writes."""
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def voice_pt() -> bytes:
    """A released file of one voice."""
    entry = {"ref_codes": torch.ones(8, 5, dtype=torch.long), "spk_emb": torch.ones(8)}
    return saved({"one": entry})


_TELLING = (
    "model.embed_tokens.weight", "model.layers.0.mlp.gate_proj.weight",
    "model.layers.0.self_attn.q_norm.weight", "model.layers.0.self_attn.k_proj.weight",
    "talker.norm.weight", "talker.layers.0.self_attn.q_norm.weight",
    "talker.layers.0.self_attn.k_proj.weight", "talker.embed_tokens.base.weight",
    "talker.embed_tokens.adapters.0.0.weight", "talker.lm_head.adapters.0.0.weight",
    "talker.spk_proj.weight", "audio_proj.mlp.0.weight", "vision_proj.mlp.0.weight",
)  # fmt: skip


@cache
def tensors() -> dict[str, torch.Tensor]:
    """Of a model of one layer those that tell its config; released names, fp16."""
    model = tiny_model(
        num_hidden_layers=1, num_talker_hidden_layers=1, num_codebooks=2, vocab_size=20,
        hidden_size=8, talker_hidden_size=8, num_attention_heads=2,
        num_key_value_heads=1, talker_embedding_rank=2, talker_head_rank=2,
        num_codes=4, audio_vocab_size=68, audio_pad_token=5, audio_stop_token=6,
        audio_speaker_token=7, audio_hidden_size=4, image_hidden_size=4,
    )  # fmt: skip
    state = names.to_released(names.omni_names(model.config), model.state_dict())
    return {name: state[name].half().contiguous() for name in _TELLING}


@cache
def safetensors() -> bytes:
    """These as safetensors."""
    return save(tensors(), {"format": "pt"})


def model_configs() -> list[bytes]:
    """A model's config in our words and in the released ones."""
    config = tiny_config(num_hidden_layers=1, num_talker_hidden_layers=1)
    return [
        json.dumps(config.to_dict()).encode(), json.dumps(to_released(config)).encode()
    ]  # fmt: skip


def codec_configs() -> list[bytes]:
    """A codec's config in moshi's words and in transformers'."""
    fields = {
        "model_type": "mimi", "num_filters": 16, "hidden_size": 128,
        "codebook_dim": 64, "vector_quantization_hidden_dimension": 64,
        "codebook_size": 512, "num_quantizers": 8, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 4, "intermediate_size": 512,
        "upsample_groups": 128, "head_dim": 32, "num_labels": 2,
    }  # fmt: skip
    return [json.dumps(NANO_MIMI).encode(), json.dumps(fields).encode()]


def vision_configs() -> list[bytes]:
    """A vision tower's config, alone and in that of two towers."""
    fields = {**NANO_SIGLIP2, "model_type": "siglip_vision_model", "num_labels": 2}
    both = {"model_type": "siglip", "vision_config": fields, "text_config": {}}
    return [json.dumps(fields).encode(), json.dumps(both).encode()]


def frames() -> list[bytes]:
    """One of each message that a page sends."""
    samples = sound().astype("<f4").tobytes()
    return [
        pack({"kind": "microphone", "number": 0, "rate": RATE}, samples),
        pack({"kind": "microphone", "number": 0, "rate": 48_000}, samples),
        pack({"kind": "played", "turn": 1, "samples": 1920}),
        pack({"kind": "ask", "text": "What is it?"}),
        pack({"kind": "picture"}, picture("PNG")),
        pack({"kind": "speech"}, audio()),
        pack({"kind": "voice", "name": "ada"}),
        pack({"kind": "clone"}, audio("FLAC")),
        pack({"kind": "interrupt"}),
    ]
