"""What becomes of recordings and pictures before the model sees them."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import torch
from PIL import Image

from minimind_o import tokenizer
from minimind_o.data.collate import collate
from minimind_o.data.encoders import NO_MEDIA, MediaEncoders, MediaStates, padded
from minimind_o.data.examples import ExampleDataset
from minimind_o.data.schema import SCHEMA
from minimind_o.errors import UserError
from minimind_o.layout import LayoutSpec
from minimind_o.tokenizer import Tokenizer


class Hearing:
    """A speech encoder that tells how loud each 60 ms are."""

    def encode(
        self, waves: list[np.ndarray], sample_rate: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        size = sample_rate * 60 // 1000
        rows = []
        for wave in waves:
            frames = torch.from_numpy(wave[: len(wave) // size * size]).view(-1, size)
            rows.append(frames.abs().mean(dim=1, keepdim=True))
        lengths = torch.tensor([len(row) for row in rows])
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), lengths


class Sight:
    """A vision encoder that tells the mean colour, as two states."""

    def encode(self, pictures: list[Image.Image]) -> torch.Tensor:
        colours = [np.asarray(picture).reshape(-1, 3).mean(0) for picture in pictures]
        return torch.from_numpy(np.stack(colours))[:, None].repeat(1, 2, 1)


def rows_of(tmp_path: Path, *media: dict[str, list[bytes]]) -> Path:
    """A Parquet file of questions with these media."""
    turns = [
        {"role": "user", "content": ""},
        {"role": "assistant", "content": "yes"},
    ]
    rows = [
        {"conversations": json.dumps(turns), "answer_audios": [], **changes}
        for changes in media
    ]
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path)
    return path


def recording(seconds: float, level: float, rate: int = 16_000) -> bytes:
    file = io.BytesIO()
    wave = np.full(round(seconds * rate), level, np.float32)
    soundfile.write(file, wave, rate, format="WAV", subtype="FLOAT")
    return file.getvalue()


def picture(colour: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def encoders() -> MediaEncoders:
    """Encoders whose states can be told by hand."""
    return MediaEncoders(Hearing(), Sight())  # type: ignore[arg-type]


def test_media_go_back_to_their_conversations(encoders: MediaEncoders) -> None:
    long, short = recording(1.2, 0.5), recording(0.6, 0.25)
    rows = encoders.encode(
        [[long], [], [short, long]], [[], [picture("red")], [picture("blue")]]
    )
    assert [len(row.speech) for row in rows] == [1, 0, 2]
    assert [len(row.pictures) for row in rows] == [0, 1, 1]
    assert [len(states) for states in rows[2].speech] == [10, 20]
    np.testing.assert_allclose(rows[2].speech[0], 0.25)
    np.testing.assert_array_equal(rows[1].pictures[0], [[255, 0, 0]] * 2)
    np.testing.assert_array_equal(rows[2].image_states, [[0, 0, 255]] * 2)
    assert rows[2].audio_states is not None
    assert rows[2].audio_states.shape == (30, 1)
    assert rows[0].image_states is None


def test_what_is_kept_is_encoded_once() -> None:
    class Once(Hearing):
        calls = 0

        def encode(self, waves, sample_rate):
            self.calls += len(waves)
            return super().encode(waves, sample_rate)

    one, other = recording(0.6, 0.5), recording(1.2, 0.25)
    for keep, calls in ((True, 2), (False, 5)):
        hearing = Once()
        encoders = MediaEncoders(hearing, keep=keep)  # type: ignore[arg-type]
        encoders.encode([[one], [one]], [[], []])
        rows = encoders.encode([[other], [one], [other]], [[], [], []])
        assert [len(row.speech[0]) for row in rows] == [20, 10, 20]
        assert hearing.calls == calls


def test_any_rate_gives_a_state_for_60_milliseconds(encoders: MediaEncoders) -> None:
    for rate in (8000, 22_050, 48_000):
        (states,) = encoders.speech([recording(1.5, 0.5, rate)])
        assert len(states) == 25


def test_placeholders_are_as_many_as_states(encoders: MediaEncoders) -> None:
    (media,) = encoders.encode([[recording(0.6, 0.5)]], [[picture("red")]])
    (turn,) = media.place([{"role": "user", "content": "<image>\nwhat?"}])
    assert turn["content"] == (
        "what?\n\n" + "<|audio_pad|>" * 10 + "\n\n" + "<|image_pad|>" * 2
    )
    turns = [{"role": "user", "content": "hello"}]
    assert NO_MEDIA.place(turns) == turns


def test_recordings_belong_to_the_last_turns_and_pictures_to_their_marks() -> None:
    one = np.zeros((3, 4), np.float16)
    turns = [
        {"role": "user", "content": "<image>\nfirst"},
        {"role": "assistant", "content": "yes"},
        {"role": "user", "content": "second"},
    ]
    placed = MediaStates(speech=(one,), pictures=(one,)).place(turns)
    assert placed[0]["content"] == "first\n\n" + "<|image_pad|>" * 3
    assert placed[2]["content"] == "second\n\n" + "<|audio_pad|>" * 3
    with pytest.raises(UserError, match="3 recordings and 2 user turns"):
        MediaStates(speech=(one,) * 3).place(turns)
    with pytest.raises(UserError, match="1 <image> marks and 2 pictures"):
        MediaStates(pictures=(one,) * 2).place(turns)


def test_without_an_encoder_a_medium_is_refused() -> None:
    with pytest.raises(UserError, match="no speech encoder"):
        MediaEncoders().encode([[recording(0.6, 0.5)]], [[]])
    with pytest.raises(UserError, match="no vision encoder"):
        MediaEncoders().encode([[]], [[picture("red")]])


def test_a_broken_file_is_one_sentence(encoders: MediaEncoders) -> None:
    with pytest.raises(UserError, match="cannot be read as audio"):
        encoders.speech([b"no sound"])
    with pytest.raises(UserError, match="is not a picture"):
        encoders.pictures([b"no picture"])


def test_rows_are_padded_and_their_lengths_kept() -> None:
    short, long = np.ones((2, 3), np.float16), np.ones((4, 3), np.float16)
    states = padded([short, None, long])
    assert states is not None
    values, lengths = states
    assert values.shape == (3, 4, 3)
    assert values.dtype == torch.float32
    assert lengths.tolist() == [2, 0, 4]
    assert values.sum(dim=(1, 2)).tolist() == [6, 0, 12]
    assert padded([None, None]) is None


@pytest.fixture(scope="module")
def text_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer.train_bpe(["yes"], 300, folder)
    return tokenizer.load(folder)


def test_rows_with_media_become_examples_and_batches(
    tmp_path: Path, encoders: MediaEncoders, text_tokenizer: Tokenizer
) -> None:
    path = rows_of(
        tmp_path,
        {"question_audios": [recording(0.6, 0.5)]},
        {"image_bytes": [picture("red")]},
        {"question_audios": [recording(1.2, 0.5)], "image_bytes": [picture("blue")]},
    )
    spec = LayoutSpec()
    dataset = ExampleDataset([path], text_tokenizer, spec, encoders=encoders)
    batch = collate(spec, [dataset[index] for index in range(3)])
    assert batch["audio_lengths"].tolist() == [10, 0, 20]
    assert batch["image_lengths"].tolist() == [0, 2, 2]
    text_BT = batch["input_ids"][:, -1]
    for token, lengths in ((16, "audio_lengths"), (12, "image_lengths")):
        assert (text_BT == token).sum(dim=1).tolist() == batch[lengths].tolist()
    assert batch["audio_states"].shape == (3, 20, 1)
    assert batch["image_states"].shape == (3, 2, 3)


def test_a_row_whose_media_cannot_be_read_is_reported_and_the_others_train(
    tmp_path: Path, encoders: MediaEncoders, text_tokenizer: Tokenizer
) -> None:
    good = {"question_audios": [recording(0.6, 0.5)]}
    path = rows_of(
        tmp_path,
        good,
        {"question_audios": [b"no sound"]},
        {"question_audios": [recording(0.05, 0.5)]},
        {"image_bytes": [picture("red")[:40]]},
        {"question_audios": [recording(0.6, 0.5), recording(0.6, 0.5)]},
        good,
    )
    dataset = ExampleDataset(
        [path], text_tokenizer, LayoutSpec(), bad_rows="skip", encoders=encoders
    )
    assert len(dataset) == 2
    told = dataset.bad_rows.messages
    for row, words in (
        (1, "cannot be read as audio"),
        (2, "0.05 seconds long"),
        (3, "picture"),
        (4, "2 recordings and 1 user turns"),
    ):
        (message,) = (m for m in told if f"rows.parquet row {row}:" in m)
        assert words in message
    with pytest.raises(UserError, match=r"rows\.parquet row 1: .*as audio"):
        ExampleDataset([path], text_tokenizer, LayoutSpec(), encoders=encoders)
