"""Damage inside a format whose outside stays right, so that it is read at all."""

import io
import json
import random
import zipfile
import zlib

from tests.fuzz.mutation import mutate_bytes, mutate_values

_PNG_HEAD = 8


def mutate_zip(data: bytes, rng: random.Random) -> bytes:
    """One file of an archive damaged; its checksum is right again."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        names = old.namelist()
        pickles = [name for name in names if name.endswith("data.pkl")]
        chosen = rng.choice(pickles if pickles and rng.random() < 0.7 else names)
        for name in names:
            content = old.read(name)
            entry = zipfile.ZipInfo(name)  # of a fixed date
            if name == chosen:
                content = mutate_bytes(content, rng)
            new.writestr(entry, content)
    return out.getvalue()


def mutate_png(data: bytes, rng: random.Random) -> bytes:
    """One chunk damaged, or its length said to be another; the checksums are right."""
    chunks, at = [], _PNG_HEAD
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    chosen = rng.randrange(len(chunks))
    out = data[:_PNG_HEAD]
    for index, (kind, content) in enumerate(chunks):
        if index == chosen:
            unpacked = kind == b"IDAT" and rng.random() < 0.5
            content = mutate_bytes(
                zlib.decompress(content) if unpacked else content, rng
            )
            content = zlib.compress(content) if unpacked else content
        check = zlib.crc32(kind + content).to_bytes(4, "big")
        out += len(content).to_bytes(4, "big") + kind + content + check
    return out


def mutate_safetensors(data: bytes, rng: random.Random) -> bytes:
    """Values in the header changed; its length is right again."""
    size = int.from_bytes(data[:8], "little")
    header = mutate_values(json.loads(data[8 : 8 + size]), rng)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


def mutate_frame(data: bytes, rng: random.Random) -> bytes:
    """A web socket's frame with another header, and sometimes another payload."""
    size = int.from_bytes(data[:4], "little")
    text = json.dumps(mutate_values(json.loads(data[4 : 4 + size]), rng)).encode()
    payload = data[4 + size :]
    if rng.random() < 0.3:
        payload = mutate_bytes(payload, rng)
    return len(text).to_bytes(4, "little") + text + payload
