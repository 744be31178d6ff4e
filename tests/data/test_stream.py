"""The stream: every row once an epoch, from any batch on, however it is split."""

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from minimind_o import tokenizer
from minimind_o.assets import Assets
from minimind_o.data.examples import ExampleOptions, RowPreparer
from minimind_o.data.row import RowFormat
from minimind_o.data.schema import SCHEMA, BadRows
from minimind_o.data.stream import (
    ExampleStream,
    Plan,
    Position,
    RowGroups,
    StreamSettings,
    pools,
)
from minimind_o.errors import UserError
from minimind_o.layout import LayoutSpec

SPEC = LayoutSpec()
NUM_ROWS, GROUP_ROWS = 50, 8
Item = tuple[dict[str, torch.Tensor], Position]


def row(number: int, **changes: Any) -> dict[str, Any]:
    """A row that holds its number as its only code, spoken for a while."""
    turns = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b" * (1 + number % 7)},
    ]
    return {
        "conversations": json.dumps(turns),
        "answer_audios": [[number] * 8 * (1 + number % 5)],
        "ref_audios": [number] * 8,
    } | changes


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    table = pa.Table.from_pylist(list(rows), schema=SCHEMA)
    pq.write_table(table, path, row_group_size=GROUP_ROWS)
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two files of row groups of eight, the last ones smaller."""
    folder = tmp_path_factory.mktemp("files")
    rows = [row(number) for number in range(NUM_ROWS)]
    return [
        write(folder / "part-0.parquet", rows[:30]),
        write(folder / "part-1.parquet", rows[30:]),
    ]


@pytest.fixture(scope="module")
def stream(files: list[Path]) -> Callable[..., ExampleStream]:
    """Makes a stream over the files, of one process of some."""
    text_tokenizer = tokenizer.load(Assets.find().tokenizer)

    def make(
        rank: int = 0,
        world_size: int = 1,
        *,
        paths: Sequence[Path | str] | None = None,
        policy: str = "fatal",
        code_noise: float = 0.0,
        **changes: Any,
    ) -> ExampleStream:
        changes = {"batch_size": 3, "pool_rows": 12} | changes
        preparer = RowPreparer(
            tokenizer=text_tokenizer,
            spec=SPEC,
            options=ExampleOptions(code_noise=code_noise),
        )
        return ExampleStream(
            RowGroups(paths or files),
            preparer,
            RowFormat(),
            StreamSettings(rank=rank, world_size=world_size, **changes),
            BadRows(policy),  # type: ignore[arg-type]
        )

    return make


def numbers(batch: dict[str, torch.Tensor]) -> list[int]:
    """The rows of a batch, by what they say."""
    labels = batch["audio_labels"][:, 0]
    return [int(row[(row >= 0) & (row < 2048)][0]) for row in labels]


def epoch_of(items: Iterator[Item], epoch: int = 0) -> list[list[int]]:
    """The batches up to the end of an epoch."""
    kept = itertools.takewhile(lambda item: item[1]["epoch"] <= epoch, items)
    return [numbers(batch) for batch, position in kept if position["epoch"] == epoch]


def flat(batches: Sequence[list[int]]) -> list[int]:
    return [number for batch in batches for number in batch]


@pytest.mark.parametrize("world_size", [1, 2, 3, 7])
@pytest.mark.parametrize("pool_rows", [5, 12, 1000])
def test_every_row_comes_once_an_epoch(
    stream: Callable[..., ExampleStream], world_size: int, pool_rows: int
) -> None:
    for epoch in (0, 1):
        shares = [
            flat(
                epoch_of(stream(rank, world_size, pool_rows=pool_rows).iterate(), epoch)
            )
            for rank in range(world_size)
        ]
        assert sorted(flat(shares)) == list(range(NUM_ROWS))
        sizes = [len(share) for share in shares]
        assert max(sizes) - min(sizes) <= 1


def test_the_order_is_the_seeds_and_another_one_every_epoch(
    stream: Callable[..., ExampleStream],
) -> None:
    first = epoch_of(stream().iterate())
    assert first == epoch_of(stream().iterate())
    assert first != epoch_of(stream(seed=1).iterate())
    assert first != epoch_of(stream().iterate(), 1)
    assert flat(first) != sorted(flat(first))


@pytest.mark.parametrize("world_size", [1, 2])
def test_it_goes_on_from_any_batch_to_the_bit(
    stream: Callable[..., ExampleStream], world_size: int
) -> None:
    whole = [
        list(itertools.islice(stream(r, world_size, code_noise=0.3).iterate(), 40))
        for r in range(world_size)
    ]
    for stop in (1, 4, 5, 17, 18, 25, 33):
        saved = json.loads(json.dumps([items[stop - 1][1] for items in whole]))
        for rank in range(world_size):
            again = stream(rank, world_size, code_noise=0.3).iterate(saved)
            for (batch, position), (other, wanted) in zip(
                itertools.islice(again, 40 - stop), whole[rank][stop:], strict=True
            ):
                assert {k: v for k, v in position.items() if k != "seen"} == {
                    k: v for k, v in wanted.items() if k != "seen"
                }
                assert all(torch.equal(batch[name], other[name]) for name in other)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    splits=st.lists(
        st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(0, 9)),
        min_size=2,
        max_size=4,
    )
)
@example(splits=[(4, 4, 7), (1, 1, 3), (4, 1, 1)])  # some were an epoch ahead
def test_another_split_goes_on_with_the_rows_that_are_left(
    stream: Callable[..., ExampleStream], splits: list[tuple[int, int, int]]
) -> None:
    """Runs of (processes, batch size, batches each), one after the other."""
    seen: dict[int, Counter[int]] = {}
    positions: list[Position] | None = None
    for world_size, batch_size, steps in splits:
        after: list[Position] = []
        for rank in range(world_size):
            items = stream(rank, world_size, batch_size=batch_size).iterate(positions)
            for batch, position in itertools.islice(items, steps):
                seen.setdefault(position["epoch"], Counter()).update(numbers(batch))
                last = position
            if steps:
                after.append(last)
        positions = after or positions
    # The rest of the first epochs, by one process.
    last_epoch = max(seen, default=0)
    for batch, position in stream(batch_size=1).iterate(positions):
        if position["epoch"] > last_epoch:
            break
        seen.setdefault(position["epoch"], Counter()).update(numbers(batch))
    for counts in seen.values():
        assert counts == Counter(range(NUM_ROWS))


def test_positions_of_other_files_are_refused(
    stream: Callable[..., ExampleStream], files: list[Path]
) -> None:
    _, position = next(stream().iterate())
    with pytest.raises(UserError, match=r"trained on other files: .* 50 rows.* 30"):
        next(stream(paths=files[:1]).iterate([position]))


def test_a_glob_and_an_address_name_the_same_rows(
    stream: Callable[..., ExampleStream], files: list[Path]
) -> None:
    wanted = epoch_of(stream().iterate())
    folder = files[0].parent
    for address in (f"{folder}/part-*.parquet", f"file://{folder}/part-*.parquet"):
        assert epoch_of(stream(paths=[address]).iterate()) == wanted
    with pytest.raises(UserError, match=r"no file fits .*nothing-\*"):
        stream(paths=[f"{folder}/nothing-*.parquet"])
    with pytest.raises(UserError, match=r"part-9\.parquet is missing"):
        stream(paths=[folder / "part-9.parquet"])
    with pytest.raises(UserError, match="nowhere://x cannot be read"):
        stream(paths=["nowhere://x"])


def test_a_bad_row_is_named_once_and_skipped_or_fatal(
    stream: Callable[..., ExampleStream], tmp_path: Path
) -> None:
    rows = [row(number) for number in range(20)]
    rows[13] = row(13, ref_audios=[5000] * 8)
    path = write(tmp_path / "bad.parquet", rows)
    with pytest.raises(UserError, match=r"bad\.parquet row 13: ref_audios holds"):
        list(itertools.islice(stream(paths=[path]).iterate(), 20))
    skipping = stream(paths=[path], policy="skip")
    for epoch in (0, 1):
        found = flat(epoch_of(skipping.iterate(), epoch))
        assert sorted(found) == sorted(set(range(20)) - {13})
    assert len(skipping.bad_rows.messages) == 1
    hopeless = write(tmp_path / "hopeless.parquet", [rows[13]] * 3)
    with pytest.raises(UserError, match="has no row to train on; 3 are bad"):
        next(stream(paths=[hopeless], policy="skip").iterate())


def test_rows_are_named_by_file_and_place(
    stream: Callable[..., ExampleStream], files: list[Path]
) -> None:
    source = stream(batch_size=2)
    for batch, position in itertools.islice(source.iterate(), 10):
        said = source.where(position, 2)
        for number in numbers(batch):
            file, place = (0, number) if number < 30 else (1, number - 30)
            assert f"{files[file]} rows" in said
            assert str(place) in said


def test_a_process_needs_a_row_and_a_stream_a_size(
    stream: Callable[..., ExampleStream], tmp_path: Path
) -> None:
    path = write(tmp_path / "one.parquet", [row(0)])
    with pytest.raises(UserError, match="1 rows for 2 processes"):
        stream(0, 2, paths=[path])
    with pytest.raises(UserError, match="either max_positions or batch_size"):
        stream(max_positions=100)
    with pytest.raises(UserError, match="pool_rows is 0"):
        stream(pool_rows=0)
    empty = write(tmp_path / "empty.parquet", [])
    with pytest.raises(UserError, match="has no row to train on"):
        stream(paths=[empty])


def test_speakers_are_found_wherever_they_are(tmp_path: Path) -> None:
    rows = [row(number) for number in range(20)]
    assert not RowGroups([write(tmp_path / "a.parquet", rows)]).has_speakers
    rows[19] = row(19, spk_emb=[0.5] * 192)
    assert RowGroups([write(tmp_path / "b.parquet", rows)]).has_speakers


@given(
    st.lists(st.integers(0, 20), min_size=1, max_size=9),
    st.integers(1, 5),
    st.integers(1, 30),
)
def test_pools_hold_a_share_in_order(
    sizes: list[int], world_size: int, pool_rows: int
) -> None:
    plan = Plan(sizes, 0, {})
    for rank in range(world_size):
        share = plan.share(0, rank, world_size)
        cut = pools(share, pool_rows)
        rows = [(s.group, r) for pool in cut for s in pool for r in s.rows.tolist()]
        assert rows == [(s.group, r) for s in share for r in s.rows.tolist()]
        assert all(sum(len(s.rows) for s in pool) <= pool_rows for pool in cut)


def test_what_was_seen_is_in_no_share() -> None:
    seen = np.array([[0, 1], [2, 0], [2, 1]])
    plan = Plan([3, 0, 2, 4], 0, {5: seen})
    left = {(s.group, r) for s in plan.share(5, 0, 1) for r in s.rows.tolist()}
    assert left == {(0, 0), (0, 2), (3, 0), (3, 1), (3, 2), (3, 3)}
    assert sum(len(s.rows) for s in plan.share(6, 0, 1)) == 9
