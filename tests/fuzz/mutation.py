"""From a valid input to one that is not: bytes flipped, cut and spliced, numbers grown.

What is drawn hangs on `rng` alone, so that an input is known by its number.
"""

import copy
import json
import random
from collections.abc import Callable, Sequence
from typing import Any

Mutator = Callable[[bytes, random.Random], bytes]
"""A valid input, and what draws."""

MAX_INPUT = 200_000
"""Bytes of an input; larger ones only take longer."""
_HEADER = 512
"""Where a format says what is to come: so many first bytes, and last ones."""
_NUMBERS = (
    0, 1, 2, 8, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF,
    0x8000_0000, 0xFFFF_FFFF, 0x7FFF_FFFF_FFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF,
)  # fmt: skip
HOSTILE: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 3, 7, 1 << 15, 1 << 16, 1 << 31, 1 << 32, 1 << 63,
    1 << 70, 10**30, -(1 << 63), 0.5, 1e9, 1e308, -1e308, float("nan"), float("inf"),
    "", "a", "0", "\ud800", "\x00", "../../x", "/etc/passwd", "é中😀", "a" * 5_000, [],
    {}, [[]], [None], [0], {"": 0}, [1, "a"], ["a"], [1 << 40], {"role": "user"},
    "<|im_end|>", "<think>", "</think>", "<image>", "{{ 1 }}",
)  # fmt: skip
"""What a program may not expect in a field of JSON."""


def mutate_bytes(data: bytes, rng: random.Random) -> bytes:
    """A few damages anywhere, in head and tail more often."""
    damaged = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 4, 8))):
        rng.choice(_DAMAGES)(damaged, rng)
    return bytes(damaged[:MAX_INPUT])


def splice(first: bytes, second: bytes, rng: random.Random) -> bytes:
    """The head of one input and the tail of another."""
    start, end = rng.randint(0, len(first)), rng.randint(0, len(second))
    return (first[:start] + second[end:])[:MAX_INPUT]


def mutate_json(data: bytes, rng: random.Random) -> bytes:
    """Some values of a JSON text replaced, dropped, doubled or nested; still JSON."""
    content = mutate_values(json.loads(data), rng)
    return json.dumps(content, ensure_ascii=rng.random() < 0.5).encode(
        "utf-8", "surrogatepass"
    )


def mutate_values(content: Any, rng: random.Random) -> Any:
    """The same of what JSON holds."""
    content = copy.deepcopy(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        places = list(_places(content))
        if not places:
            return rng.choice(HOSTILE)
        holder, key = rng.choice(places)
        kind = rng.random()
        if kind < 0.1:
            del holder[key]
        elif kind < 0.2:
            holder[key] = _nested(holder[key], rng.choice((1, 3, 30, 3_000)))
        elif kind < 0.3 and isinstance(holder[key], int | float):
            holder[key] = _grown(holder[key], rng)
        elif kind < 0.4 and isinstance(holder[key], list | str):
            holder[key] = holder[key] * rng.choice((0, 2, 50))
        elif kind < 0.5 and isinstance(holder, dict):
            holder[str(rng.choice(HOSTILE))[:80]] = holder.pop(key)
        else:
            holder[key] = copy.deepcopy(rng.choice(HOSTILE))
    return content


def _places(content: Any) -> Sequence[tuple[Any, Any]]:
    """Every (list or object, index or key) in a structure, the first 2,000."""
    found: list[tuple[Any, Any]] = []
    waiting = [content]
    while waiting and len(found) < 2_000:
        holder = waiting.pop()
        if isinstance(holder, dict | list):
            keys = list(holder) if isinstance(holder, dict) else range(len(holder))
            found += [(holder, key) for key in keys]
            waiting += [holder[key] for key in keys]
    return found


def _nested(value: Any, depth: int) -> Any:
    # json.dumps itself gives up at about a thousand.
    for _ in range(min(depth, 900)):
        value = [value]
    return value


def _grown(number: float, rng: random.Random) -> float:
    factor = rng.choice((-1, 10, 1_000, 1 << 20, 1 << 40))
    return number * factor + rng.choice((0, 1, -1))


def _position(damaged: bytearray, rng: random.Random) -> int:
    if len(damaged) > 2 * _HEADER and rng.random() < 0.6:
        near = rng.randrange(_HEADER)
        return near if rng.random() < 0.6 else len(damaged) - 1 - near
    return rng.randrange(len(damaged)) if damaged else 0


def _flip(damaged: bytearray, rng: random.Random) -> None:
    if damaged:
        damaged[_position(damaged, rng)] ^= 1 << rng.randrange(8)


def _set_byte(damaged: bytearray, rng: random.Random) -> None:
    if damaged:
        damaged[_position(damaged, rng)] = rng.randrange(256)


def _set_number(damaged: bytearray, rng: random.Random) -> None:
    size, order = rng.choice((1, 2, 4, 8)), rng.choice(("little", "big"))
    number = rng.choice(_NUMBERS) & ((1 << 8 * size) - 1)
    at = _position(damaged, rng)
    damaged[at : at + size] = number.to_bytes(size, order)


def _cut(damaged: bytearray, rng: random.Random) -> None:
    del damaged[_position(damaged, rng) :]


def _drop(damaged: bytearray, rng: random.Random) -> None:
    at = _position(damaged, rng)
    del damaged[at : at + rng.choice((1, 2, 4, 16, 256))]


def _double(damaged: bytearray, rng: random.Random) -> None:
    at, size = _position(damaged, rng), rng.choice((1, 4, 16, 256))
    damaged[at:at] = damaged[at : at + size] * rng.choice((1, 2, 8))


def _insert(damaged: bytearray, rng: random.Random) -> None:
    at = _position(damaged, rng)
    damaged[at:at] = rng.randbytes(rng.choice((1, 4, 64)))


_DAMAGES = (_flip, _flip, _set_byte, _set_number, _set_number, _cut, _drop, _double,
            _insert)  # fmt: skip
