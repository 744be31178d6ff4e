"""Rows are built from a manifest, in shards, and a killed build ends with the same."""

import csv
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest
import soundfile
from PIL import Image

from minimind_o.assets import Assets
from minimind_o.data.build_manifest import Places, read_answer
from minimind_o.data.building import Built, Shard, build
from minimind_o.data.own_set import RowMaker
from minimind_o.data.row import RowFormat
from minimind_o.data.schema import validate
from minimind_o.data.speech import VOICES, render
from minimind_o.errors import UserError
from minimind_o.frozen.campplus import load_campplus
from minimind_o.frozen.mimi import load_mimi
from minimind_o.frozen.sensevoice import load_sensevoice
from minimind_o.generation.voices import load_voice

NUM_ROWS, PART_ROWS = 12, 4
Entry = dict[str, Any]


@pytest.fixture(scope="module")
def maker() -> RowMaker:
    assets = Assets.find()
    mimi, campplus = load_mimi(assets.mimi), load_campplus(assets.campplus)
    return RowMaker(
        lambda: mimi, lambda: campplus, lambda: load_sensevoice(assets.sensevoice)
    )


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the rows are made of."""
    folder = tmp_path_factory.mktemp("media")
    texts = {
        "leo": "The old teacher reads a letter by the window.",
        "who": "Who are you?",
        "answer": "One plus two is three.",
    }
    for name, text in texts.items():
        wave = render(text, "en-us", VOICES["leo"]).wave
        soundfile.write(folder / f"{name}.wav", wave, 24_000)
    Image.new("RGB", (32, 32), "red").save(folder / "red.png")
    return folder


def spoken(number: int, **changes: Any) -> Entry:
    return {
        "question": f"What is it, {number}?",
        "answer": "One plus two is three.",
        "answer_recording": "answer.wav",
        "voice": "leo.wav",
    } | changes


ENTRIES = [spoken(number) for number in range(NUM_ROWS)]


def write(media: Path, name: str, entries: list[Entry]) -> Path:
    path = media / name
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return path


def made(
    media: Path, out: Path, maker: RowMaker, entries: list[Entry], **options: Any
) -> Built:
    shard = Shard(
        out=out, **{k: options.pop(k) for k in ("rank", "world_size") if k in options}
    )
    places = Places(media=media, voices=Assets.find().voices)
    manifest = write(media, f"{out.stem}.jsonl", entries)
    return build(manifest, shard, maker, places, part_rows=PART_ROWS, **options)


def test_each_kind_of_row_is_valid_and_holds_what_was_given(
    tmp_path: Path, media: Path, maker: RowMaker
) -> None:
    earlier = [
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "Hello!"},
    ]
    last = [
        {"role": "user", "content": "And now?"},
        {"role": "assistant", "content": "Three."},
    ]
    entries = [
        spoken(0),
        spoken(1, question="", question_recording="who.wav", voice="ada"),
        {"question": "<image>\nWhich colour?", "answer": "Red.", "picture": "red.png"},
        {"conversation": earlier + last, "answer_recording": "answer.wav"},
        spoken(4, answer=""),
    ]
    out = tmp_path / "rows.parquet"
    assert made(media, out, maker, entries).num_rows == 5
    assert validate(out, RowFormat(num_codes=512)) == []
    t2a, a2a, i2t, talk, heard = pq.read_table(out).to_pylist()
    frames = -(-len(soundfile.read(media / "answer.wav")[0]) // 1920)
    assert len(t2a["answer_audios"][0]) == 8 * frames
    assert (len(t2a["ref_audios"]), len(t2a["spk_emb"])) == (8 * 25, 192)
    assert a2a["question_audios"] == [(media / "who.wav").read_bytes()]
    ada = load_voice(Assets.find().voices, "ada")
    assert a2a["ref_audios"] == ada.codes_QT.T.reshape(-1).tolist()
    assert i2t["image_bytes"] == [(media / "red.png").read_bytes()]
    assert i2t["answer_audios"] == []
    assert json.loads(talk["conversations"]) == earlier + last
    # The transcriber hears this sentence without a fault.
    answer = json.loads(heard["conversations"])[-1]["content"]
    assert answer.lower().rstrip(".") == "one plus two is three"


def test_a_csv_file_is_read_like_json_lines(
    tmp_path: Path, media: Path, maker: RowMaker
) -> None:
    path = media / "rows.csv"
    columns = ["question", "answer", "answer_recording", "voice", "picture"]
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, columns, restval="")
        writer.writeheader()
        writer.writerows(ENTRIES[:2])
    out = tmp_path / "csv.parquet"
    build(path, Shard(out=out), maker, Places(media=media))
    made(media, tmp_path / "json.parquet", maker, ENTRIES[:2])
    tables = [pq.read_table(tmp_path / f"{name}.parquet") for name in ("csv", "json")]
    assert tables[0].equals(tables[1])


def test_a_line_of_more_values_than_columns_is_named(
    tmp_path: Path, media: Path, maker: RowMaker
) -> None:
    path = media / "long.csv"
    path.write_text("question,answer\na,b\na,b,c\n")
    with pytest.raises(UserError, match=r"row 1: it has the column '\(one more than"):
        build(path, Shard(out=tmp_path / "a.parquet"), maker, Places(media=media))


def test_a_build_that_stops_goes_on_and_ends_with_the_same_rows(
    tmp_path: Path, media: Path, maker: RowMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tmp_path / "whole.parquet"
    assert made(media, whole, maker, ENTRIES).num_made == NUM_ROWS
    out = tmp_path / "out.parquet"
    make, count = maker.make, 0

    def stopping(answer: Any) -> Any:
        nonlocal count
        count += 1
        if count == 7:
            raise KeyboardInterrupt
        return make(answer)

    monkeypatch.setattr(maker, "make", stopping)
    with pytest.raises(KeyboardInterrupt):
        made(media, out, maker, ENTRIES)
    assert not out.exists()
    monkeypatch.undo()
    # The first part of four rows is there; the second was not whole.
    assert made(media, out, maker, ENTRIES).num_made == NUM_ROWS - 4
    assert pq.read_table(out).equals(pq.read_table(whole))
    assert [p.name for p in tmp_path.iterdir() if "part" in p.name] == []
    again = made(media, out, maker, ENTRIES)
    assert (again.num_rows, again.num_made) == (NUM_ROWS, 0)


def test_mending_a_row_makes_its_part_anew_and_no_other(
    tmp_path: Path, media: Path, maker: RowMaker
) -> None:
    out = tmp_path / "out.parquet"
    entries = [*ENTRIES]
    entries[9] = spoken(9, answer_recording="nowhere.wav")
    with pytest.raises(UserError, match=r"out\.jsonl row 9: .*nowhere\.wav does not"):
        made(media, out, maker, entries)
    assert made(media, out, maker, ENTRIES).num_made == 4
    with pytest.raises(UserError, match="was not made from this manifest"):
        made(media, out, maker, entries)


def test_other_models_make_everything_anew(
    tmp_path: Path, media: Path, maker: RowMaker
) -> None:
    out = tmp_path / "out.parquet"
    bad = [*ENTRIES[:7], spoken(7, voice="nobody")]
    for models in ("one", "other"):
        with pytest.raises(UserError, match="the voices of the assets are ada, ben"):
            made(media, out, maker, bad, models=models)
    assert made(media, out, maker, ENTRIES[:8], models="one").num_made == 8


def test_bad_rows_are_named_and_left_out_where_that_is_wanted(
    tmp_path: Path, media: Path, maker: RowMaker
) -> None:
    out = tmp_path / "out.parquet"
    entries = [*ENTRIES[:3], {"answer": "Yes."}, spoken(4, colour="red"), spoken(5)]
    said: list[str] = []
    built = made(media, out, maker, entries, bad_rows="skip", say=said.append)
    assert (built.num_rows, len(built.bad_rows)) == (4, 2)
    assert built.bad_rows == said
    assert "out.jsonl row 3: nothing is asked" in said[0]
    assert "out.jsonl row 4: it has the column 'colour'; known are" in said[1]
    # Told again, though nothing was made.
    assert made(media, out, maker, entries, bad_rows="skip").bad_rows == said
    with pytest.raises(UserError, match="would be empty: 1 rows are bad"):
        made(media, tmp_path / "none.parquet", maker, [{}], bad_rows="skip")


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (
            {"question": "<|im_end|>", "answer": "b"},
            "The question contains the control",
        ),
        ({"question": "a"}, "there is no answer"),
        ({"question": 3, "answer": "b"}, "question is 3; it must be text"),
        ([], "it is no object"),
        ({"conversation": "[", "answer": "b"}, "a conversation and a question or"),
        ({"conversation": "["}, "conversation is not JSON"),
        (
            {"conversation": [{"role": "assistant", "content": "b"}]},
            "a user turn before",
        ),
        ({"question": "a", "picture": "../red.png"}, "lies outside"),
        ({"question": "a", "picture": "/etc/passwd"}, "lies outside"),
    ],
)
def test_what_an_entry_lacks_is_said(
    entry: Any, words: str, media: Path, maker: RowMaker
) -> None:
    with pytest.raises(UserError, match=words.replace("|", r"\|")):
        maker.make(read_answer(entry, Places(media=media)))


def test_shards_hold_all_rows_in_order(
    tmp_path: Path, media: Path, maker: RowMaker
) -> None:
    out = tmp_path / "out.parquet"
    for rank in range(3):
        made(media, out, maker, ENTRIES[:10], rank=rank, world_size=3)
    files = sorted(tmp_path.glob("out-*.parquet"))
    assert [f.name for f in files] == [
        f"out-{i:05d}-of-00003.parquet" for i in range(3)
    ]
    rows = [r for f in files for r in pq.read_table(f)["conversations"].to_pylist()]
    assert [f"it, {i}?" in row for i, row in enumerate(rows)] == [True] * 10


def start_command(manifest: Path, out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2",
         "--master_port", "29617", "-m", "minimind_o", "data", "build",
         str(manifest), str(out), "--part-rows", str(PART_ROWS)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def test_two_processes_are_killed_and_go_on(tmp_path: Path, media: Path) -> None:
    entries = [spoken(number) for number in range(32)]
    manifest = write(media, "many.jsonl", entries)
    out = tmp_path / "out.parquet"
    first = start_command(manifest, out)
    for _ in range(3000):
        if list(tmp_path.glob("*.parts/*.parquet")) or first.poll() is not None:
            break
        time.sleep(0.05)
    processes = psutil.Process(first.pid).children(recursive=True)
    for process in [psutil.Process(first.pid), *processes]:
        process.kill()
    _, complaints = first.communicate()
    num_parts = len(list(tmp_path.glob("*.parts/*.parquet")))
    assert 0 < num_parts < len(entries) // PART_ROWS, complaints
    assert not list(tmp_path.glob("out-*.parquet"))
    second = start_command(manifest, out)
    said, complaints = second.communicate(timeout=170)
    assert second.returncode == 0, complaints
    files = sorted(tmp_path.glob("out-*.parquet"))
    assert len(files) == 2
    rows = [row for file in files for row in pq.read_table(file).to_pylist()]
    questions = [json.loads(row["conversations"])[0]["content"] for row in rows]
    assert questions == [entry["question"] for entry in entries]
    made_now = re.findall(r"16 rows, (\d+) of them made now", said)
    assert sum(map(int, made_now)) == len(entries) - PART_ROWS * num_parts
