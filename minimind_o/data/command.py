"""`minimind-o data …`: check, measure, make and regroup Parquet files."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from minimind_o.assets import ENVIRONMENT_VARIABLE, Assets
from minimind_o.errors import UserError
from minimind_o.written_aside import file_written_aside


def build_parser() -> argparse.ArgumentParser:
    """The arguments of every action."""
    parser = argparse.ArgumentParser(
        prog="minimind-o data", description="Check, measure and make Parquet files."
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    check = actions.add_parser("check", help="check every row, as training would")
    _add_files(check)
    check.add_argument(
        "--num-codes", type=_positive, default=2048, help="codes per codebook"
    )
    check.add_argument(
        "--max-length",
        type=_positive,
        metavar="POSITIONS",
        help="most that a row may take",
    )
    check.add_argument(
        "--show", type=int, default=20, help="most rows named per kind and file"
    )
    check.set_defaults(run=_check)

    stats = actions.add_parser("stats", help="hours, languages, lengths (table 1)")
    _add_files(stats)
    stats.add_argument("--out", type=Path, metavar="FILE.json", help="write them, too")
    stats.set_defaults(run=_stats)

    build = actions.add_parser("build", help="rows from texts, recordings, pictures")
    build.add_argument("manifest", type=Path, help="CSV or JSON lines")
    build.add_argument("out", type=Path, metavar="OUT.parquet")
    build.add_argument(
        "--media", type=Path, metavar="FOLDER", help="of its files (default: its own)"
    )
    build.add_argument(
        "--part-rows", type=_positive, default=256, help="rows made between two savings"
    )
    build.add_argument("--bad-rows", choices=("fatal", "skip"), default="fatal")
    _add_assets(build, "the frozen models' folder")
    build.set_defaults(run=_build)

    regroup = actions.add_parser(
        "regroup", help="rewrite a file in row groups that training reads one at a time"
    )
    regroup.add_argument("file", metavar="FILE.parquet")
    regroup.add_argument("out", type=Path, metavar="OUT.parquet")
    regroup.add_argument("--rows", type=_positive, default=1024, help="of a row group")
    regroup.set_defaults(run=_regroup)

    split = actions.add_parser(
        "split", help="one file into train, validation and test, by what is said"
    )
    split.add_argument("file", metavar="FILE.parquet")
    split.add_argument("folder", type=Path, metavar="FOLDER")
    split.add_argument(
        "--hold-out",
        type=_positive,
        default=500,
        metavar="ROWS",
        help="about so many in validation, and in test (default: 500)",
    )
    split.set_defaults(run=_split)
    return parser


def main(argv: Sequence[str]) -> None:
    """Run one action.

    Raises:
        UserError: what the user can mend.
    """
    arguments = build_parser().parse_args(argv)
    arguments.run(arguments)


def _positive(text: str) -> int:
    """A whole number from 1 on; argparse tells of others."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def _add_assets(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument(
        "--assets",
        metavar="FOLDER",
        help=f"{what} (default: ${ENVIRONMENT_VARIABLE} or data/nano)",
    )


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="Parquet files, globs, or any address that fsspec reaches",
    )
    parser.add_argument(
        "--limit",
        type=_positive,
        metavar="ROWS",
        help="the first rows of each file only",
    )
    parser.add_argument("--processes", type=_positive, help="default: one a core")
    _add_assets(parser, "whose tokenizer counts lengths")


def _check(arguments: argparse.Namespace) -> None:
    from minimind_o.data.check import Rules, check_files, picture_tokens
    from minimind_o.data.row import RowFormat
    from minimind_o.data.schema import expand

    assets = Assets.find(arguments.assets)
    rules = Rules(
        row_format=RowFormat(num_codes=arguments.num_codes),
        tokenizer=assets.tokenizer,
        num_image_tokens=picture_tokens(assets.siglip2),
        max_length=arguments.max_length,
    )
    reports = check_files(
        expand(arguments.files),
        rules,
        limit=arguments.limit,
        num_processes=arguments.processes,
        show=arguments.show,
    )
    unreadable = [report.file for report in reports if report.kinds["file"]]
    num_bad = sum(report.num_bad for report in reports) - len(unreadable)
    complaints = [f"{file} cannot be read whole" for file in unreadable]
    if num_bad:
        complaints.append(f"{num_bad} bad rows")
    if complaints:
        raise UserError(f"{', '.join(complaints)}; see above")


def _stats(arguments: argparse.Namespace) -> None:
    from minimind_o.data.schema import expand
    from minimind_o.data.set_statistics import measure_files, table

    statistics = measure_files(
        expand(arguments.files),
        Assets.find(arguments.assets).tokenizer,
        limit=arguments.limit,
        num_processes=arguments.processes,
    )
    print(table(statistics))
    if arguments.out is not None:
        content = {file: counted.summary() for file, counted in statistics.items()}
        try:
            with file_written_aside(arguments.out) as aside:
                aside.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
        except OSError as error:
            raise UserError(f"{arguments.out} cannot be written: {error}") from error


def _build(arguments: argparse.Namespace) -> None:
    from minimind_o.training.processes import start_processes

    processes = start_processes()
    try:
        _build_shard(arguments, processes.rank, processes.world_size, processes.device)
    finally:
        processes.close()


def _build_shard(
    arguments: argparse.Namespace, rank: int, world_size: int, device: object
) -> None:
    from minimind_o.data.build_manifest import Places
    from minimind_o.data.building import Shard, build
    from minimind_o.data.own_set import RowMaker
    from minimind_o.frozen.campplus import load_campplus
    from minimind_o.frozen.mimi import load_mimi
    from minimind_o.frozen.sensevoice import load_sensevoice

    assets = Assets.find(arguments.assets)
    maker = RowMaker(
        lambda: load_mimi(assets.mimi, str(device)),
        lambda: load_campplus(assets.campplus, str(device)),
        lambda: load_sensevoice(assets.sensevoice),
    )
    voices = assets.path("voices")
    built = build(
        arguments.manifest,
        Shard(out=arguments.out, rank=rank, world_size=world_size),
        maker,
        Places(
            media=arguments.media or arguments.manifest.parent,
            voices=voices if voices.is_dir() else None,
        ),
        models=_models_digest(assets),
        bad_rows=arguments.bad_rows,
        part_rows=arguments.part_rows,
        say=print,
    )
    print(
        f"{built.path}: {built.num_rows} rows, {built.num_made} of them made now, "
        f"{len(built.bad_rows)} left out"
    )


def _models_digest(assets: Assets) -> str:
    """What another codec, speaker encoder or transcriber would change."""
    digest = hashlib.sha256()
    for name in ("mimi", "campplus", "sensevoice", "voices"):
        for path in sorted(assets.path(name).glob("*")):
            digest.update(f"{name}/{path.name}\n".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _regroup(arguments: argparse.Namespace) -> None:
    from minimind_o.data.regroup import regroup

    count = regroup(arguments.file, arguments.out, arguments.rows)
    print(f"{arguments.out}: {count} row groups")


def _split(arguments: argparse.Namespace) -> None:
    from minimind_o.data.split import split

    counts = split(arguments.file, arguments.folder, arguments.hold_out)
    for name, count in counts.items():
        print(f"{arguments.folder / name}.parquet: {count} rows")
