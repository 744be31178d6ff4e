"""A slice of `make fuzz`: readers of outside bytes raise nothing but `UserError`."""

import json
import zlib

import pytest

from minimind_o.chat import check_plain_text
from minimind_o.errors import UserError
from tests.fuzz.campaign import Campaign, Limits, try_alone
from tests.fuzz.readers import READERS

NUM_INPUTS = 200
ONCE_FOUND = {"parquet": (8605, 11973, 39815, 42774, 55049, 66063, 73644, 89216)}
"""Inputs of `make fuzz` that ended the process or took gigabytes, with Arrow 26.0.1."""
LIMITS = Limits(seconds=60.0, megabytes=1_000)  # a busy machine is slow


@pytest.mark.parametrize("name", READERS)
def test_valid_inputs_are_read(name: str) -> None:
    for data in READERS[name].valid:
        READERS[name].read(data)


@pytest.mark.parametrize("name", READERS)
def test_damaged_inputs_are_refused_in_a_sentence_or_read(name: str) -> None:
    outcome = Campaign(name, NUM_INPUTS, seed=1, limits=LIMITS).run()
    assert outcome.findings == []
    assert outcome.inputs == NUM_INPUTS


@pytest.mark.parametrize(
    ("name", "number"),
    [(name, number) for name, numbers in ONCE_FOUND.items() for number in numbers],
)
def test_what_was_found_once_is_survived(name: str, number: int) -> None:
    reader = READERS[name]
    assert try_alone(reader, reader.input(name, 0, number), LIMITS) is None


@pytest.mark.parametrize("name", READERS)
def test_an_input_is_known_by_its_number(name: str) -> None:
    reader = READERS[name]
    inputs = [reader.input(name, 0, number) for number in range(40)]
    assert inputs == [reader.input(name, 0, number) for number in range(40)]
    assert len(set(inputs)) > 10
    assert inputs != [reader.input(name, 1, number) for number in range(40)]


@pytest.mark.parametrize("name", READERS)
def test_damage_is_neither_always_noticed_nor_never(name: str) -> None:
    # Otherwise the fuzzer would be knocking at the first check alone, or do nothing.
    reader, refused = READERS[name], 0
    for number in range(100):
        try:
            reader.read(reader.input(name, 2, number))
        except UserError:
            refused += 1
    assert 0 < refused < 100


def test_an_error_is_one_line_that_can_be_read() -> None:
    for name, reader in READERS.items():
        for number in range(30):
            text = ""
            try:
                reader.read(reader.input(name, 3, number))
            except UserError as error:
                text = str(error)
            assert len(" ".join(text.split())) < 700, (name, number)


# What the fuzzers found, each once more.


def test_a_config_nested_too_deeply_is_no_recursion_error() -> None:
    deep = b"[" * 100_000
    for name in ("model_config", "codec_config", "vision_config", "voice_json",
                 "shard_index"):  # fmt: skip
        with pytest.raises(UserError):
            READERS[name].read(deep)
    frame = len(deep[:50_000]).to_bytes(4, "little") + deep[:50_000]
    with pytest.raises(UserError, match="must be JSON"):
        READERS["frame"].read(frame)


@pytest.mark.parametrize("name", ["codec_config", "vision_config"])
def test_a_config_of_a_billion_labels_builds_no_dictionary_of_them(name: str) -> None:
    values = json.loads(READERS[name].valid[-1])
    for holder in (values, values.get("vision_config", values)):
        holder["num_labels"] = 10**9
    assert try_alone(READERS[name], json.dumps(values).encode(), LIMITS) is None


def test_a_picture_that_no_compression_packs_so_densely_is_refused() -> None:
    size = (16).to_bytes(4, "big") + (851_980).to_bytes(4, "big")
    chunks = [
        (b"IHDR", size + bytes([16, 0, 0, 0, 0])),
        (b"IDAT", zlib.compress(bytes(3_300))),
        (b"IEND", b""),
    ]
    data = b"\x89PNG\r\n\x1a\n"
    for kind, content in chunks:
        check = zlib.crc32(kind + content).to_bytes(4, "big")
        data += len(content).to_bytes(4, "big") + kind + content + check
    with pytest.raises(UserError, match="claims 14 million pixels"):
        READERS["image"].read(data)


def test_a_shard_with_an_endless_name_is_refused() -> None:
    data = json.dumps({"weight_map": {"a": "a" * 5_000}}).encode()
    with pytest.raises(UserError, match="a shard is a file beside its index"):
        READERS["shard_index"].read(data)


def test_a_voice_file_with_a_damaged_archive_is_refused() -> None:
    (data,) = READERS["voice_pt"].valid
    at = data.rindex(b"PK\x01\x02")
    with pytest.raises(UserError, match="damaged"):
        READERS["voice_pt"].read(data[:at] + b"PK\x09\x09" + data[at + 4 :])


def test_a_codec_config_of_the_wrong_kinds_is_refused() -> None:
    values = json.loads(READERS["codec_config"].valid[1])
    values["hidden_size"] = [values["hidden_size"]]
    with pytest.raises(UserError, match="is not a Mimi configuration"):
        READERS["codec_config"].read(json.dumps(values).encode())


def test_half_a_surrogate_pair_is_no_text() -> None:
    for content in ("\\ud800", "a \\udc00 b"):
        turns = f'[{{"role": "user", "content": "{content}"}}]'
        with pytest.raises(UserError, match="Turn 0 is no Unicode text"):
            READERS["conversation"].read(turns.encode())
    with pytest.raises(UserError, match="is no Unicode text: character 2"):
        check_plain_text("a \udc00")


def test_an_archive_of_many_disks_is_no_voice_file() -> None:
    (data,) = READERS["voice_pt"].valid
    at = data.rindex(b"PK\x06\x07")  # the locator of a large archive
    with pytest.raises(UserError, match="damaged"):
        READERS["voice_pt"].read(data[: at + 16] + b"\x09" + data[at + 17 :])
