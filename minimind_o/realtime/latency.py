"""Where the time of a turn went, stage by stage, and over many turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from minimind_o.terminal_table import terminal_table

Stamps = Mapping[str, float]
"""Seconds of one clock, by stage (`Session.stamps`)."""
STAGES = {
    "decided": "the detector waits for more speech",
    "encoded": "the speech encoder",
    "prompt read": "the model reads the question",
    "first text": "the first token",
    "first frame": "eight steps: a code in every codebook",
    "first sound": "the codec",
    "first sample played": "on the way to the loudspeaker",
}
"""The stages that end a stretch of time, in order, and what the time went to."""
STARTS = ("end of speech", "asked")
"""What a turn begins with: the last word that was spoken, or what was written."""


def waterfall(stamps: Stamps) -> dict[str, tuple[float, float]]:
    """Begin and end of every stage that the turn has, in ms after its start."""
    known = [name for name in STAGES if name in stamps]
    start = next((stamps[name] for name in STARTS if name in stamps), 0.0)
    out, before = {}, start
    for name in known:
        out[name] = (1000 * (before - start), 1000 * (stamps[name] - start))
        before = stamps[name]
    return out


def percentiles(turns: Sequence[Stamps]) -> dict[str, tuple[float, float]]:
    """Median and 95th percentile of each stage's own time in ms, of those that have it.

    The last, `after the decision`, is from `decided` to the first sample played.
    """
    spent: dict[str, list[float]] = {}
    for stamps in turns:
        for name, (begin, end) in waterfall(stamps).items():
            spent.setdefault(name, []).append(end - begin)
        if {"decided", "first sample played"} <= stamps.keys():
            whole = 1000 * (stamps["first sample played"] - stamps["decided"])
            spent.setdefault("after the decision", []).append(whole)
    return {
        name: (float(np.percentile(times, 50)), float(np.percentile(times, 95)))
        for name, times in spent.items()
    }


def table(turns: Sequence[Stamps]) -> str:
    """`percentiles` for reading."""
    rows = [
        (name, STAGES.get(name, ""), f"{median:.0f}", f"{high:.0f}")
        for name, (median, high) in percentiles(turns).items()
    ]
    return terminal_table(("stage", "what", "p50 ms", "p95 ms"), rows, max_width=44)
