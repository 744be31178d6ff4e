"""What a chapter makes of an experiment while it is read.

The beginning of a stored run: a point of its curve in a minute or two. And the model of
any assets, judged by recordings in their own codec.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch

from minimind_o.ablations.again import why_not
from minimind_o.ablations.bridge_layer import VOICE
from minimind_o.ablations.experiment import Setting, Trained
from minimind_o.ablations.heteronyms import write_readings
from minimind_o.ablations.recipe import NUM_CURVE_POINTS
from minimind_o.ablations.runs import kept_files, runs_of, train_run, world_files
from minimind_o.ablations.stored import Stored
from minimind_o.ablations.workbench import Workbench
from minimind_o.assets import NANO_ROOT, Assets
from minimind_o.data.writing import NewRow
from minimind_o.figures import REPOSITORY
from minimind_o.generation.voices import Voice
from minimind_o.model import OmniModel
from minimind_o.nano.answers import codec_name


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


def workbench(assets: Assets | None = None) -> Workbench:
    """For a notebook: on the CPU, with the data that the command makes and keeps.

    Without `assets` it has the embedded ones, which the stored runs were made with.
    """
    return Workbench(
        assets=assets or Assets(NANO_ROOT),
        work=REPOSITORY / "runs" / "ablations",
        device=torch.device("cpu"),
    )


def shipped(model: OmniModel, bench: Workbench, voice: Voice) -> Trained:
    """The model of the bench's assets, with the phrases that it can be judged by.

    The phrases are recorded once for a codec and a voice prompt, as
    `minimind_o.ablations.heteronyms.write_readings` says, and kept.

    Raises:
        UserError: an asset is missing.
    """
    prompt = NewRow(
        turns=[],
        reference_codes=voice.codes_QT,
        speaker=voice.speaker_embedding_S,
    )
    digest = hashlib.sha256(voice.codes_QT.tobytes()).hexdigest()[:12]
    made_of = f"{codec_name(bench.assets.mimi)}_{digest}"
    files = kept_files(
        bench.work / "readings" / made_of,
        lambda aside: write_readings(bench, aside, VOICE, prompt),
    )
    return Trained(
        model=model,
        setting=Setting(name="shipped", what="the shipped model"),
        seed=0,
        bench=bench,
        files=files,
        data={},
    )


def begin_run(
    table: Stored, setting: str, seed: int = 0, bench: Workbench | None = None
) -> Beginning:
    """Begin the run of a setting and a seed exactly as it was run, and stop early.

    bench: with what; None: with the embedded assets, as the stored runs.

    Raises:
        UserError: no such setting, or an asset is missing.
    """
    bench = bench or workbench()
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
