"""An experiment as one page to hand on: question, verdict, every run, and clips."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from minimind_o.ablations.experiment import Experiment
from minimind_o.ablations.review import Check, compared
from minimind_o.ablations.stored import clip_waves
from minimind_o.assets import Assets
from minimind_o.errors import UserError
from minimind_o.evaluation.transcribe import Wave
from minimind_o.frozen.mimi import Mimi, load_mimi
from minimind_o.listening import flac
from minimind_o.nano.answers import codec_name

STYLE = """
body { font: 16px/1.6 system-ui, sans-serif; max-width: 46em; margin: 3em auto;
  padding: 0 1em; color: #26323f; }
td, th { padding: 0.2em 1em 0.2em 0; text-align: left; }
audio { height: 32px; width: 220px; vertical-align: middle; }
.met { color: #2a7f9e; } .unmet { color: #d1495b; }
code { font-size: 0.85em; overflow-wrap: anywhere; }
"""


def write_page(
    experiment: Experiment,
    rows: Sequence[Mapping[str, Any]],
    checks: Sequence[Check],
    path: Path,
    assets: Assets,
) -> None:
    """Write a page of HTML that needs nothing beside it.

    Args:
        experiment: with a prediction.
        rows: of its table.
        checks: what `minimind_o.ablations.review.review` found.
        path: of the page.
        assets: whose codec decodes the clips. Those of another codec are not heard.

    Raises:
        UserError: the experiment predicts nothing, the codec is missing or damaged, or
            the file cannot be written.
    """
    if experiment.prediction is None:
        raise UserError(f"{experiment.name} predicts nothing, so there is no page.")
    measure = experiment.prediction.measure
    shown = [
        row
        for seeds in compared(rows, experiment.prediction).values()
        for row in seeds.values()
    ]
    demands = "".join(
        f'<li class="{"met" if one.is_met else "unmet"}">{html.escape(one.name)}: '
        f"{html.escape(one.said)}</li>"
        for one in checks
    )
    runs = "".join(
        f"<tr><td>{html.escape(row['what'])}</td><td>{row['seed']}</td>"
        f"<td>{row['steps']}</td><td>{_number(row.get(measure))}</td>"
        f"<td>{row['minutes']:.1f}</td></tr>"
        for row in shown
    )
    mimi, codec = load_mimi(assets.mimi), codec_name(assets.mimi)
    clips = "".join(
        _clips(row, mimi if row["codec"] == codec else None) for row in shown
    )
    commands = "\n".join(html.escape(row["command"]) for row in shown)
    text = (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f"<title>{html.escape(experiment.name)}</title><style>{STYLE}</style>"
        f"<h1>{html.escape(experiment.question)}</h1><ul>{demands}</ul>"
        "<h2>The runs</h2><table><tr><th>setting</th><th>seed</th><th>steps</th>"
        f"<th>{html.escape(measure)}</th><th>minutes</th></tr>{runs}</table>"
        f"<h2>To be heard</h2>{clips}"
        f"<h2>Each once more</h2><pre><code>{commands}</code></pre></html>\n"
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}.") from error


def _number(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, int | float) else "-"


def _clips(row: Mapping[str, Any], mimi: Mimi | None) -> str:
    """Players for a row's clips; without its codec, a sentence."""
    head = f"<h3>{html.escape(row['what'])}, seed {row['seed']}</h3>"
    if mimi is None:
        return f"{head}<p>Made with another codec, {html.escape(row['codec'])}.</p>"
    players = "".join(
        f"<p>{_player(wave, mimi.sample_rate)} {html.escape(text)}</p>"
        for text, wave in clip_waves(row, mimi)
    )
    return head + players


def _player(wave_N: Wave, sample_rate: int) -> str:
    if not len(wave_N):
        return "(silent)"
    content = base64.b64encode(flac(wave_N, sample_rate)).decode()
    return f'<audio controls src="data:audio/flac;base64,{content}"></audio>'
