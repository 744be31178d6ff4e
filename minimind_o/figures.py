"""The measured figures: what each one is, its bar, and what was measured last.

A figure is written once, by the command that measures it, with `record`. The records
live in data/results/figures.json; the README's table is generated from them.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from minimind_o.errors import UserError
from minimind_o.written_aside import file_written_aside

REPOSITORY = Path(__file__).resolve().parent.parent
FIGURES_FILE = REPOSITORY / "data" / "results" / "figures.json"
README_FILE = REPOSITORY / "README.md"
NOT_MEASURED = (":(exclude)data/results", ":(exclude)*.md", ":(exclude)*.ipynb")
"""Of the repository; git's way to name paths."""
README_START = "<!-- figures: start (written by `minimind-o figures`) -->"
README_END = "<!-- figures: end -->"
FIELDS = (
    "name",
    "figure",
    "unit",
    "target",
    "command",
    "commit",
    "date",
    "machine",
    "note",
)


@dataclass(frozen=True, kw_only=True)
class Bar:
    """What a figure means and what it has to reach."""

    name: str
    """The name under which it is recorded."""
    what: str
    """One line for a reader who has not seen the code."""
    unit: str
    """The unit; empty for a share or a ratio."""
    sign: Literal["<=", ">="]
    """Whether the limit is a ceiling or a floor."""
    limit: float | None
    """The limit itself, in `unit`; None for a figure that is only shown."""

    @property
    def target(self) -> str:
        """The bar as it is printed and stored, such as `<= 0.05`."""
        return "shown" if self.limit is None else f"{self.sign} {self.limit:g}"

    def passes(self, figure: float) -> bool:
        """Whether `figure` reaches the bar; one that is only shown always does."""
        if self.limit is None:
            return True
        return figure <= self.limit if self.sign == "<=" else figure >= self.limit


def _at_most(name: str, limit: float, what: str, unit: str = "") -> Bar:
    return Bar(name=name, what=what, unit=unit, sign="<=", limit=limit)


def _at_least(name: str, limit: float, what: str, unit: str = "") -> Bar:
    return Bar(name=name, what=what, unit=unit, sign=">=", limit=limit)


# fmt: off
_DENSE_BARS: tuple[Bar, ...] = (
    _at_most("codec_wer_gap", 0.02,
        "transcriber's WER on codec-resynthesised speech minus on the original"),
    _at_most("transcriber_cer_en", 0.01,
        "transcriber's CER on original held-out English speech"),
    _at_most("transcriber_cer_zh", 0.01,
        "transcriber's CER on original held-out Mandarin speech"),
    _at_most("consistency_cer_t2a_seen", 0.05,
        "CER between text and speech of answers to unseen phrasings, seen voices"),
    _at_least("answers_right_t2a", 0.9,
        "share of right answers (text) to those questions"),
    _at_most("consistency_cer_read_aloud", 0.15,
        "CER between text and speech of unseen read-aloud texts of 2-12 words"),
    _at_most("consistency_cer_a2a_seen", 0.08,
        "CER between text and speech of answers to spoken questions, seen voices"),
    _at_least("answers_right_a2a", 0.85,
        "share of right answers to spoken questions, unseen asking voices"),
    _at_least("descriptions_right_i2t", 0.85,
        "share of pictures of unseen combinations with every attribute right"),
    _at_least("voice_similarity_seen", 0.65,
        "CAM++ cosine between answer and voice prompt, seen voices"),
    _at_least("voice_similarity_unseen", 0.57,
        "CAM++ cosine between answer and voice prompt, unseen voices"),
    _at_least("voice_nearest_seen", 0.9,
        "share of answers nearest to their own prompt of twelve, seen voices"),
    _at_least("voice_nearest_unseen", 0.6,
        "share of answers nearest to their own prompt of twelve, unseen voices"),
    _at_least("voice_gain_seen", 0,
        "cosine that the speaker vector adds (lower end of 95 %), seen voices"),
    _at_least("voice_gain_unseen", 0,
        "cosine that the speaker vector adds (lower end of 95 %), unseen voices"),
    _at_most("ttfa_speech_ms", 350,
        "end of a 3 s question to the first 80 ms of sound, 2 CPU cores, median", "ms"),
    _at_most("minutes_full_recipe", 90,
        "all stages from the language model, dense, 2 CPU cores", "min"),
    _at_most("ttfa_text_ms", 200,
        "text prompt to the first 80 ms of sound, 2 CPU cores, median", "ms"),
    _at_most("rtf_generate", 0.25,
        "seconds of work for a second of sound, codec included, 2 CPU cores"),
    _at_most("minutes_to_cer10", 30,
        "training until a consistency CER of 0.10 on answers, 2 CPU cores", "min"),
    _at_most("minutes_make_test", 25,
        "`make test` on a fresh clone, environment included", "min"),
    _at_most("split_loss_rel_error", 1e-05,
        "losses and weights after 20 steps split in four ways, largest difference"),
    _at_least("kill_resume_identical", 20,
        "of 20 kills, those after which a training came back identical"),
    _at_least("train_speedup_fp32", 3,
        "labelled positions a second, of a plain trainer's, released size, fp32"),
    _at_least("train_speedup_bf16", 8,
        "the same in bf16, of the plain trainer's in fp32"),
    _at_least("decode_speedup", 1.5,
        "steps a second, of a plain concatenating decoder's, released size"),
    _at_least("decode_bandwidth_fraction", 0.5,
        "of the speed at which memory gives a step its weights, released size"),
    _at_most("rtf_released_size", 0.5,
        "seconds of work for a second of sound, all of the released size"),
    _at_most("ttfa_released_size_ms", 800,
        "end of a 3 s question to the first sound, all of the released size", "ms"),
    _at_least("gpu_training_mfu", 0.4,
        "of a GPU's bf16 arithmetic that training uses, released size"),
    _at_most("gpu_decode_ms", 3,
        "a decoding step on a GPU at batch 1, released size", "ms"),
    _at_most("stream_rss_mb", 1000,
        "most memory of a process that reads 200,000 rows of 5 GB", "MB"),
    _at_most("stream_offline_max_error", 0.0001,
        "streamed sound against offline decoding, 1,000 turns, no frame missing"),
    _at_most("ttfs_turn_p50_ms", 300,
        "decided that speech has ended to the first sample played, median", "ms"),
    _at_most("ttfs_turn_p95_ms", 500,
        "the same, 95th percentile", "ms"),
    _at_most("barge_in_silence_p95_ms", 120,
        "the user speaks to the model being silent, 95th percentile", "ms"),
    _at_most("barge_in_onset_lost_ms", 0,
        "most of a user's onset that was lost in 500 interruptions", "ms"),
    _at_most("false_interruptions", 0,
        "in 30 min of the model's own echo (-12 dB) and 30 of noise (10 dB SNR)"),
    _at_most("soak_rss_growth", 0.02,
        "memory gained in 60 min of conversation, as a share"),
    _at_most("concurrent_worst_rtf", 1,
        "worst real-time factor of four sessions at once, 2 CPU cores"),
    _at_most("roundtrip_mismatches", 0,
        "tensors that come back otherwise from a released file, all formats"),
    _at_least("fuzz_inputs_per_reader", 100_000,
        "damaged inputs that every reader of outside bytes survives, the least of all"),
    _at_most("minutes_nbval_all", 30,
        "every notebook by itself under strict nbval, 2 CPU cores", "min"),
    _at_least("paper_claims_covered", 1,
        "share of the paper's claims judged over 3 seeds, or with a reason why not"),
)
# fmt: on

# What the MoE model is shown by, beside the dense one.
_SHOWN_OF_MOE = (
    "consistency_cer_a2a_seen", "answers_right_a2a", "descriptions_right_i2t",
    "voice_similarity_seen", "voice_similarity_unseen", "voice_nearest_seen",
    "voice_nearest_unseen", "voice_gain_seen", "voice_gain_unseen",
)  # fmt: skip
MOE_SUFFIX = "_moe"
BARS: tuple[Bar, ...] = (
    *_DENSE_BARS,
    *(
        replace(
            declared,
            name=declared.name + MOE_SUFFIX,
            what=f"{declared.what}, MoE",
            limit=None,
        )
        for declared in _DENSE_BARS
        if declared.name in _SHOWN_OF_MOE
    ),
)


def bar(name: str) -> Bar:
    """The declared bar of `name`.

    Raises:
        UserError: no figure of that name is declared in `BARS`.
    """
    for declared in BARS:
        if declared.name == name:
            return declared
    known = ", ".join(declared.name for declared in BARS)
    raise UserError(f"figure '{name}' is not one of the known figures: {known}")


def load(path: Path = FIGURES_FILE) -> list[dict[str, Any]]:
    """All records of `path`, in file order; none where the file does not exist yet.

    Raises:
        UserError: the file is not a JSON list of records with the nine fields.
    """
    if not path.exists():
        return []
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(records, list):
        raise UserError(f"{path} must hold a JSON list of records")
    for index, entry in enumerate(records):
        if not isinstance(entry, dict) or set(entry) != set(FIELDS):
            raise UserError(
                f"{path}: record {index} must have exactly the fields "
                + ", ".join(FIELDS)
            )
    return records


def record(
    name: str,
    figure: float | None,
    *,
    command: str,
    note: str = "",
    machine: str | None = None,
    path: Path = FIGURES_FILE,
) -> dict[str, Any]:
    """Write what `command` measured; an earlier record of that name is replaced.

    Args:
        name: one of the names in `BARS`.
        figure: the measurement in the bar's unit; None where it was not measured.
        command: the command line that measures it again.
        note: how it was measured (sample size, interval); the reason where `figure`
            is None.
        machine: what it was measured on; by default this machine.
        path: the records' file.

    Raises:
        UserError: unknown name, or a missing figure without a reason.
    """
    declared = bar(name)
    if figure is None and not note.strip():
        raise UserError(f"figure '{name}' is null: its note must say why")
    if figure is not None and not abs(figure) < float("inf"):
        raise UserError(f"figure '{name}' must be a finite number, not {figure}")
    entry = {
        "name": name,
        "figure": None if figure is None else float(f"{figure:.4g}"),
        "unit": declared.unit,
        "target": declared.target,
        "command": command,
        "commit": current_commit(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine or describe_machine(),
        "note": note,
    }
    order = {declared.name: index for index, declared in enumerate(BARS)}
    records = [old for old in load(path) if old["name"] != name] + [entry]
    records.sort(key=lambda one: order.get(one["name"], len(order)))
    with file_written_aside(path) as aside:
        aside.write_text(
            json.dumps(records, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    return entry


def table(path: Path = FIGURES_FILE) -> str:
    """Every declared figure with its bar and verdict, as a Markdown table."""
    by_name = {entry["name"]: entry for entry in load(path)}
    rows = [("figure", "what", "measured", "bar", "reached")]
    for declared in BARS:
        entry = by_name.get(declared.name, {})
        figure = entry.get("figure")
        if figure is None:
            measured, reached = "not measured", "-"
        else:
            measured = f"{figure:g} {declared.unit}".strip()
            reached = "yes" if declared.passes(figure) else "**no**"
            reached = "-" if declared.limit is None else reached
        unit = "" if declared.limit is None else declared.unit
        bar_text = f"{declared.target} {unit}".strip()
        name = f"`{declared.name}`"
        rows.append((name, declared.what, measured, bar_text, reached))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]

    def line(cells: tuple[str, ...]) -> str:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        return "| " + " | ".join(padded) + " |"

    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([line(rows[0]), rule, *(line(row) for row in rows[1:])])


def details(path: Path = FIGURES_FILE) -> str:
    """How each recorded figure was measured, as a Markdown list."""
    lines = []
    for entry in load(path):
        made_by = f"`{entry['command']}`, {entry['machine']}, {entry['date']}"
        made_by += f", commit {entry['commit']}"
        note = f" {entry['note']}" if entry["note"] else ""
        lines.append(f"- `{entry['name']}`:{note} ({made_by})")
    return "\n".join(lines)


def report(path: Path = FIGURES_FILE) -> str:
    """The table and, under it, how the figures were measured."""
    return "\n\n".join(part for part in (table(path), details(path)) if part)


def readme_with_table(readme: str, path: Path = FIGURES_FILE) -> str:
    """The README's text with the report between its two markers made anew.

    Raises:
        UserError: a marker is missing.
    """
    head, start, rest = readme.partition(README_START)
    _, end, tail = rest.partition(README_END)
    if not start or not end:
        raise UserError(
            f"the README needs the lines '{README_START}' and '{README_END}'"
        )
    return f"{head}{start}\n\n{report(path)}\n\n{end}{tail}"


def write_readme(readme: Path = README_FILE, path: Path = FIGURES_FILE) -> bool:
    """Refresh the table in `readme`; True where that changed the file."""
    old = readme.read_text(encoding="utf-8")
    new = readme_with_table(old, path)
    if new == old:
        return False
    readme.write_text(new, encoding="utf-8")
    return True


def current_commit() -> str:
    """The short hash of the checkout, `-dirty` where what is measured differs from it.

    What measuring writes, the results and the pages that quote them, makes no commit
    dirty.
    """
    try:
        commit = _git("describe", "--always", "--exclude=*")
        changed = _git("status", "--porcelain", "-uno", "--", ".", *NOT_MEASURED)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit}-dirty" if changed else commit


def changed_since(commit: str, *paths: str) -> bool:
    """Whether any of the repository's `paths` differs from what it was at `commit`.

    False where that cannot be told: no checkout, or none that has the commit.
    """
    try:
        return bool(_git("diff", "--name-only", commit.split("-")[0], "--", *paths))
    except (OSError, subprocess.CalledProcessError):
        return False


def _git(*arguments: str) -> str:
    answer = subprocess.run(
        ["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return answer.stdout.strip()


def describe_machine() -> str:
    """Cores, processor and platform, such as `2 cores, AMD EPYC, Linux x86_64`."""
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for text_line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if text_line.startswith("model name"):
                model = text_line.partition(":")[2].strip()
                break
    noun = "core" if cores == 1 else "cores"
    return f"{cores} {noun}, {model}, {platform.system()} {platform.machine()}"
