"""Every reader of outside bytes: functions that may raise only `UserError`."""

import atexit
import base64
import binascii
import json
import os
import random
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from minimind_o import tokenizer as tokenizers
from minimind_o.assets import Assets
from minimind_o.chat import check_plain_text, check_turns, place_media
from minimind_o.config import OmniConfig
from minimind_o.data.media import read_audio, read_picture
from minimind_o.data.row import RowFormat, read_row
from minimind_o.data.schema import (
    SCHEMA,
    BadRows,
    check_schema,
    open_parquet,
    read_row_group,
    read_rows,
)
from minimind_o.errors import UserError
from minimind_o.frozen.funasr_directory import check_directory
from minimind_o.frozen.mimi_files import expected_shapes, read_codec_config
from minimind_o.frozen.siglip2 import read_config as read_vision_config
from minimind_o.generation.engine import Request
from minimind_o.generation.voices import Voice, load_voice, read_released_voices
from minimind_o.model.checkpoints import read_checkpoint
from minimind_o.model.files import read_tensors
from minimind_o.model.omni import OmniModel
from minimind_o.realtime.connection import Connection
from minimind_o.realtime.session import Session
from minimind_o.serve.wire import unpack
from tests.fuzz import seeds
from tests.fuzz.containers import (
    mutate_frame,
    mutate_png,
    mutate_safetensors,
    mutate_zip,
)
from tests.fuzz.mutation import Mutator, mutate_bytes, mutate_json, splice
from tests.realtime.fakes import LevelDetector, ScriptedAnswerer

Read = Callable[[bytes], object]


@dataclass(frozen=True, kw_only=True)
class Reader:
    """What reads, what it reads, and how that is damaged."""

    read: Read
    seeds: Callable[[], Sequence[bytes]]
    mutators: tuple[Mutator, ...] = (mutate_bytes,)

    def input(self, name: str, seed: int, number: int) -> bytes:
        """The damaged input of a number, always the same one."""
        rng = random.Random(f"{name} {seed} {number}")
        chosen = rng.choice(self.valid)
        if rng.random() < 0.05:
            return splice(chosen, rng.choice(self.valid), rng)
        mutate = rng.choice(self.mutators)
        try:
            return mutate(chosen, rng)
        except (ValueError, LookupError, TypeError, RecursionError, OverflowError,
                zlib.error, zipfile.BadZipFile):  # fmt: skip
            return mutate_bytes(chosen, rng)  # this seed is not of that container

    @property
    def valid(self) -> Sequence[bytes]:
        """The seeds, made once."""
        return _cached(self.seeds)


@cache
def _cached(make: Callable[[], Sequence[bytes]]) -> Sequence[bytes]:
    return make()


def scratch_folder(process_id: int) -> Path:
    """Where a process writes its inputs: in memory where that is possible."""
    memory = Path("/dev/shm")
    base = memory if memory.is_dir() else Path(tempfile.gettempdir())
    return base / f"minimind-o-fuzz-{process_id}"


def _folder() -> Path:
    folder = scratch_folder(os.getpid())
    if not folder.is_dir():
        folder.mkdir()
        # A campaign's processes end without this; the campaign does it for them.
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _file(name: str, data: bytes) -> Path:
    path = _folder() / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


def read_parquet(data: bytes) -> None:
    """As training and `data check` read a file."""
    path, row_format = _file("rows.parquet", data), RowFormat()
    for _ in read_rows(path, row_format, BadRows("skip")):
        pass
    with open_parquet(path) as file:
        check_schema(file.schema_arrow, "rows")
        for group in range(min(file.num_row_groups, 4)):
            num_rows = min(file.metadata.row_group(group).num_rows, 4)
            offsets = list(range(num_rows))
            for _ in read_row_group(
                file, "rows", group, 0, offsets, row_format, BadRows("skip")
            ):
                pass


def read_json_row(data: bytes) -> None:
    """One row of any values that Arrow can hold."""
    try:
        columns = {str(n): pa.array([v]) for n, v in _row_values(data).items()}
        table = pa.table(columns)
    except (ValueError, TypeError, OverflowError, pa.ArrowException, RecursionError):
        return  # there is no such row
    check_schema(table.schema, "row")
    scalars = {
        name: column.cast(pa.binary())[0] if _is_text(column) else column[0]
        for name, column in zip(table.schema.names, table.columns, strict=True)
        if name in SCHEMA.names
    }
    read_row("row", 0, scalars, RowFormat())


def _is_text(column: pa.ChunkedArray) -> bool:
    return pa.types.is_string(column.type)


def _row_values(data: bytes) -> dict[str, Any]:
    values = json.loads(data)
    if not isinstance(values, dict):
        raise ValueError
    for name in ("question_audios", "image_bytes"):
        if isinstance(values.get(name), list):
            values[name] = [_blob(one) for one in values[name]]
    return values


def _blob(text: Any) -> Any:
    try:
        return base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error):
        return text.encode("utf-8", "replace") if isinstance(text, str) else text


def read_voice_json(data: bytes) -> None:
    """A voice as `--voice` loads it."""
    path = _file("voices_json/v.json", data)
    load_voice(path.parent, "v", num_codes=2048)


def read_voice_pt(data: bytes) -> None:
    """All voices of a released file."""
    for voice in read_released_voices(_file("many.pt", data)).values():
        assert voice.codes_QT.shape[0] == 8


def read_safetensors(data: bytes) -> None:
    """A model's weights, and the config that their shapes tell."""
    read_tensors(_file("model.safetensors", data))


def read_pth(data: bytes) -> None:
    """A released file without a config, which its shapes tell."""
    path = _file("model.pth", data)
    read_checkpoint(path)


def read_shard_index(data: bytes) -> None:
    """The index of a model in shards; the shard is there."""
    _file("shards/model-1.safetensors", seeds.safetensors())
    read_tensors(_file("shards/model.safetensors.index.json", data))


def read_model_config(data: bytes) -> None:
    """A model's config; of what is not refused some is built, without memory."""
    config = OmniConfig.read(_file("config.json", data))
    if _is_chosen(data):
        OmniModel.parameter_shapes(config)


def read_codec(data: bytes) -> None:
    """A codec's config; of what is not refused some is built, without memory."""
    config = read_codec_config(_file("codec/config.json", data))
    if _is_chosen(data):
        expected_shapes(config, "config.json")


def _is_chosen(data: bytes) -> bool:
    """One input of thirty-two: building takes a tenth of a second."""
    return zlib.crc32(data) % 32 == 0


def read_vision(data: bytes) -> None:
    """A vision tower's config."""
    read_vision_config(_file("vision/config.json", data))


def read_funasr(data: bytes) -> None:
    """The config.yaml of a speech or speaker encoder."""
    _file(
        "funasr/configuration.json", b'{"file_path_metas": {"init_param": "model.pt"}}'
    )
    check_directory(_file("funasr/config.yaml", data).parent, "SenseVoice")


def funasr_seeds() -> list[bytes]:
    """Those of the embedded encoders."""
    folders = (Assets.find().sensevoice, Assets.find().campplus)
    return [(folder / "config.yaml").read_bytes() for folder in folders]


@cache
def _tokenizer() -> tokenizers.Tokenizer:
    return tokenizers.load(Assets.find().tokenizer)


def read_conversation(data: bytes) -> None:
    """A conversation through the chat template, for training and as a prompt."""
    try:
        turns = json.loads(data)
    except (ValueError, RecursionError):
        check_plain_text(data.decode("utf-8", "replace"))
        return
    if not isinstance(turns, list):
        return
    check_turns(turns)
    for tries in (
        lambda: _tokenizer().encode_conversation(turns),
        lambda: _tokenizer().encode_prompt(turns),
        lambda: _tokenizer().encode_prompt(turns[:-1]),
        lambda: place_media(turns, [3], [4]),
    ):
        try:
            tries()
        except UserError:
            continue


def conversation_seeds() -> list[bytes]:
    """One with everything, and a short one."""
    short = [{"role": "user", "content": "Say: a cat."}]
    return [json.dumps(turns).encode() for turns in (seeds.conversation(), short)]


def _voice(name: str) -> Voice:
    if name != "ada":
        raise UserError(f"voice '{name}' is not known.")
    return Voice(name=name, codes_QT=np.zeros((8, 3), np.int64))


def _clone(payload: bytes) -> Voice:
    read_audio(payload, "the recording")
    return _voice("ada")


def read_frame(data: bytes) -> None:
    """Frames of a web socket into a session that hears, is asked and answers."""
    request = Request()
    session = Session(ScriptedAnswerer(), LevelDetector(), request)
    connection = Connection(session, _voice, _clone)
    message, payload = unpack(data)
    for _ in range(2):
        connection.receive(message, payload)
        while session.work():
            pass
    connection.messages()
    session.close()


def one(*inputs: bytes) -> Callable[[], Sequence[bytes]]:
    """A reader's seeds."""
    return lambda: inputs


READERS: dict[str, Reader] = {
    "parquet": Reader(read=read_parquet, seeds=seeds.parquets),
    "row": Reader(
        read=read_json_row,
        seeds=lambda: [seeds.json_row()],
        mutators=(mutate_json, mutate_json, mutate_bytes),
    ),
    "audio": Reader(read=read_audio, seeds=seeds.audios),
    "image": Reader(
        read=read_picture, seeds=seeds.pictures, mutators=(mutate_bytes, mutate_png)
    ),
    "voice_json": Reader(
        read=read_voice_json,
        seeds=lambda: [seeds.voice_json()],
        mutators=(mutate_bytes, mutate_json),
    ),
    "voice_pt": Reader(
        read=read_voice_pt,
        seeds=lambda: [seeds.voice_pt()],
        mutators=(mutate_bytes, mutate_zip, mutate_zip),
    ),
    "safetensors": Reader(
        read=read_safetensors,
        seeds=lambda: [seeds.safetensors()],
        mutators=(mutate_bytes, mutate_safetensors),
    ),
    "pth": Reader(
        read=read_pth,
        seeds=lambda: [seeds.saved(seeds.tensors())],
        mutators=(mutate_bytes, mutate_zip, mutate_zip),
    ),
    "shard_index": Reader(
        read=read_shard_index,
        seeds=one(b'{"metadata": {}, "weight_map": {"a": "model-1.safetensors"}}'),
        mutators=(mutate_bytes, mutate_json),
    ),
    "model_config": Reader(
        read=read_model_config,
        seeds=seeds.model_configs,
        mutators=(mutate_bytes, mutate_json, mutate_json),
    ),
    "codec_config": Reader(
        read=read_codec,
        seeds=seeds.codec_configs,
        mutators=(mutate_bytes, mutate_json, mutate_json),
    ),
    "vision_config": Reader(
        read=read_vision,
        seeds=seeds.vision_configs,
        mutators=(mutate_bytes, mutate_json, mutate_json),
    ),
    "funasr_config": Reader(read=read_funasr, seeds=funasr_seeds),
    "conversation": Reader(
        read=read_conversation,
        seeds=conversation_seeds,
        mutators=(mutate_bytes, mutate_json, mutate_json),
    ),
    "frame": Reader(
        read=read_frame,
        seeds=seeds.frames,
        mutators=(mutate_bytes, mutate_frame, mutate_frame),
    ),
}
