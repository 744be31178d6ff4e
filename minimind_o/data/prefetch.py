"""Batches made in the background, a few ahead of the training step."""

import queue
import threading
from collections.abc import Generator, Iterator
from typing import TypeVar

Item = TypeVar("Item")
_Message = tuple[bool, object]
"""Whether it is an item; the item, or the error that ended the iteration (or None)."""


def prefetched(source: Iterator[Item], depth: int = 4) -> Generator[Item, None, None]:
    """The items of `source`, in order, up to `depth` of them made ahead by a thread.

    What the source raises is raised here, at its place. A consumer that stops early
    ends the thread with the generator.
    """
    items: queue.Queue[_Message] = queue.Queue(depth)
    is_wanted = threading.Event()
    is_wanted.set()

    def put(message: _Message) -> bool:
        while is_wanted.is_set():
            try:
                items.put(message, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for item in source:
                if not put((True, item)):
                    return
        except BaseException as error:
            put((False, error))
        else:
            put((False, None))

    thread = threading.Thread(target=work, daemon=True, name="prefetch")
    thread.start()
    try:
        while True:
            is_item, value = items.get()
            if is_item:
                yield value  # type: ignore[misc]
            elif value is None:
                return
            else:
                assert isinstance(value, BaseException)
                raise value
    finally:
        is_wanted.clear()
        thread.join()
