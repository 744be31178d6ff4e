"""Spoken questions: seeded, of any voice, in a room and in noise."""

import numpy as np

from minimind_o.data.media import read_audio
from minimind_o.data.speech import VOICES
from minimind_o.data.spoken_questions import add_noise, add_room, spoken_question


def ask(seed, voice=None):
    return spoken_question("what is two", "en-us", np.random.default_rng(seed), voice)


def test_a_question_is_a_recording_at_16_khz_that_differs_with_the_seed():
    wave, rate = read_audio(ask(0))
    assert rate == 16_000
    assert 0.4 < len(wave) / rate < 3
    assert 0.25 < np.abs(wave).max() < 0.95
    lengths = {len(read_audio(ask(seed, VOICES["leo"]))[0]) for seed in range(4)}
    assert len(lengths) == 4


def test_noise_is_as_far_below_the_sound_as_asked():
    wave = np.sin(np.arange(50_000) / 7).astype(np.float32)
    noise = add_noise(wave, 12.0, np.random.default_rng(0)) - wave
    ratio = 10 * np.log10(np.mean(wave**2) / np.mean(noise**2))
    assert abs(ratio - 12) < 0.2


def test_a_room_follows_its_sound_and_fades():
    click = np.zeros(100, np.float32)
    click[0] = 1
    rooms = [add_room(click, np.random.default_rng(seed)) for seed in (3, 3, 4)]
    np.testing.assert_array_equal(rooms[0], rooms[1])
    assert len(rooms[0]) != len(rooms[2])
    room = rooms[0]
    assert np.abs(room[0] - 1) < 1e-5
    early, late = np.split(room[1 : 2 * (len(room) // 2) - 1], [len(room) // 2 - 1])
    assert 0 < np.linalg.norm(late) < 0.2 * np.linalg.norm(early) < 0.2
