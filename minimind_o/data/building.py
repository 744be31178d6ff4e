"""`data build`: a manifest's rows made with the frozen models, a shard a process.

A shard is made in parts of a few hundred rows. A part that is there is not made again
as long as its entries of the manifest and the models are the same, so a build that was
killed goes on, and one whose manifest was mended makes the mended part anew.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm.auto import tqdm

from minimind_o.data.build_manifest import (
    Places,
    count_entries,
    read_answer,
    read_entries,
)
from minimind_o.data.own_set import RowMaker
from minimind_o.data.regroup import GROUP_ROWS
from minimind_o.data.schema import DAMAGE, SCHEMA, BadRowPolicy
from minimind_o.data.writing import NewRow, write_table
from minimind_o.errors import UserError
from minimind_o.written_aside import file_written_aside

PART_ROWS = 256
DIGEST, BAD_ROWS = "minimind_o.digest", "minimind_o.bad_rows"


@dataclass(frozen=True, kw_only=True)
class Shard:
    """The part of a build that one process makes.

    out: the file of the whole build; a shard of several has a name of its own.
    """

    out: Path
    rank: int = 0
    world_size: int = 1

    @property
    def path(self) -> Path:
        """`OUT.parquet`, or `OUT-00000-of-00002.parquet`."""
        if self.world_size == 1:
            return self.out
        name = f"{self.out.stem}-{self.rank:05d}-of-{self.world_size:05d}"
        return self.out.with_name(f"{name}{self.out.suffix}")

    @property
    def parts(self) -> Path:
        """The folder of what is made so far."""
        return self.path.with_name(f"{self.path.name}.parts")

    def entries(self, count: int) -> range:
        """Which of `count` entries are this process's."""
        first, last = (
            count * part // self.world_size for part in (self.rank, self.rank + 1)
        )
        return range(first, last)


@dataclass
class Built:
    """What came of it.

    num_rows: good ones in the file. num_made: of these, made by this call.
    bad_rows: a sentence for each row that was left out.
    """

    path: Path
    num_rows: int = 0
    num_made: int = 0
    bad_rows: list[str] = field(default_factory=list)


def build(
    manifest: Path,
    shard: Shard,
    maker: RowMaker,
    places: Places,
    *,
    models: str = "",
    bad_rows: BadRowPolicy = "fatal",
    part_rows: int = PART_ROWS,
    say: Callable[[str], None] = lambda sentence: None,
) -> Built:
    """Make a shard, or what is missing of it.

    Args:
        manifest: see `minimind_o.data.build_manifest`.
        shard: which entries, and where to.
        maker: with the models.
        places: where the manifest's files are.
        models: changes whenever the models do.
        bad_rows: "fatal" stops at the first, "skip" names each and goes on.
        part_rows: entries in a part.
        say: told of each bad row.

    Raises:
        UserError: the manifest cannot be read, a bad row where these are fatal, no good
            row at all, or a file in the way.
    """
    if shard.out.suffix != ".parquet":
        raise UserError(f"{shard.out} must end in .parquet.")
    if part_rows < 1:
        raise UserError(f"a part of {part_rows} rows cannot be: give 1 or more.")
    own = shard.entries(count_entries(manifest))
    digests = [_digest(e, models) for _, e in _portions(manifest, own, part_rows)]
    whole = hashlib.sha256("".join(digests).encode()).hexdigest()
    if shard.path.exists():
        return _finished(shard.path, whole)
    result, paths = Built(shard.path), []
    with tqdm(total=len(own), unit=" rows", disable=None) as bar:
        work = zip(_portions(manifest, own, part_rows), digests, strict=True)
        for (first, entries), digest in work:
            path = shard.parts / f"{first:08d}.parquet"
            if not _is_made(path, digest):
                bad = BadEntries(manifest, bad_rows, say)
                made = list(_rows(first, entries, maker, places, bad))
                metadata = {DIGEST: digest, BAD_ROWS: json.dumps(bad.messages)}
                write_table(path, made, metadata)
                result.num_made += len(made)
            paths.append(path)
            bar.update(len(entries))
    _join(paths, shard.path, whole, result, bad_rows)
    shutil.rmtree(shard.parts, ignore_errors=True)
    return result


@dataclass
class BadEntries:
    """What to do about an entry that makes no row: as `bad_rows` of `build` says."""

    manifest: Path
    policy: BadRowPolicy
    say: Callable[[str], None]
    messages: list[str] = field(default_factory=list)

    def report(self, index: int, error: UserError) -> None:
        """Raise, or tell and remember."""
        sentence = f"{self.manifest} row {index}: {error}"
        if self.policy == "fatal":
            raise UserError(sentence) from error
        self.messages.append(sentence)
        self.say(sentence)


def _portions(
    manifest: Path, own: range, part_rows: int
) -> Iterator[tuple[int, list[Mapping[str, Any]]]]:
    """The entries of each part, with the number of its first; one reading in all."""
    entries = read_entries(manifest, own.start, own.stop)
    for first in range(own.start, own.stop, part_rows):
        yield first, list(itertools.islice(entries, part_rows))


def _rows(
    first: int,
    entries: Sequence[Mapping[str, Any]],
    maker: RowMaker,
    places: Places,
    bad: BadEntries,
) -> Iterator[NewRow]:
    for index, entry in enumerate(entries, first):
        try:
            yield maker.make(read_answer(entry, places))
        except UserError as error:
            bad.report(index, error)


def _digest(entries: Sequence[Mapping[str, Any]], models: str) -> str:
    content = json.dumps([entries, models], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()


def _metadata(path: Path) -> dict[str, str]:
    """What a file says of itself; nothing where it is damaged."""
    try:
        found = pq.read_schema(path).metadata or {}
    except DAMAGE:
        return {}
    return {key.decode(): value.decode() for key, value in found.items()}


def _is_made(path: Path, digest: str) -> bool:
    return path.is_file() and _metadata(path).get(DIGEST) == digest


def _finished(path: Path, digest: str) -> Built:
    """The result of an earlier call."""
    metadata = _metadata(path)
    if metadata.get(DIGEST) != digest:
        raise UserError(
            f"{path} exists and was not made from this manifest and these models: name "
            "another file, or remove it."
        )
    return Built(
        path,
        num_rows=pq.read_metadata(path).num_rows,
        bad_rows=json.loads(metadata[BAD_ROWS]),
    )


def _join(
    paths: Sequence[Path], out: Path, digest: str, result: Built, policy: BadRowPolicy
) -> None:
    """The parts as one file of ordinary row groups, whole or not at all."""
    result.bad_rows = [
        sentence for p in paths for sentence in json.loads(_metadata(p)[BAD_ROWS])
    ]
    if result.bad_rows and policy == "fatal":  # left out by an earlier, laxer call
        raise UserError(result.bad_rows[0])
    result.num_rows = sum(pq.read_metadata(path).num_rows for path in paths)
    if not result.num_rows:
        raise UserError(f"{out} would be empty: {len(result.bad_rows)} rows are bad.")
    metadata = {DIGEST: digest, BAD_ROWS: json.dumps(result.bad_rows)}
    schema = SCHEMA.with_metadata(metadata)
    with (
        file_written_aside(out) as aside,
        pq.ParquetWriter(aside, schema, compression="zstd") as sink,
    ):
        group: list[pa.Table] = []
        for path in paths:
            group.append(pq.read_table(path).replace_schema_metadata(metadata))
            if sum(table.num_rows for table in group) >= GROUP_ROWS:
                sink.write_table(pa.concat_tables(group))
                group = []
        if group:
            sink.write_table(pa.concat_tables(group))
