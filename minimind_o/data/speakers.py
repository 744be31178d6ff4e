"""Speakers drawn at random, that nobody could take for one of the twelve voices."""

import numpy as np

from minimind_o.data.speech import VOICES, Voice, random_voice
from minimind_o.errors import UserError

PITCH_STEP, RATE_STEP = 8, 10
"""Speakers of one variant that are nearer in both, nobody could tell apart."""


def draw_speakers(seed: int, count: int) -> list[Voice]:
    """Different speakers drawn at random, none near one of the twelve voices.

    Raises:
        UserError: there is no room for so many.
    """
    rng = np.random.default_rng(seed)
    known = list(VOICES.values())
    speakers: list[Voice] = []
    for _ in range(100 * count):
        if len(speakers) == count:
            return speakers
        voice = random_voice(rng, f"speaker{len(speakers)}")
        if not any(sound_alike(voice, other) for other in known + speakers):
            speakers.append(voice)
    raise UserError(
        f"{count} speakers cannot all be told apart: only {len(speakers)} were found."
    )


def sound_alike(a: Voice, b: Voice) -> bool:
    """Whether two speakers would be taken for one."""
    return (
        a.variant == b.variant
        and abs(a.pitch - b.pitch) < PITCH_STEP
        and abs(a.rate - b.rate) < RATE_STEP
    )
