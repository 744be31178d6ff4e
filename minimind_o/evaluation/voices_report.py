"""The voice suite's answers, as Parquet rows and as a Markdown page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from minimind_o.evaluation.statistics import bootstrap_mean
from minimind_o.evaluation.tables import (
    NONE,
    Provenance,
    markdown_table,
    with_interval,
)

_HEAD = (
    "voice", "n", "similarity", "nearest of all", "gain by the vector",
    "other prompts", "speaker", "speaker, through the codec", "nearest, this one",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class VoiceAnswer:
    """One answer next to its voice prompt."""

    voice: str
    """Whose prompt it was given."""
    seen: bool
    """Whether answers in this voice were trained on."""
    prompt: str
    """The question."""
    similarity: float
    """Cosine of its speaker vector and the prompt's; 0 for an answer too short."""
    is_nearest: bool
    """Whether the prompt's voice is the nearest of all."""
    nearest: str
    """The voice that is; empty for an answer too short."""
    codes_alone: float
    """The similarity of the answer that got no speaker vector."""


@dataclass(frozen=True, kw_only=True)
class VoiceYardstick:
    """What a voice's similarity is to be held against."""

    others: list[float]
    """Floor: cosines of its prompt and every other voice's."""
    speaker: list[float]
    """Cosines of the prompt and the speaker's own recordings; none where unknown."""
    through_codec: list[float]
    """Ceiling: the same recordings through the codec, or the prompt's own codes."""
    codec_is_nearest: list[bool]
    """Ceiling of `VoiceAnswer.is_nearest`: whether the prompt's voice is the nearest of
    all to each of these."""


def answer_rows(items: Sequence[VoiceAnswer]) -> list[dict[str, Any]]:
    """One flat row per answer."""
    return [asdict(item) for item in items]


def markdown(
    items: Sequence[VoiceAnswer],
    yardsticks: Mapping[str, VoiceYardstick],
    provenance: Provenance,
) -> str:
    """Speaker by speaker, as in the paper's table 7, and the means of its table 3."""
    lines = ["# Voices: answers against their voice prompts", "", provenance.sentence]
    lines += [
        "",
        "Cosines of speaker vectors; brackets hold a 95 % bootstrap interval over "
        "answers (of *other prompts*, over voices). *Gain*: what the speaker vector "
        "adds to the reference codes. *Other prompts*: how near the other voices' "
        "prompts are (floor). *Speaker*: the speaker's own recordings of the same "
        "answers, before and through the codec (ceiling; where they are not known, the "
        "prompt's own codes). *Nearest, this one*: how often those are nearest to the "
        "own prompt of all (ceiling of *nearest of all*).",
        "",
    ]
    names = list(dict.fromkeys(item.voice for item in items))
    groups = {f"{name}{'' if _is_seen(items, name) else ' (unseen)'}": [name]
              for name in names}  # fmt: skip
    groups["**all seen**"] = [name for name in names if _is_seen(items, name)]
    groups["**all unseen**"] = [name for name in names if not _is_seen(items, name)]
    groups["**all**"] = names
    rows = [
        _row(title, [i for i in items if i.voice in group], yardsticks)
        for title, group in groups.items()
        if group
    ]
    return "\n".join([*lines, *markdown_table(_HEAD, rows)])


def _is_seen(items: Sequence[VoiceAnswer], name: str) -> bool:
    return any(item.seen for item in items if item.voice == name)


def _row(
    title: str, items: Sequence[VoiceAnswer], yardsticks: Mapping[str, VoiceYardstick]
) -> tuple[str, ...]:
    own = [yardsticks[name] for name in dict.fromkeys(item.voice for item in items)]
    columns = (
        [item.similarity for item in items],
        [float(item.is_nearest) for item in items],
        [item.similarity - item.codes_alone for item in items],
        [value for one in own for value in one.others],
        [value for one in own for value in one.speaker],
        [value for one in own for value in one.through_codec],
        [float(value) for one in own for value in one.codec_is_nearest],
    )
    means = (
        with_interval(bootstrap_mean(values)) if values else NONE for values in columns
    )
    return (title, str(len(items)), *means)
