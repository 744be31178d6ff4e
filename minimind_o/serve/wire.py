"""A message with its payload as one binary frame of a web socket.

Four bytes with the length of the header, little-endian; the header, JSON; the payload.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from minimind_o.errors import UserError
from minimind_o.foreign_json import parse_json

MAX_HEADER_BYTES = 64_000


def pack(message: Mapping[str, object], payload: bytes = b"") -> bytes:
    """The frame of a message."""
    header = json.dumps(message, ensure_ascii=False).encode()
    return len(header).to_bytes(4, "little") + header + payload


def unpack(frame: object) -> tuple[dict[str, object], bytes]:
    """Message and payload of a frame.

    Raises:
        UserError: a text frame, or one that is not built so.
    """
    if not isinstance(frame, bytes):
        raise UserError("messages must be binary frames; this one is text.")
    size = int.from_bytes(frame[:4], "little")
    if len(frame) < 4 or size > min(len(frame) - 4, MAX_HEADER_BYTES):
        raise UserError(
            f"a frame of {len(frame)} bytes must begin with the length of its header, "
            f"at most {MAX_HEADER_BYTES}."
        )
    try:
        message = parse_json(frame[4 : 4 + size])
    except ValueError:
        raise UserError("a frame's header must be JSON; this one is not.") from None
    if not isinstance(message, dict):
        raise UserError("a frame's header must be a JSON object.")
    return message, frame[4 + size :]
