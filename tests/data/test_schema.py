"""Good rows are read exactly; each kind of bad file or row is named in one sentence."""

import io
import json
import logging

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from minimind_o.data.row import RowFormat, decode_audio
from minimind_o.data.schema import (
    SCHEMA,
    BadRows,
    check_schema,
    open_parquet,
    read_rows,
    validate,
)
from minimind_o.errors import UserError

FORMAT = RowFormat()
TURNS = [
    {"role": "user", "content": "What?"},
    {"role": "assistant", "content": "<think>\nhm\n</think>\n\nBlue."},
]


def wav():
    buffer = io.BytesIO()
    soundfile.write(buffer, np.full(1600, 0.25), 16000, format="WAV")
    return buffer.getvalue()


def good_row(**changes):
    row = {
        "conversations": json.dumps(TURNS),
        "question_audios": [wav()],
        "answer_audios": [[1, 2, 3, 4, 5, 6, 7, 8], list(range(16))],
        "image_bytes": [b"picture"],
        "ref_audios": list(range(100, 108)),
        "spk_emb": [0.5] * 192,
        "answer_alignment": [-1, 4],
    }
    return row | changes


def write(path, rows, schema=SCHEMA):
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    return path


def read(path, policy="fatal", **options):
    return list(read_rows(path, FORMAT, BadRows(policy), **options))


def test_a_row_is_read_into_the_layouts_shapes(tmp_path):
    (row,) = read(write(tmp_path / "a.parquet", [good_row()]))
    assert row.turns == TURNS
    assert row.answer_codes.shape == (8, 2)
    assert row.answer_codes[:, 1].tolist() == list(range(8, 16))
    assert row.reference_codes[:, 0].tolist() == list(range(100, 108))
    assert row.answer_alignment.tolist() == [-1, 4]
    assert row.images == [b"picture"]
    assert row.speaker_embedding.tolist() == [0.5] * 192
    samples, rate = decode_audio(row.question_audios[0])
    assert (len(samples), rate) == (1600, 16000)


def test_other_widths_and_absent_columns_read_the_same(tmp_path):
    wide = pa.schema(
        [
            ("conversations", pa.large_string()),
            ("answer_audios", pa.large_list(pa.list_(pa.int64()))),
            ("ref_audios", pa.list_(pa.uint16())),
            ("spk_emb", pa.list_(pa.float64())),
            ("image_bytes", pa.binary()),
            ("question_audios", pa.null()),
        ]
    )
    rows = [good_row(image_bytes=b"picture", question_audios=None)]
    (row,) = read(write(tmp_path / "wide.parquet", rows, wide))
    (narrow,) = read(write(tmp_path / "narrow.parquet", [good_row()]))
    np.testing.assert_array_equal(row.answer_codes, narrow.answer_codes)
    np.testing.assert_array_equal(row.reference_codes, narrow.reference_codes)
    assert row.images == [b"picture"]
    assert row.question_audios == []
    assert row.answer_alignment is None


def test_empty_and_null_both_mean_none(tmp_path):
    columns = [name for name in SCHEMA.names if name != "conversations"]
    for empty in ([], None):
        rows = [good_row(**dict.fromkeys(columns, empty))]
        (row,) = read(write(tmp_path / "a.parquet", rows))
        assert row.answer_codes is None
        assert row.reference_codes is None
        assert row.speaker_embedding is None
        assert row.answer_alignment is None
        assert row.question_audios == row.images == []


def test_the_released_rows_are_valid(shared):
    path = shared / "golden/layout.parquet"
    assert len(read(path)) == 7
    assert validate(path, FORMAT) == []


BAD_ROWS = {
    "json": (
        {"conversations": "[{"},
        "conversations is not JSON",
    ),
    "no list": (
        {"conversations": '{"role": "user"}'},
        "must be a JSON list",
    ),
    "null": (
        {"conversations": None},
        "conversations is null",
    ),
    "role": (
        {"conversations": '[{"role": "robot", "content": "x"}]'},
        r"conversations is malformed\. Turn 0 has the role 'robot'",
    ),
    "content": (
        {"conversations": '[{"role": "assistant"}]'},
        "Turn 0 has no content string",
    ),
    "silent": (
        {"conversations": '[{"role": "user", "content": "x"}]'},
        "has no assistant turn",
    ),
    "open": (
        {"conversations": json.dumps([*TURNS, TURNS[0]])},
        "must end with an assistant turn",
    ),
    "large code": (
        {"answer_audios": [[0] * 7 + [2048]]},
        r"answer_audios holds the code 2048; codes must lie in 0\.\.2047",
    ),
    "negative code": (
        {"ref_audios": [-1] * 8},
        "ref_audios holds the code -1",
    ),
    "length": (
        {"answer_audios": [[0] * 15]},
        "answer_audios holds 15 codes; the number must be a multiple of 8",
    ),
    "null code": (
        {"ref_audios": [None] * 8},
        "ref_audios holds a null",
    ),
    "audio": (
        {"question_audios": [wav()[:30]]},
        "question_audios holds a recording that cannot be read as audio",
    ),
    "cut audio": (
        {"question_audios": [wav()[:-100]]},
        "question_audios holds a recording that is a WAV file that ends before",
    ),
    "no audio": (
        {"question_audios": [b""]},
        "question_audios holds an empty file",
    ),
    "speaker": (
        {"spk_emb": [0.5] * 191},
        "spk_emb has 191 numbers; it must have 192",
    ),
    "speaker nan": (
        {"spk_emb": [float("nan")] * 192},
        "spk_emb holds a number that is not finite",
    ),
    "alignment length": (
        {"answer_alignment": [0]},
        "answer_alignment has 1 entries; it must have one for each of .* 2 frames",
    ),
    "alignment range": (
        {"answer_alignment": [0, 5]},
        r"answer_alignment holds 5; it must lie in -1\.\.4",
    ),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_bad_row_is_fatal_or_skipped_and_always_named(tmp_path, caplog, case):
    changes, sentence = BAD_ROWS[case]
    rows = [good_row(), good_row(**changes), good_row()]
    path = write(tmp_path / "bad.parquet", rows)
    with pytest.raises(UserError, match=sentence) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(f"{path} row 1: ")
    assert "\n" not in message

    bad_rows = BadRows("skip")
    with caplog.at_level(logging.WARNING):
        kept = list(read_rows(path, FORMAT, bad_rows))
    assert [row.index for row in kept] == [0, 2]
    assert bad_rows.messages == [message]
    assert message in caplog.text
    assert validate(path, FORMAT) == [message]


def test_a_conversation_that_is_not_utf8_is_named(tmp_path):
    table = pa.Table.from_pylist([good_row()] * 2, schema=SCHEMA)
    raw = pa.array([json.dumps(TURNS).encode(), b'[{"role": "\xff"}]'], pa.binary())
    table = table.set_column(0, "conversations", raw.view(pa.string()))
    pq.write_table(table, tmp_path / "latin.parquet")
    with pytest.raises(UserError, match="row 1: conversations is not UTF-8"):
        read(tmp_path / "latin.parquet")


def test_rows_are_numbered_through_the_file(tmp_path):
    rows = [good_row(question_audios=None)] * 600
    path = write(tmp_path / "a.parquet", [*rows, good_row(ref_audios=[1])])
    with pytest.raises(UserError, match="row 600: ref_audios holds 1 codes"):
        read(path)


def test_missing_and_wrong_columns_are_named(tmp_path):
    table = pa.Table.from_pylist([good_row()], schema=SCHEMA)
    path = tmp_path / "a.parquet"
    pq.write_table(table.drop_columns(["answer_audios"]), path)
    with pytest.raises(UserError, match=r"a\.parquet has no column 'answer_audios'"):
        read(path)
    numbers = pa.array([[0.5] * 16], pa.list_(pa.float32()))
    pq.write_table(table.set_column(2, "answer_audios", numbers), path)
    with pytest.raises(UserError, match=r"'answer_audios' of type list<.*float"):
        read(path)
    with pytest.raises(UserError, match="'spk_emb'"):
        check_schema(pa.schema([("spk_emb", pa.string())]), "x", required=())


def test_an_unknown_column_is_ignored_aloud(tmp_path, caplog):
    table = pa.Table.from_pylist([good_row()], schema=SCHEMA)
    pq.write_table(table.append_column("ref_audio", [[1]]), tmp_path / "a.parquet")
    with caplog.at_level(logging.WARNING):
        assert len(read(tmp_path / "a.parquet")) == 1
    assert "unknown column 'ref_audio'" in caplog.text


def test_missing_and_broken_files_are_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.parquet is missing"):
        read(tmp_path / "none.parquet")
    path = write(tmp_path / "a.parquet", [good_row()])
    whole = path.read_bytes()
    path.write_bytes(whole[:200])
    with pytest.raises(UserError, match=r"a\.parquet is not a whole Parquet file"):
        read(path)
    middle = len(whole) // 4
    path.write_bytes(whole[:4] + b"\x00" * middle + whole[4 + middle :])
    with pytest.raises(
        UserError, match=r"a\.parquet is not a whole .* 'conversations'"
    ):
        read(path)
    path.write_bytes(whole[:400] + b"\xff" * 100 + whole[500:])
    with pytest.raises(UserError, match=r"a\.parquet cannot be read beyond row 0"):
        read(path)


def test_a_recording_that_unpacks_to_an_hour_is_refused(tmp_path):
    file = io.BytesIO()
    soundfile.write(file, np.zeros(3600 * 8_000, np.int16), 8_000, format="FLAC")
    assert len(file.getvalue()) < 200_000
    with pytest.raises(UserError, match="a recording that is 60 minutes long"):
        decode_audio(file.getvalue())


def test_a_file_of_more_rows_than_bytes_is_refused(tmp_path):
    path = tmp_path / "rows.parquet"
    nothing = pa.nulls(1_000_000, pa.string())
    pq.write_table(pa.table({"conversations": nothing}), path)
    assert path.stat().st_size < 1_000_000
    with pytest.raises(UserError, match=r"1,000,000 rows in .* bytes"):
        open_parquet(path)


def test_a_column_that_unpacks_to_far_more_is_refused(tmp_path):
    path = tmp_path / "rows.parquet"
    text = "a" * 200_000_000
    pq.write_table(
        pa.table({"conversations": [text]}),
        path,
        compression="zstd",
        use_dictionary=False,
        write_statistics=False,
    )
    assert path.stat().st_size < 100_000
    with pytest.raises(UserError, match="'conversations' of row group 0 unpacks from"):
        open_parquet(path)
    # What is not on this machine is judged by its footer alone.
    system = fsspec.filesystem("memory")
    system.pipe("/far/rows.parquet", path.read_bytes())
    with pytest.raises(UserError, match=r"says that row group 0 unpacks from"):
        open_parquet("memory://far/rows.parquet")


def test_names_that_are_not_text_are_no_unicode_error(tmp_path):
    path = write(tmp_path / "rows.parquet", [good_row()])
    data = path.read_bytes()
    path.write_bytes(data.replace(b"answer_alignment", b"answer_alignmen\xc5"))
    with pytest.raises(UserError, match=r"rows\.parquet is not a whole Parquet file"):
        list(read_rows(path, RowFormat(), BadRows()))
