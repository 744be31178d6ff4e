"""Prefetching changes when items are made, and nothing else."""

import itertools
import threading
import time
from collections.abc import Iterator

import pytest

from minimind_o.data.prefetch import prefetched


def threads() -> int:
    return sum(thread.name == "prefetch" for thread in threading.enumerate())


def test_items_come_in_order_and_end() -> None:
    assert list(prefetched(iter(range(100)), depth=3)) == list(range(100))
    assert threads() == 0


def test_so_many_are_made_ahead_and_no_more() -> None:
    made = []

    def source() -> Iterator[int]:
        for number in itertools.count():
            made.append(number)
            yield number

    items = prefetched(source(), depth=3)
    assert next(items) == 0
    deadline = time.monotonic() + 10
    while len(made) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert made == [0, 1, 2, 3, 4]  # three in the queue, one in the hand
    items.close()
    assert threads() == 0


def test_an_error_comes_at_its_place() -> None:
    def source() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("row 3")

    items = prefetched(source())
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(ValueError, match="row 3"):
        next(items)
    assert threads() == 0
