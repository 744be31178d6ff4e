"""Marks are heard or measured, survive what they are said to, and are not imagined."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from minimind_o import cli
from minimind_o.assets import NANO_ROOT
from minimind_o.data.speech import VOICES, render
from minimind_o.errors import UserError
from minimind_o.generation.events import AudioEvent, EndEvent, TextEvent, Timings
from minimind_o.generation.marking import (
    RATE,
    THRESHOLD,
    detect_in_file,
    detect_mark,
    make_marker,
    tones,
)
from minimind_o.generation.speak import speak
from minimind_o.generation.wav import COMMENT

SENTENCES = (
    "A small bird sings near the river.",
    "Three plus four is seven, you know.",
)


def spoken(number: int) -> np.ndarray:
    """Two seconds or so of speech at 24 kHz."""
    return render(SENTENCES[number], "en-us", VOICES["ada"]).wave.astype(np.float32)


def marked(
    wave_N: np.ndarray, mark: str = "inaudible", piece: int = 1920
) -> np.ndarray:
    marker = make_marker(mark, RATE)  # type: ignore[arg-type]
    pieces = [
        marker.push(wave_N[start : start + piece])
        for start in range(0, len(wave_N), piece)
    ]
    return np.concatenate([*pieces, marker.finish()])


def through(wave_N: np.ndarray, kind: str, subtype: str) -> tuple[np.ndarray, int]:
    file = io.BytesIO()
    soundfile.write(file, wave_N, RATE, format=kind, subtype=subtype)
    file.seek(0)
    return soundfile.read(file, dtype="float32")


@pytest.mark.parametrize("number", [0, 1])
def test_the_mark_is_found_where_it_is_and_only_there(number: int) -> None:
    wave_N = spoken(number)
    assert not detect_mark(wave_N, RATE).is_marked
    assert detect_mark(marked(wave_N), RATE).score > THRESHOLD + 1


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [("WAV", "PCM_16"), ("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS")],
)
def test_the_mark_survives_a_file_of_each_format(kind: str, subtype: str) -> None:
    assert detect_mark(*through(marked(spoken(0)), kind, subtype)).is_marked
    assert not detect_mark(*through(spoken(0), kind, subtype)).is_marked


def test_the_mark_survives_16_khz_and_a_cut_beginning() -> None:
    slower = soxr.resample(marked(spoken(0)), RATE, 16_000)
    assert detect_mark(slower, 16_000).is_marked
    assert detect_mark(marked(spoken(0))[7_919:], RATE).is_marked
    assert not detect_mark(spoken(0)[7_919:], RATE).is_marked


def test_a_marked_answer_is_as_long_and_nearly_the_same() -> None:
    wave_N = spoken(0)
    changed = marked(wave_N)
    assert changed.shape == wave_N.shape
    assert changed.dtype == np.float32
    difference = np.square(changed - wave_N).mean() / np.square(wave_N).mean()
    assert 10 * np.log10(difference) < -14


@pytest.mark.parametrize("piece", [1, 480, 5_000, 10**6])
def test_pieces_of_any_length_give_the_same_sound(piece: int) -> None:
    wave_N = spoken(0)[:6_001]
    np.testing.assert_allclose(marked(wave_N, piece=piece), marked(wave_N), atol=1e-6)


def test_silence_and_clicks_have_no_mark() -> None:
    assert detect_mark(np.zeros(48_000, np.float32), RATE).score == 0.0
    assert detect_mark(np.zeros(10, np.float32), RATE).score == 0.0
    assert len(make_marker("inaudible", RATE).finish()) == 0


def test_an_audible_mark_comes_once_before_the_sound() -> None:
    wave_N = spoken(0)
    heard = marked(wave_N, "audible")
    np.testing.assert_array_equal(heard[: len(tones())], tones())
    np.testing.assert_array_equal(heard[len(tones()) :], wave_N)
    assert 0.05 < np.abs(tones()).max() < 0.2


def test_no_mark_changes_nothing() -> None:
    np.testing.assert_array_equal(marked(spoken(0), "none"), spoken(0))


def test_another_rate_is_refused() -> None:
    with pytest.raises(UserError, match="24000 Hz, not for 16000"):
        make_marker("audible", 16_000)


def events(wave_N: np.ndarray):
    for start in range(0, len(wave_N), 1920):
        codes_Q = np.zeros(8, np.int64)
        yield AudioEvent(
            pcm_N=wave_N[start : start + 1920], frame=start // 1920, codes_Q=codes_Q
        )
    yield TextEvent(text="bird", token_id=1)
    timings = Timings(
        time_to_first_text_s=0.1, time_to_first_audio_s=0.1, total_s=0.1, audio_s=1.0
    )
    yield EndEvent(
        reason="stop", text="bird", codes_QF=np.zeros((8, 1), int), timings=timings
    )


@pytest.mark.parametrize("mark", ["none", "audible", "inaudible"])
def test_a_file_is_marked_as_asked_and_always_says_what_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mark: str
) -> None:
    wave_N, file = spoken(0), tmp_path / "a.wav"
    done = speak(events(wave_N), file, RATE, lambda _: None, mark)  # type: ignore[arg-type]
    found = detect_in_file(file)
    assert found.comment == COMMENT
    assert found.is_marked == (mark == "inaudible")
    before = len(tones()) if mark == "audible" else 0
    assert soundfile.info(file).frames == len(wave_N) + before
    assert done.seconds == pytest.approx((len(wave_N) + before) / RATE)
    assert cli.main(["detect-mark", str(file)]) == 0
    said = capsys.readouterr().out
    assert ("mark is there" in said) == (mark == "inaudible")
    assert COMMENT in said


def test_what_was_said_before_an_interruption_is_marked_and_whole(
    tmp_path: Path,
) -> None:
    wave_N, file = spoken(0), tmp_path / "a.wav"

    def interrupted():
        for number, event in enumerate(events(wave_N)):
            if number == 15:
                raise KeyboardInterrupt
            yield event

    with pytest.raises(KeyboardInterrupt):
        speak(interrupted(), file, RATE, lambda _: None, "inaudible")
    assert soundfile.info(file).frames == 15 * 1920
    assert detect_in_file(file).comment == COMMENT


def test_a_recording_that_is_none_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.wav"
    file.write_bytes(b"no sound")
    assert cli.main(["detect-mark", str(file)]) == 2
    assert "cannot be read as audio" in capsys.readouterr().err


def test_the_embedded_recordings_are_not_taken_for_marked() -> None:
    for file in sorted((NANO_ROOT / "examples").glob("*.wav")):
        assert not detect_in_file(file).is_marked
