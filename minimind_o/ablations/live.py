"""The beginning of a stored run, made here: a point of its curve in a minute or two."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from minimind_o.ablations.again import why_not
from minimind_o.ablations.recipe import NUM_CURVE_POINTS
from minimind_o.ablations.runs import runs_of, train_run, world_files
from minimind_o.ablations.stored import Stored
from minimind_o.ablations.workbench import Workbench
from minimind_o.assets import Assets
from minimind_o.figures import REPOSITORY
from minimind_o.model import OmniModel


@dataclass(frozen=True, kw_only=True, eq=False)
class Beginning:
    """A run that was broken off at the first point of its curve.

    here, stored: the audio loss on held-out questions, in nats; `stored` is None where
        the table has no such run yet.
    remark: why the two may differ, as `minimind_o.ablations.again.why_not`.
    """

    model: OmniModel
    setting: str
    seed: int
    step: int
    num_steps: int
    here: float
    stored: float | None
    remark: str | None

    def __repr__(self) -> str:
        stored = "not there yet" if self.stored is None else f"{self.stored:.3f}"
        found = (
            f"{self.setting}, seed {self.seed}, step {self.step} of {self.num_steps}: "
            f"audio loss {self.here:.3f} here, stored: {stored}"
        )
        return f"{found}\n{self.remark}" if self.remark else found


def workbench(assets: Assets) -> Workbench:
    """For a notebook: on the CPU, with the data that the command makes and keeps."""
    return Workbench(
        assets=assets,
        work=REPOSITORY / "runs" / "ablations",
        device=torch.device("cpu"),
    )


def begin_run(
    table: Stored, setting: str, bench: Workbench, seed: int = 0
) -> Beginning:
    """Begin the run of a setting and a seed exactly as it was run, and stop early.

    Raises:
        UserError: no such setting, or an asset is missing.
    """
    (run,) = runs_of(table.experiment, (seed,), only=(setting,))
    step = max(1, run.steps // NUM_CURVE_POINTS)
    row = table.row(setting, seed)
    files = world_files(table.experiment, bench)
    model, curve = train_run(run, bench, files, until=step)
    return Beginning(
        model=model,
        setting=setting,
        seed=seed,
        step=step,
        num_steps=run.steps,
        here=curve["audio_loss"],
        stored=table.at_step("audio_loss", setting, seed, step),
        remark=None if row is None else why_not(row),
    )
