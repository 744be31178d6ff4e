"""`data build`: a manifest's rows made with the frozen models, a shard a process.

A shard is made in parts of a few hundred rows. A part that is there is not made again
as long as its entries of the manifest and the models are the same, so a build that was
killed goes on, and one whose manifest was mended makes the mended part anew.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

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
from minimind_o.data.schema import SCHEMA, BadRowPolicy
from minimind_o.data.writing import NewRow, write_table
from minimind_o.errors import UserError

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
    starts = range(own.start, own.stop, part_rows)
    ranges = [range(start, min(start + part_rows, own.stop)) for start in starts]
    digests = [_digest(manifest, rows, models) for rows in ranges]
    whole = hashlib.sha256("".join(digests).encode()).hexdigest()
    if shard.path.exists():
        return _finished(shard.path, whole)
    result, paths = Built(shard.path), []
    with tqdm(total=len(own), unit=" rows", disable=None) as bar:
        for rows, digest in zip(ranges, digests, strict=True):
            path = shard.parts / f"{rows.start:08d}.parquet"
            if not _is_made(path, digest):
                bad: list[str] = []
                made = list(_rows(manifest, rows, maker, places, bad_rows, bad, say))
                metadata = {DIGEST: digest, BAD_ROWS: json.dumps(bad)}
                write_table(path, made, metadata)
                result.num_made += len(made)
            paths.append(path)
            bar.update(len(rows))
    _join(paths, shard.path, whole, result, bad_rows)
    shutil.rmtree(shard.parts, ignore_errors=True)
    return result


def _rows(
    manifest: Path,
    rows: range,
    maker: RowMaker,
    places: Places,
    policy: BadRowPolicy,
    bad: list[str],
    say: Callable[[str], None],
) -> Iterator[NewRow]:
    entries = read_entries(manifest, rows.start, rows.stop)
    for index, entry in zip(rows, entries, strict=True):
        try:
            yield maker.make(read_answer(entry, places))
        except UserError as error:
            sentence = f"{manifest} row {index}: {error}"
            if policy == "fatal":
                raise UserError(sentence) from error
            bad.append(sentence)
            say(sentence)


def _digest(manifest: Path, rows: range, models: str) -> str:
    entries = list(read_entries(manifest, rows.start, rows.stop))
    content = json.dumps([entries, models], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()


def _metadata(path: Path) -> dict[str, str]:
    """What a file says of itself; nothing where it is damaged."""
    try:
        found = pq.read_schema(path).metadata or {}
    except (pa.ArrowInvalid, OSError):
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
    partial = out.with_name(f"{out.name}.partial")
    with pq.ParquetWriter(partial, schema, compression="zstd") as sink:
        group: list[pa.Table] = []
        for path in paths:
            group.append(pq.read_table(path).replace_schema_metadata(metadata))
            if sum(table.num_rows for table in group) >= GROUP_ROWS:
                sink.write_table(pa.concat_tables(group))
                group = []
        if group:
            sink.write_table(pa.concat_tables(group))
    partial.replace(out)
