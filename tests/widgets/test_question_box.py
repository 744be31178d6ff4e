"""The box asks what its controls say and shows what comes back."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from minimind_o.errors import UserError
from minimind_o.generation.events import AudioEvent, TextEvent
from minimind_o.generation.voices import Voice, save_voice
from minimind_o.widgets.question_box import QuestionBox

PIECE = np.full(1920, 0.25, np.float32)


class Parrot:
    """An engine that says two words and makes two frames of sound."""

    def __init__(self):
        self.requests = []

    def stream(self, request):
        self.requests.append(request)
        if not request.question:
            raise UserError("the question is empty.")
        for number, word in enumerate(("seven", " indeed")):
            yield TextEvent(text=word, token_id=number)
            codes = np.zeros(8, np.int64)
            yield AudioEvent(pcm_N=PIECE * (number + 1), frame=number, codes_Q=codes)


@pytest.fixture
def box(tmp_path):
    for name in ("ada", "ben"):
        save_voice(tmp_path, Voice(name=name, codes_QT=np.ones((8, 3), np.int64)))
    return QuestionBox(Parrot(), tmp_path)


def test_the_answer_is_read_and_heard(box):
    box.button.click()
    wave, rate = soundfile.read(io.BytesIO(box.player.value), dtype="float32")
    assert box.answer.value == "seven indeed"
    assert rate == 24_000
    assert np.allclose(wave, np.concatenate([PIECE, 2 * PIECE]), atol=1e-4)


def test_the_request_is_what_the_controls_say(box):
    box.question.value, box.voice.value, box.seed.value = "What now?", "ben", 5
    box.temperature.value, box.audio_temperature.value = 0.0, 1.2
    box.button.click()
    (request,) = box.engine.requests
    seen = SimpleNamespace(
        question=request.question,
        voice=request.voice.name,
        seed=request.seed,
        temperatures=(
            request.text_sampling.temperature,
            request.audio_sampling.temperature,
        ),
    )
    assert seen == SimpleNamespace(
        question="What now?", voice="ben", seed=5, temperatures=(0.0, 1.2)
    )


def test_an_error_is_shown_and_the_next_question_is_answered(box):
    box.question.value = ""
    box.button.click()
    assert box.answer.value == "the question is empty."
    assert not box.button.disabled
    box.question.value = "And now?"
    box.button.click()
    assert box.answer.value == "seven indeed"
