"""What the tables say of the paper's claims; every word that depends is computed.

A difference counts where it has the same sign with every seed. Intervals over seeds
are their mean, and the lowest and the highest.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from minimind_o.evaluation.paper import ranks, talker_widths

Row = dict[str, Any]
Judgement = Literal["reproduced", "partly reproduced", "not reproduced"]
ENOUGH = 0.9
"""Share of what any adapters gain that a rank must reach to be called enough."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A claim, the paper's figures and ours, and whether they agree."""

    claim: str
    paper: str
    ours: tuple[str, ...]
    judgement: Judgement

    def __repr__(self) -> str:
        lines = [f"claim    {self.claim}", f"paper    {self.paper}"]
        lines += [f"{'' if i else 'ours':8} {line}" for i, line in enumerate(self.ours)]
        return "\n".join([*lines, f"verdict  {self.judgement}"])


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How much better one setting is than another: by seed."""

    better: str
    worse: str
    measure: str
    by_seed: NDArray[np.float64]

    @property
    def holds(self) -> bool:
        """Better with every seed."""
        return bool((self.by_seed > 0).all())

    def __str__(self) -> str:
        low, mean, high = self.by_seed.min(), self.by_seed.mean(), self.by_seed.max()
        if self.holds:
            remark = ""
        elif (self.by_seed < 0).all():
            remark = ": worse with every seed"
        else:
            remark = ": not with every seed"
        return (
            f"{self.measure}: {self.better} better than {self.worse} by {mean:.3f} "
            f"[{low:.3f}, {high:.3f}]{remark}"
        )


def difference(
    rows: Sequence[Row], better: str, worse: str, measure: str, higher: bool = False
) -> Difference:
    """Of a measure, positive where `better` is better, seed by seed."""
    good, bad = (_by_seed(rows, setting, measure) for setting in (better, worse))
    seeds = sorted(set(good) & set(bad))
    sign = 1 if higher else -1
    found = np.array([sign * (good[seed] - bad[seed]) for seed in seeds])
    return Difference(better=better, worse=worse, measure=measure, by_seed=found)


def bridge(rows: Sequence[Row]) -> Verdict:
    """Is the middle layer better than both ends?"""
    layers = sorted({row["bridge_layer"] for row in rows})
    names = {row["bridge_layer"]: row["setting"] for row in rows}
    middle = names[(layers[-1] + 1) // 2 - 1]
    found = [
        difference(rows, middle, names[end], measure, higher)
        for end in (layers[0], layers[-1])
        for measure, higher in (
            ("audio_loss", False),
            ("cer", False),
            ("heteronym_preferred_held_out", True),
        )
    ]
    best = [
        f"{measure}: best is {_best(rows, measure, higher)}"
        for measure, higher in (
            ("audio_loss", False),
            ("cer", False),
            ("heteronym_preferred_held_out", True),
        )
    ]
    return Verdict(
        claim="the Talker should listen to a middle layer of the Thinker (section 3.3)",
        paper="no figure is given",
        ours=(*map(str, found), *best),
        judgement=_judge([each.holds for each in found]),
    )


def rank(rows: Sequence[Row]) -> Verdict:
    """Is a rank of about a third of the width enough?"""
    both = [row for row in rows if row["setting"].startswith("rank_")]
    swept = sorted({(row["embedding_rank"], row["setting"]) for row in both})
    *_, (enough_rank, enough), (_, largest) = swept
    none = difference(rows, enough, "none", "audio_loss")
    most = difference(rows, largest, "none", "audio_loss")
    shares = none.by_seed / most.by_seed
    gains = [
        none,
        difference(rows, largest, enough, "audio_loss"),
        difference(rows, "full", largest, "audio_loss"),
    ]
    heads = [r for r in rows if r["setting"].startswith("head_")]
    high = max(r["head_rank"] for r in heads)
    gains.append(difference(rows, f"head_{high}", f"embedding_{high}", "audio_loss"))
    released = next(r for r in ranks() if r.head_rank == r.embedding_rank == 256)
    is_enough = none.holds and bool((shares >= ENOUGH).all())
    return Verdict(
        claim="adapters of a fraction of the width are large enough (figure 8)",
        paper=(
            f"rank 256 of 768 was released, {released.adapter_params_m} M parameters; "
            "the curves are not published as numbers"
        ),
        ours=(
            *map(str, gains),
            f"rank {enough_rank} has {np.mean(shares):.0%} [{shares.min():.0%}, "
            f"{shares.max():.0%}] of what the largest rank gains over no adapters",
        ),
        judgement=_judge([none.holds, is_enough]),
    )


def width(rows: Sequence[Row]) -> Verdict:
    """Does a narrower Talker speak worse, once both start alike?"""
    sizes = sorted({int(row["setting"].split("_")[1]) for row in rows})
    narrow, wide = sizes[0], int(json.loads(rows[0]["config"])["hidden_size"])
    as_paper = difference(rows, f"width_{wide}_warm", f"width_{narrow}_random", "cer")
    alike = [
        difference(rows, f"width_{wide}_{s}", f"width_{narrow}_{s}", measure)
        for measure in ("cer", "audio_loss")
        for s in ("warm", "random")
    ]
    starts = [
        difference(rows, f"width_{size}_warm", f"width_{size}_random", "cer")
        for size in sizes
    ]
    dense = [row for row in talker_widths() if row.variant == "dense"]
    cer = {row.talker_hidden: row.avg_cer for row in dense}
    return Verdict(
        claim="a Talker narrower than the Thinker speaks worse (table 2)",
        paper=(
            f"dense, CER {cer[768]:.3f} at 768, {cer[384]:.3f} at 384, where only 768 "
            "has a warm start"
        ),
        ours=(f"as in the paper, {as_paper}", *map(str, alike + starts)),
        judgement=_judge([each.holds for each in (as_paper, *alike)]),
    )


def _judge(holds: Sequence[bool]) -> Judgement:
    if all(holds):
        return "reproduced"
    return "partly reproduced" if any(holds) else "not reproduced"


def _best(rows: Sequence[Row], measure: str, higher: bool) -> str:
    means = {
        setting: float(np.mean(list(_by_seed(rows, setting, measure).values())))
        for setting in dict.fromkeys(row["setting"] for row in rows)
    }
    best = (max if higher else min)(means, key=lambda name: means[name])
    return f"{best} ({means[best]:.3f})"


def _by_seed(rows: Sequence[Row], setting: str, measure: str) -> dict[int, float]:
    return {r["seed"]: r[measure] for r in rows if r["setting"] == setting}
