"""What the pages of a Parquet file claim to be, read before Arrow takes memory for it.

A column is a row of pages, each behind a header that says how many bytes follow and how
many they unpack to. Arrow (26) reserves, and clears, what a header says, up to two
gigabytes; and its Python objects for a column's metadata end the process where those
contradict themselves. So both are read here, by the format's description
(https://github.com/apache/parquet-format: `parquet.thrift`, and Thrift's compact
protocol, in which they are written).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from minimind_o.errors import UserError

MAX_EXPANSION, FREE_EXPANSION = 2_000, 50_000_000
"""Bytes unpacked for each byte in the file, beyond so many for nothing."""
BELIEVED = 1 << 30
"""Bytes of a file whose headers are believed: none can claim much more than it has."""

_MAGIC = b"PAR1"
_FIRST_READ, _LONGEST_HEADER = 1 << 12, 1 << 24
"""Bytes of a header: of a page's, what is read first; of any, what is read at most."""
_DEEPEST, _LONGEST_LIST = 16, 1_000_000
_OLD_WRITERS = 100
"""Bytes that early writers forgot to count (PARQUET-816)."""
# Types of the compact protocol.
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = (
    1, 2, 3, 7, 8, 9, 10, 11, 12
)  # fmt: skip
_INTEGERS = (4, 5, 6)
# Fields of `parquet.thrift`.
_ROW_GROUPS = 4
_COLUMNS = 1
_META_DATA = 3
_PATH, _NUM_VALUES, _TOTAL_COMPRESSED, _DATA_PAGE, _DICTIONARY_PAGE = 3, 5, 7, 9, 11
_UNPACKED, _PACKED = 2, 3

Struct = dict[int, Any]
"""A Thrift struct: its fields by number."""


class _Damage(Exception):
    """What is there is not what the format describes."""


@lru_cache(maxsize=4096)
def check_pages(path: Path, size: int, changed: int) -> None:
    """Refuse a file with a page that claims more than there is, or far too much.

    Args:
        path: of a local file. One of at least `BELIEVED` bytes is not looked into.
        size: in bytes.
        changed: when it last was, any clock; the same file is looked into once.

    Raises:
        UserError: naming row group and column; or the file is damaged.
    """
    if size >= BELIEVED:
        return
    try:
        with path.open("rb") as file:
            for group, column in _columns(file, size):
                _check_column(file, size, f"{path}", group, column)
    except (_Damage, IndexError, UnicodeDecodeError) as error:
        where = str(error) if isinstance(error, _Damage) else ""
        raise UserError(
            f"{path} is not a whole Parquet file (the header of "
            f"{where or 'the file'} cannot be read)."
        ) from error


def _columns(file: BinaryIO, size: int) -> Iterator[tuple[int, Struct]]:
    """The metadata of every column, with the number of its row group."""
    if size < 12:
        raise _Damage
    file.seek(size - 8)
    length, magic = int.from_bytes(file.read(4), "little"), file.read(4)
    if magic != _MAGIC or length > min(size - 12, _LONGEST_HEADER):
        raise _Damage
    file.seek(size - 8 - length)
    footer = _Compact(file.read(length)).struct()
    for group, row_group in enumerate(_field(footer, _ROW_GROUPS, list)):
        for chunk in _field(_of_type(row_group, dict), _COLUMNS, list):
            yield group, _field(_of_type(chunk, dict), _META_DATA, dict)


def _check_column(
    file: BinaryIO, size: int, name: str, group: int, column: Struct
) -> None:
    if _field(column, _NUM_VALUES, int) == 0:
        return  # nothing is read, and the offsets may be anything
    path = b".".join(_of_type(p, bytes) for p in _field(column, _PATH, list)).decode()
    at = _field(column, _DATA_PAGE, int)
    dictionary = _of_type(column.get(_DICTIONARY_PAGE, 0), int)
    if 0 < dictionary < at:
        at = dictionary
    packed_total = _field(column, _TOTAL_COMPRESSED, int)
    end = at + packed_total
    if at < 0 or packed_total < 0 or end > size:
        raise _Damage
    unpacked_total = 0
    while at < end:
        try:
            header, length = _page_header(file, at)
            packed = _field(header, _PACKED, int)
            unpacked = _field(header, _UNPACKED, int)
        except (_Damage, IndexError) as error:
            raise _Damage(f"a page of column {path!r} in row group {group}") from error
        at += length + packed
        if packed < 0 or unpacked < 0 or at > min(end + _OLD_WRITERS, size):
            raise UserError(
                f"{name} says that a page of column {path!r} in row group {group} has "
                f"{packed:,} bytes, which is not so."
            )
        unpacked_total += unpacked
        if unpacked_total > FREE_EXPANSION + MAX_EXPANSION * packed_total:
            raise UserError(
                f"{name} says that column {path!r} of row group {group} unpacks from "
                f"{packed_total:,} bytes to {unpacked_total:,} or more; at most "
                f"{MAX_EXPANSION} times as many are read."
            )


def _page_header(file: BinaryIO, at: int) -> tuple[Struct, int]:
    """The header that begins at a byte, and its length."""
    num_bytes = _FIRST_READ
    while True:
        file.seek(at)
        data = file.read(num_bytes)
        compact = _Compact(data)
        try:
            return compact.struct(), compact.at
        except IndexError:  # it may be longer than what was read
            if len(data) < num_bytes or num_bytes >= _LONGEST_HEADER:
                raise
            num_bytes *= 8


def _field(struct: Struct, number: int, kind: type) -> Any:
    return _of_type(struct.get(number), kind)


def _of_type(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise _Damage
    return value


class _Compact:
    """Reads Thrift's compact protocol.

    Raises:
        IndexError: the bytes end too early.
        _Damage: no such type, or too long or too deep a structure.
    """

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def struct(self, depth: int = 0) -> Struct:
        found: Struct = {}
        number = 0
        while (head := self._byte()) != 0:
            step, kind = head >> 4, head & 15
            number = number + step if step else self._integer()
            # A field that is a truth value has it in its type.
            found[number] = (
                kind == _TRUE if kind in (_TRUE, _FALSE) else self._value(kind, depth)
            )
        return found

    def _value(self, kind: int, depth: int) -> Any:
        if depth > _DEEPEST:
            raise _Damage
        if kind in _INTEGERS:
            return self._integer()
        if kind == _BINARY:
            return self._take(self._unsigned())
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in (_LIST, _SET):
            head = self._byte()
            count = self._count() if head >> 4 == 15 else head >> 4
            return [self._value(head & 15, depth + 1) for _ in range(count)]
        if kind in (_TRUE, _FALSE, _BYTE):
            return self._byte()
        if kind == _DOUBLE:
            return self._take(8)
        if kind == _MAP:
            count = self._count()
            kinds = self._byte() if count else 0
            return [
                (self._value(kinds >> 4, depth + 1), self._value(kinds & 15, depth + 1))
                for _ in range(count)
            ]
        raise _Damage

    def _byte(self) -> int:
        byte = self.data[self.at]
        self.at += 1
        return byte

    def _take(self, count: int) -> bytes:
        if self.at + count > len(self.data):
            raise IndexError
        self.at += count
        return self.data[self.at - count : self.at]

    def _unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise _Damage

    def _count(self) -> int:
        count = self._unsigned()
        if count > _LONGEST_LIST:
            raise _Damage
        return count

    def _integer(self) -> int:
        value = self._unsigned()
        return value >> 1 ^ -(value & 1)
