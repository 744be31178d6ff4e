"""Many damaged inputs into one reader, on all cores, under watch.

Inputs have numbers, and a number gives always the same input. So the process that is
watched only has to say which number it is at and how much memory it had before it:
where it dies, hangs or takes too much, whoever watches ends it, makes the input again
and saves it.
"""

import ctypes
import gc
import io
import logging
import multiprocessing as mp
import os
import resource
import shutil
import time
import traceback
import warnings
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from multiprocessing.sharedctypes import SynchronizedArray
from pathlib import Path
from typing import Any

import psutil

from minimind_o.errors import UserError
from tests.fuzz.readers import READERS, Reader, scratch_folder

POLL_S = 0.02
"""Between two looks at a process: memory has to be written to before it is taken, and a
gigabyte is not written in this time."""
START_S = 120.0
"""A process that reads nothing in its first two minutes has not started."""
MAX_FINDINGS = 20
NUM_STATES = 3
"""What a process says of itself: the input it is at, since when, its bytes before."""
WARM_UP = 4
"""Valid inputs, after which a process has loaded and reserved what it always needs."""
ADDRESS_SPACE = 8 << 30
"""What a process may reserve beyond what it has at the start, used or not."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one input may cost."""

    seconds: float = 5.0
    megabytes: float = 1_500.0
    """More than the process has before it."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """An input that a reader did not survive."""

    reader: str
    number: int
    kind: str
    """`exception`, `memory`, `hang` or `death`."""
    text: str


@dataclass
class Outcome:
    """What became of a reader."""

    inputs: int = 0
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)

    @property
    def survived(self) -> int:
        """Inputs before the first that it did not survive."""
        return min([self.inputs, *(finding.number for finding in self.findings)])


def try_one(reader: Reader, data: bytes) -> str | None:
    """Read one input; the traceback of what a reader must not raise, or None."""
    try:
        with (
            warnings.catch_warnings(),
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            reader.read(data)
    except UserError:
        pass
    except Exception:
        return traceback.format_exc()
    return None


def _work(
    name: str,
    readers: Mapping[str, Reader],
    seed: int,
    numbers: tuple[int, int, int],
    state: "SynchronizedArray[float]",
    slot: int,
    findings: "mp.Queue[Finding]",
) -> None:
    """Read every `step`-th input from `first` to `end`, saying which one it is at."""
    first, end, step = numbers
    logging.disable(logging.CRITICAL)
    # What the parent left as garbage must not be given back in the middle of an input.
    gc.collect()
    gc.freeze()
    _give_back()
    reader = readers[name]
    for number in range(WARM_UP):
        try_one(reader, reader.valid[number % len(reader.valid)])
    this = psutil.Process()
    reserved = this.memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (reserved + ADDRESS_SPACE,) * 2)
    for number in range(first, end, step):
        data = reader.input(name, seed, number)
        # Its memory first: seen between the two, the earlier input took none.
        state[NUM_STATES * slot + 2] = this.memory_info().rss
        _say(state, slot, number, time.monotonic())
        text = try_one(reader, data)
        if text:
            findings.put(
                Finding(reader=name, number=number, kind="exception", text=text)
            )
    _say(state, slot, end, time.monotonic())


def _give_back() -> None:
    """Return to the system what the parent had freed and its allocator has kept.

    An input that takes it would not be seen to take anything. Allocators other than
    glibc's have no such call.
    """
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _say(
    state: "SynchronizedArray[float]", slot: int, number: int, since: float
) -> None:
    at = NUM_STATES * slot
    state[at], state[at + 1] = number, since


@dataclass
class _Watched:
    process: Any
    started: float


class Campaign:
    """One reader's inputs on some processes.

    Args:
        name: the reader's.
        num_inputs: how many.
        seed: another one gives other inputs.
        num_processes: at once.
        limits: of an input.
        seconds: after which no more inputs are begun; None for never.
        readers: by name; others only in this module's own tests.
    """

    def __init__(
        self,
        name: str,
        num_inputs: int,
        *,
        seed: int = 0,
        num_processes: int | None = None,
        limits: Limits | None = None,
        seconds: float | None = None,
        readers: Mapping[str, Reader] = READERS,
    ) -> None:
        self.name, self.num_inputs, self.seed = name, num_inputs, seed
        self.num_processes = num_processes or len(os.sched_getaffinity(0))
        self.limits, self.seconds = limits or Limits(), seconds
        self.readers = readers
        # Forked, a process begins with the readers' libraries loaded.
        self._context = mp.get_context("fork")
        self._state = self._context.Array(
            "d", NUM_STATES * self.num_processes, lock=False
        )
        self._findings = self._context.Queue()

    def run(self, show: Callable[[int], None] = lambda _: None) -> Outcome:
        """Read all inputs; `show` is told how many have been read since it last was."""
        outcome, began = Outcome(), time.monotonic()
        watched = {slot: self._start(slot, slot) for slot in range(self.num_processes)}
        shown = 0
        while watched:
            time.sleep(POLL_S)
            for slot in list(watched):
                self._look(slot, watched, outcome)
            self._collect(outcome)
            read = self._num_read()
            show(read - shown)
            shown = read
            late = self.seconds and time.monotonic() - began > self.seconds
            if late or len(outcome.findings) >= MAX_FINDINGS:
                for one in watched.values():
                    one.process.kill()
                    _tidy(one.process)
                break
        self._collect(outcome)
        outcome.inputs, outcome.seconds = self._num_read(), time.monotonic() - began
        return outcome

    def _start(self, slot: int, first: int) -> _Watched:
        step = self.num_processes
        _say(self._state, slot, first, 0.0)
        numbers = (first, self.num_inputs, step)
        process = self._context.Process(
            target=_work,
            args=(self.name, self.readers, self.seed, numbers, self._state, slot,
                  self._findings),
            daemon=True,
        )  # fmt: skip
        process.start()
        return _Watched(process=process, started=time.monotonic())

    def _look(self, slot: int, watched: dict[int, _Watched], outcome: Outcome) -> None:
        """See what a process is at: it may be done, or dead, or have to be ended."""
        process, at = watched[slot].process, NUM_STATES * slot
        said = self._state[at : at + NUM_STATES]
        number = int(said[0])
        if process.is_alive():
            wrong = self._costs_too_much(watched[slot], *said[1:])
            if self._state[at] != number:  # it had done with that one
                return
            if wrong is None:
                return
            process.kill()
        elif process.exitcode == 0:
            _tidy(process)
            del watched[slot]
            return
        else:
            wrong = "death", f"the process ended with code {process.exitcode}"
        _tidy(process)
        kind, text = wrong
        outcome.findings.append(
            Finding(reader=self.name, number=number, kind=kind, text=text)
        )
        del watched[slot]
        if number + self.num_processes < self.num_inputs:
            watched[slot] = self._start(slot, number + self.num_processes)

    def _costs_too_much(
        self, watched: _Watched, since: float, before: float
    ) -> tuple[str, str] | None:
        """Kind and text of the limit that the input at hand has passed, if any."""
        limit = self.limits.seconds if since else START_S
        if time.monotonic() - (since or watched.started) > limit:
            return "hang", f"it took more than {limit:g} s"
        if since:
            with suppress(psutil.NoSuchProcess):  # it ended since it was looked at
                memory = psutil.Process(watched.process.pid).memory_info().rss
                if memory - before > self.limits.megabytes * 1e6:
                    return "memory", f"it took {(memory - before) / 1e6:.0f} MB or more"
        return None

    def _collect(self, outcome: Outcome) -> None:
        while not self._findings.empty():
            outcome.findings.append(self._findings.get())

    def _num_read(self) -> int:
        """Inputs that have been read: of each process those before its own."""
        total = 0
        for slot in range(self.num_processes):
            at = min(int(self._state[NUM_STATES * slot]), self.num_inputs)
            total += max(0, -(-(at - slot) // self.num_processes))
        return min(total, self.num_inputs)


@dataclass(frozen=True, kw_only=True)
class _OneInput(Reader):
    """A reader whose inputs are all the same."""

    data: bytes

    def input(self, name: str, seed: int, number: int) -> bytes:
        return self.data


def try_alone(
    reader: Reader, data: bytes, limits: Limits | None = None
) -> Finding | None:
    """Read one input in a process of its own, under watch; what it did not survive."""
    one = _OneInput(
        read=reader.read, seeds=reader.seeds, mutators=reader.mutators, data=data
    )
    campaign = Campaign("one", 1, num_processes=1, limits=limits, readers={"one": one})
    return next(iter(campaign.run().findings), None)


def _tidy(process: Any) -> None:
    """Wait for the end of a process and remove what it wrote."""
    process.join()
    shutil.rmtree(scratch_folder(process.pid), ignore_errors=True)


def save_finding(finding: Finding, data: bytes, folder: Path) -> Path:
    """Write the input and, beside it, what happened; returns the input's file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{finding.reader}-{finding.number}-{finding.kind}"
    file.write_bytes(data)
    file.with_name(file.name + ".txt").write_text(finding.text)
    return file
