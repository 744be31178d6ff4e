"""Does the model say what is in a picture?

What is compared with what, and why, stands in `minimind_o.evaluation.descriptions`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from minimind_o.assets import Assets
from minimind_o.evaluation.consistency import (
    MIN_RECORDED,
    ConsistencyRun,
    measure,
    own_provenance,
)
from minimind_o.evaluation.descriptions import Description, describe_items
from minimind_o.evaluation.record import Recorder, check_recordable, record_figures
from minimind_o.evaluation.tables import Provenance, write_markdown, write_parquet
from minimind_o.evaluation.transcribe import Transcriber
from minimind_o.evaluation.vision_report import markdown, pictures_markdown, rows
from minimind_o.figures import FIGURES_FILE
from minimind_o.generation.batch import BatchSampling


def run(
    options: ConsistencyRun,
    assets: Assets,
    *,
    sampling: BatchSampling | None = None,
    transcriber: Transcriber | None = None,
    provenance: Provenance | None = None,
    record_command: str | None = None,
    figures_file: Path = FIGURES_FILE,
    show: Callable[[str], None] = print,
) -> list[Description]:
    """Show pictures, listen, compare; write `vision.parquet` and two pages.

    Arguments and errors are those of `consistency.run`, with pictures as the kind.
    """
    if record_command:
        check_recordable(options.num, MIN_RECORDED)
    found = measure(
        options, assets, sampling=sampling, transcriber=transcriber, show=show
    )
    provenance = provenance or own_provenance(options, transcriber)
    descriptions = describe_items(found.items, options.seed)
    summary = markdown(descriptions, provenance)
    write_parquet(rows(descriptions), options.out / "vision.parquet", provenance)
    write_markdown(summary, options.out / "vision.md")
    pages = pictures_markdown(descriptions, provenance)
    write_markdown(pages, options.out / "vision_pictures.md")
    show(summary)
    if record_command:
        recorder = Recorder(
            model=found.model, command=record_command, path=figures_file
        )
        record_figures(found.items, recorder)
    return descriptions
