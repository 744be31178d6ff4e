"""Readers with the faults that a campaign has to find."""

import gc
import os
import time

from minimind_o.errors import UserError
from tests.fuzz.readers import Reader


def _is_fourth(data: bytes) -> bool:
    return data.startswith(b"4")


class _Numbered(Reader):
    """Its input is its number."""

    def input(self, name: str, seed: int, number: int) -> bytes:
        return str(number).encode()


def _raises(data: bytes) -> None:
    if _is_fourth(data):
        raise KeyError("planted")
    raise UserError("as it should be")


def _hangs(data: bytes) -> None:
    if _is_fourth(data):
        time.sleep(60)


def _dies(data: bytes) -> None:
    if _is_fourth(data):
        os._exit(11)


def _eats(data: bytes) -> None:
    if _is_fourth(data):
        gc.collect()  # were there garbage from before, it would take less than it gives
        _eaten = bytearray(os.urandom(1 << 20) * 128)
        time.sleep(1)  # it is looked at


READERS = {
    name: _Numbered(read=read, seeds=lambda: [b"seed"])
    for name, read in {
        "exception": _raises, "hang": _hangs, "death": _dies, "memory": _eats
    }.items()
}  # fmt: skip
