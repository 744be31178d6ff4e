"""Files to ask with: what the demo and the chapters say and show."""

from pathlib import Path

import numpy as np
import soundfile

from minimind_o.data.pictures import Scene, Thing, draw, encoded
from minimind_o.data.speech import VOICES
from minimind_o.data.spoken_questions import QUESTION_RATE, asked_wave

QUESTION = "Which day comes after Monday?"
ABOUT_THE_PICTURE = "What do you see?"
SCENE = Scene(
    kind="two",
    things=(
        Thing(name="apple", colour="red", size="big"),
        Thing(name="book", colour="blue", size="small"),
    ),
    place="left",
    number=2,
)


def write_examples(out: Path, seed: int) -> dict[str, str]:
    """Write the files; returns what they say and show."""
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([seed, 21])
    for name, text, voice in (
        ("question.wav", QUESTION, "leo"),
        ("about_the_picture.wav", ABOUT_THE_PICTURE, "kate"),
    ):
        wave_N = asked_wave(text, "en-us", rng, VOICES[voice])
        soundfile.write(out / name, wave_N, QUESTION_RATE, subtype="PCM_16")
    (out / "picture.png").write_bytes(encoded(draw(SCENE, rng)))
    return {"question": QUESTION, "about_the_picture": ABOUT_THE_PICTURE}
