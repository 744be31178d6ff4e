"""What a client may say to a session, and what it is told."""

import io
import logging

import numpy as np
import pytest
import soundfile
from PIL import Image

from minimind_o.errors import UserError
from minimind_o.generation.engine import Request
from minimind_o.generation.voices import Voice
from minimind_o.realtime.connection import (
    MAX_CHARACTERS,
    MAX_FILE_BYTES,
    OWN_VOICE,
    Connection,
)
from minimind_o.realtime.detectors import SAMPLE_RATE
from minimind_o.realtime.session import Session, State
from tests.realtime.fakes import FRAME, LevelDetector, ScriptedAnswerer, speech


def voice(name: str) -> Voice:
    if name != "ada":
        raise UserError(f"voice '{name}' is not known.")
    return Voice(name=name, codes_QT=np.zeros((8, 3), np.int64))


def wav(seconds: float = 0.5) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, speech(seconds), SAMPLE_RATE, format="WAV")
    return file.getvalue()


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, "PNG")
    return file.getvalue()


class Client:
    """Sends, lets the session work, and keeps what it was told."""

    def __init__(self) -> None:
        self.answerer = ScriptedAnswerer()
        request = Request()
        self.session = Session(self.answerer, LevelDetector(), request)
        self.connection = Connection(self.session, voice, lambda _: voice("ada"))
        self.number = 0

    def send(self, kind: object, payload: bytes = b"", **fields: object) -> list[dict]:
        self.connection.receive({"kind": kind, **fields}, payload)
        while self.session.work():
            pass
        return [message for message, _ in self.connection.messages()]

    def say(self, wave_N: np.ndarray, rate: int = SAMPLE_RATE) -> list[dict]:
        told = []
        for start in range(0, len(wave_N), rate // 20):
            piece = wave_N[start : start + rate // 20].astype("<f4").tobytes()
            told += self.send("microphone", piece, number=self.number, rate=rate)
            self.number += 1
        return told


def problems(told: list[dict]) -> list[str]:
    return [message["message"] for message in told if message["kind"] == "problem"]


@pytest.fixture
def client() -> Client:
    return Client()


def test_what_is_said_is_answered(client: Client) -> None:
    told = client.say(np.concatenate([speech(0.6), np.zeros(16_000)]))
    kinds = [message["kind"] for message in told]
    assert [m["state"] for m in told if m["kind"] == "state"] == [
        "hearing",
        "thinking",
        "speaking",
    ]
    assert "".join(m["text"] for m in told if m["kind"] == "text") == (
        "one two three four"
    )
    assert [m["number"] for m in told if m["kind"] == "sound"] == [0, 1, 2, 3]
    assert "latency" not in kinds
    told = client.send("played", turn=1, samples=FRAME)
    (latency,) = (m for m in told if m["kind"] == "latency")
    assert latency["stages"]["first sample played"] >= latency["stages"]["first text"]
    assert "latency" not in [
        m["kind"] for m in client.send("played", turn=1, samples=2 * FRAME)
    ]


def test_a_microphone_of_another_rate_says_the_same(client: Client) -> None:
    wave_N = 0.5 * np.sin(np.arange(48_000) * 0.05)
    client.say(np.concatenate([wave_N, np.zeros(48_000)]), 48_000)
    assert len(client.answerer.requests) == 1


def test_sound_is_what_the_session_said(client: Client) -> None:
    client.connection.receive({"kind": "ask", "text": "hello"})
    while client.session.work():
        pass
    payloads = [p for m, p in client.connection.messages() if m["kind"] == "sound"]
    wave_N = np.frombuffer(payloads[1], "<f4")
    assert wave_N == pytest.approx(np.full(FRAME, 0.011))


def test_a_picture_goes_with_the_next_question_only(client: Client) -> None:
    client.send("picture", picture())
    client.send("ask", text="What do you see?")
    client.send("ask", text="And now?")
    client.send("picture", picture())
    client.send("picture")
    client.send("ask", text="Gone?")
    found = [request.picture for request in client.answerer.requests]
    assert found == [picture(), None, None]


def test_a_recording_is_a_question(client: Client) -> None:
    client.send("speech", wav())
    assert client.answerer.requests[0].speech == wav()


def test_voices_are_chosen_and_cloned_and_told(client: Client) -> None:
    told = client.send("voice", name="ada")
    assert {"kind": "voice", "name": "ada"} in told
    client.send("ask", text="hello")
    used = client.answerer.requests[0].voice
    assert used is not None
    assert used.name == "ada"
    assert problems(client.send("voice", name=OWN_VOICE)) != []
    assert {"kind": "voice", "name": OWN_VOICE} in client.send("clone", wav())
    client.send("voice", name="ada")
    assert {"kind": "voice", "name": OWN_VOICE} in client.send("voice", name=OWN_VOICE)


def test_an_interrupted_answer_is_silent_and_the_session_listens(
    client: Client,
) -> None:
    client.send("ask", text="hello")
    client.send("played", turn=1, samples=FRAME)
    told = client.send("interrupt")
    assert {"kind": "silence", "turn": 1} in told
    assert client.session.state is State.LISTENING
    assert client.session.history[-1]["content"] == "one"


@pytest.mark.parametrize(
    ("message", "payload", "said"),
    [
        ("no object", b"", "must have a kind"),
        ({}, b"", "must have a kind"),
        ({"kind": "dance"}, b"", "'dance'"),
        ({"kind": ["ask"]}, b"", "must have a kind"),
        ({"kind": "microphone", "number": 0, "rate": 16_000}, b"123", "4 bytes"),
        ({"kind": "microphone", "number": 0, "rate": 100}, b"", "rate"),
        ({"kind": "microphone", "number": 0, "rate": "fast"}, b"", "'rate'"),
        ({"kind": "microphone", "number": -1, "rate": 16_000}, b"", "'number'"),
        (
            {"kind": "microphone", "number": 0, "rate": 16_000},
            np.full(16, np.nan, "<f4").tobytes(),
            "finite",
        ),
        (
            {"kind": "microphone", "number": 0, "rate": 16_000},
            bytes(4 * 160_000),
            "10.0 s",
        ),
        ({"kind": "played", "turn": 1}, b"", "'samples'"),
        ({"kind": "played", "turn": True, "samples": 1}, b"", "'turn'"),
        ({"kind": "ask", "text": 5}, b"", "must be text"),
        ({"kind": "ask", "text": "a" * (MAX_CHARACTERS + 1)}, b"", "4000 characters"),
        ({"kind": "ask", "text": "  "}, b"", "nothing was asked"),
        ({"kind": "picture"}, b"no picture", "not a picture"),
        ({"kind": "speech"}, b"no sound", "cannot be read"),
        ({"kind": "speech"}, b"", "empty"),
        ({"kind": "clone"}, bytes(MAX_FILE_BYTES + 1), "at most 10"),
        ({"kind": "voice", "name": "../ada"}, b"", "not known"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_and_the_session_goes_on(
    client: Client,
    caplog: pytest.LogCaptureFixture,
    message: object,
    payload: bytes,
    said: str,
) -> None:
    with caplog.at_level(logging.WARNING):
        client.connection.receive(message, payload)
    told = problems([m for m, _ in client.connection.messages()])
    assert len(told) == 1
    assert said in told[0]
    assert len(caplog.records) == 1
    assert client.session.state is State.LISTENING
    client.send("ask", text="hello")
    assert len(client.answerer.requests) == 1


def test_ten_seconds_of_nothing_are_nothing(client: Client) -> None:
    assert client.say(np.zeros(160_000)) == []


def test_pieces_that_never_came_are_counted(client: Client) -> None:
    client.say(np.zeros(1600))
    client.number += 2
    client.say(np.zeros(1600))
    assert client.connection.microphone.num_missing == 2
    client.number = 1
    assert "came after" in problems(client.say(np.zeros(160)))[0]
    client.number = 0
    assert client.say(np.zeros(1600)) == []
