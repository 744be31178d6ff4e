"""Random speakers are told apart from each other and from the twelve voices."""

import itertools

import pytest

from minimind_o.data.speakers import draw_speakers, sound_alike
from minimind_o.data.speech import VOICES
from minimind_o.errors import UserError


def test_speakers_are_different_and_none_is_one_of_the_twelve() -> None:
    speakers = draw_speakers(0, 80)
    assert len({speaker.name for speaker in speakers}) == 80
    assert not any(itertools.starmap(sound_alike, itertools.combinations(speakers, 2)))
    assert not any(
        sound_alike(speaker, voice) for speaker in speakers for voice in VOICES.values()
    )
    assert len({speaker.variant for speaker in speakers}) > 12


def test_the_same_seed_draws_the_same_speakers_and_more_of_them() -> None:
    assert draw_speakers(1, 20) == draw_speakers(1, 30)[:20]
    assert draw_speakers(1, 20) != draw_speakers(2, 20)


def test_a_voice_sounds_like_itself() -> None:
    ada, ben = VOICES["ada"], VOICES["ben"]
    assert sound_alike(ada, ada)
    assert not sound_alike(ada, ben)


def test_too_many_speakers_are_refused() -> None:
    with pytest.raises(UserError, match="cannot all be told apart"):
        draw_speakers(0, 3000)
