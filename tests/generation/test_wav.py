"""A growing WAV is playable at every moment, clipped, and never there too early."""

import numpy as np
import pytest
import soundfile

from minimind_o.errors import UserError
from minimind_o.generation.wav import WavStream


def test_the_file_can_be_read_while_it_grows(tmp_path):
    path = tmp_path / "a.wav"
    wave_N = np.sin(np.arange(1920 * 3) / 20).astype(np.float32)
    with WavStream(path, 24_000) as stream:
        for piece in range(3):
            stream.write(wave_N[1920 * piece : 1920 * (piece + 1)])
            so_far, rate = soundfile.read(path, dtype="float32")
            assert rate == 24_000
            np.testing.assert_allclose(so_far, wave_N[: len(so_far)], atol=1e-4)
            assert len(so_far) == 1920 * (piece + 1)
    assert stream.seconds == pytest.approx(0.24)
    info = soundfile.info(path)
    assert (info.subtype, info.channels, info.frames) == ("PCM_16", 1, 5760)


def test_an_interrupted_file_keeps_what_was_said(tmp_path):
    path = tmp_path / "a.wav"

    def speak_until_interrupted() -> None:
        with WavStream(path, 24_000) as stream:
            stream.write(np.full(100, 0.5))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        speak_until_interrupted()
    assert len(soundfile.read(path)[0]) == 100


def test_loud_samples_are_clipped_not_wrapped(tmp_path):
    with WavStream(tmp_path / "a.wav", 24_000) as stream:
        stream.write(np.array([1.7, -1.7, 1.0, -1.0]))
    samples, _ = soundfile.read(tmp_path / "a.wav", dtype="int16")
    assert samples.tolist() == [32767, -32767, 32767, -32767]


def test_an_older_file_stays_until_the_first_sound(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"older")
    with WavStream(path, 24_000):
        pass
    assert path.read_bytes() == b"older"


@pytest.mark.parametrize("name", ["a.mp3", "a", "missing/a.wav", "folder.wav"])
def test_an_impossible_place_is_refused_before_any_work(tmp_path, name):
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(UserError, match=name):
        WavStream(tmp_path / name, 24_000)
