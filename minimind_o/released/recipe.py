"""The published recipe: its stages and minutes, and the commands that train them here.

Facts are read from `data/paper/stages.csv`; commands from the scripts in `runs`, which
are run with a `torchrun` that writes down its arguments in place of training.
"""

from __future__ import annotations

import csv
import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from minimind_o.errors import UserError

REPOSITORY = Path(__file__).resolve().parents[2]
STAGES = REPOSITORY / "data" / "paper" / "stages.csv"
RUNS = REPOSITORY / "runs"
SCRIPTS: Mapping[str, str] = {
    "paper": "paper",
    "released script (full)": "released_full",
    "released script (mini)": "released_mini",
}
"""What trains the stages of a source: the name of its script in `runs`."""
_RECORDER = """\
#!/bin/sh
for word; do printf '%s\\0' "$word"; done >> "$RECORDED"
printf '\\n' >> "$RECORDED"
"""


@dataclass(frozen=True, kw_only=True)
class PublishedStage:
    """One stage as it was published.

    minutes: on `gpus` RTX 3090.
    """

    stage: str
    source: str
    learning_rate: float
    epochs: int
    batch_per_gpu: int
    context: int
    minutes: int
    gpus: int

    @property
    def gpu_minutes(self) -> int:
        """Minutes of all its GPUs together."""
        return self.minutes * self.gpus


def published_stages(source: str, file: Path = STAGES) -> list[PublishedStage]:
    """The stages of a source, one of `SCRIPTS`, in order.

    Raises:
        UserError: an unknown source.
    """
    if source not in SCRIPTS:
        raise UserError(f"the source {source!r} is none of {', '.join(SCRIPTS)}")
    with file.open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["source"] == source]
    stages = []
    for row in rows:
        # "45", or where fewer GPUs are meant "60 on 1x3090".
        minutes, _, machine = row["minutes_on_4x3090"].partition(" on ")
        stages.append(
            PublishedStage(
                stage=row["stage"],
                source=source,
                learning_rate=float(row["learning_rate"]),
                epochs=int(row["epochs"]),
                batch_per_gpu=int(row["batch_per_gpu"]),
                context=int(row["context"]),
                minutes=int(minutes),
                gpus=int(machine.partition("x")[0] or 4),
            )
        )
    return stages


def recipe_commands(script: str, **settings: str) -> list[list[str]]:
    """What a script of `runs` would start: torchrun's arguments, stage by stage.

    Args:
        script: its name, without `.sh`.
        settings: variables that the script reads, such as GPUS="4".

    Raises:
        UserError: there is no such script, or it stops.
    """
    file = RUNS / f"{script}.sh"
    if not file.is_file():
        known = ", ".join(sorted(path.stem for path in RUNS.glob("*.sh")))
        raise UserError(f"{script} is none of the scripts in runs: {known}")
    with tempfile.TemporaryDirectory() as folder:
        recorded, recorder = Path(folder) / "recorded", Path(folder) / "torchrun"
        recorder.write_text(_RECORDER)
        recorder.chmod(0o755)
        own = {"PATH": f"{folder}:{os.environ['PATH']}", "RECORDED": str(recorded)}
        # A plan, so that the script passes no stage over and believes in no model.
        done = subprocess.run(
            ["bash", str(file)],
            env={"PLAN": "--dry-run", **settings, **own},
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.returncode:
            reason = (done.stderr.strip() or "it says nothing").splitlines()[0]
            raise UserError(f"{file} stops: {reason}")
        lines = recorded.read_text("utf-8").split("\0\n")[:-1]
    return [line.split("\0") for line in lines]
