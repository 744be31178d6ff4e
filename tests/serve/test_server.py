"""The server, without a browser: who may come in, what is refused, who goes on."""

import asyncio
import contextlib
import io
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.websocket import (
    WebSocketClientConnection,
    WebSocketClosedError,
    websocket_connect,
)

from minimind_o.assets import Assets
from minimind_o.cli import main
from minimind_o.data.speech import VOICES, render
from minimind_o.errors import UserError
from minimind_o.realtime.connection import MAX_FILE_BYTES, OWN_VOICE
from minimind_o.serve.call import Limits, Service
from minimind_o.serve.models import Models
from minimind_o.serve.server import application
from minimind_o.serve.voice_maker import VoiceMaker
from minimind_o.serve.wire import pack, unpack

WAIT_S = 60


class Server:
    """An application on a free port, and clients of it."""

    def __init__(self, service: Service) -> None:
        self.service = service
        listening, self.port = bind_unused_port()
        self.server = HTTPServer(application(service))
        self.server.add_sockets([listening])

    def url(self, path: str = "", scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.port}/{path}"

    async def call(self, **headers: str) -> "Caller":
        headers = {"Origin": self.url().rstrip("/"), **headers}
        request = HTTPRequest(self.url("call", "ws"), headers=headers)
        return Caller(await websocket_connect(request))

    async def status(self, path: str, **headers: str) -> int:
        client = AsyncHTTPClient(force_instance=True)
        request = HTTPRequest(self.url(path), headers=headers)
        response = await client.fetch(request, raise_error=False)
        return response.code


class Caller:
    """A page without a browser."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self.socket = socket

    async def send(self, kind: str, payload: bytes = b"", **fields: object) -> None:
        await self.socket.write_message(
            pack({"kind": kind, **fields}, payload), binary=True
        )

    async def told(self, kind: str) -> tuple[dict, bytes]:
        """The next message of a kind."""
        while True:
            frame = await asyncio.wait_for(self.socket.read_message(), WAIT_S)
            assert frame is not None, f"hung up: {self.socket.close_reason}"
            message, payload = unpack(frame)
            if message["kind"] == kind:
                return message, payload

    async def answer(self) -> tuple[str, int]:
        """Text and number of samples of the next answer, reported as played."""
        text, samples = "", 0
        while True:
            frame = await asyncio.wait_for(self.socket.read_message(), WAIT_S)
            assert frame is not None
            message, payload = unpack(frame)
            if message["kind"] == "text":
                text += message["text"]
            elif message["kind"] == "sound":
                samples += len(payload) // 4
                await self.send("played", turn=message["turn"], samples=samples)
            elif message.get("state") == "listening" and text:
                return text, samples

    async def hung_up(self) -> str:
        """Why."""
        while await asyncio.wait_for(self.socket.read_message(), WAIT_S) is not None:
            pass
        return self.socket.close_reason or ""


@pytest.fixture(scope="module")
def models() -> Models:
    return Models(Assets.find(), most_sessions=3)


@pytest.fixture
def run(models: Models) -> Callable[..., None]:
    """Run a test against a server of its own."""

    def runs(
        test: Callable[[Server], Awaitable[None]], limits: Limits | None = None
    ) -> None:
        async def with_server() -> None:
            assets = Assets.find()
            service = Service(
                models=models,
                voices=assets.voices,
                maker=VoiceMaker(assets),
                limits=limits or Limits(),
            )
            server = Server(service)
            await test(server)
            await server.server.close_all_connections()
            server.server.stop()
            host = models.host(models.names[0])
            for _ in range(500):
                if not host.num_sessions:
                    break
                await asyncio.sleep(0.01)
            assert host.num_sessions == 0

        asyncio.run(with_server())

    return runs


def recording(text: str = "Say: the small bird sings near the river.") -> bytes:
    file = io.BytesIO()
    wave = render(text, "en-us", VOICES["hugo"]).wave
    soundfile.write(file, wave, 24_000, format="WAV")
    return file.getvalue()


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(file, "PNG")
    return file.getvalue()


def test_a_call_is_answered_in_text_and_sound(run: Callable[..., None]) -> None:
    async def test(server: Server) -> None:
        caller = await server.call()
        hello, _ = await caller.told("hello")
        assert hello["models"][0] == hello["model"] == "omni"
        assert hello["voice"] in hello["voices"]
        await caller.send("ask", text="What is three plus four?")
        text, samples = await caller.answer()
        assert text == "Three plus four is seven."
        assert samples > 24_000
        caller.socket.close()

    run(test)


def test_speech_picture_and_ones_own_voice(run: Callable[..., None]) -> None:
    async def test(server: Server) -> None:
        caller = await server.call()
        await caller.send("clone", recording())
        told, _ = await caller.told("voice")
        assert told["name"] == OWN_VOICE
        await caller.send("picture", picture())
        await caller.send("speech", recording("What do you see?"))
        text, samples = await caller.answer()
        assert text
        assert samples
        caller.socket.close()

    before = set(Assets.find().root.rglob("*"))
    run(test)
    assert set(Assets.find().root.rglob("*")) == before


def test_only_this_machines_own_pages_may_call(run: Callable[..., None]) -> None:
    async def test(server: Server) -> None:
        for headers in (
            {"Origin": "https://evil.example"},
            {"Origin": "https://evil.example", "Host": "evil.example"},
            {"Origin": f"http://evil.example:{server.port}"},
            {"Origin": ""},
        ):
            with pytest.raises(HTTPClientError, match="403"):
                await server.call(**headers)
        assert await server.status("", Host="evil.example") == 403
        assert await server.status("") == 200

    run(test)


def test_nothing_but_the_page_is_served(run: Callable[..., None]) -> None:
    async def test(server: Server) -> None:
        for path in ("page.js", "wire.js", "page.css", "modules/player.js"):
            assert await server.status(path) == 200
        for path in (
            "modules/player.py",
            "modules/../serve/server.py",
            "..%2f..%2fcli.py",
            "%2e%2e/server.py",
            "modules/",
        ):
            assert await server.status(path) in (403, 404), path

    run(test)


def test_bad_frames_are_refused_in_a_line_and_others_go_on(
    run: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    async def test(server: Server) -> None:
        bad, good = await server.call(), await server.call()
        nan = np.full(160, np.nan, "<f4").tobytes()
        frames: list[str | bytes] = [
            "text",
            b"\xff\xff\xff\xff",
            pack({"kind": "microphone", "number": 0, "rate": 16_000}, b"odd"),
            pack({"kind": "microphone", "number": 0, "rate": 1}, b""),
            pack({"kind": "microphone", "number": 0, "rate": 16_000}, nan),
            pack({"kind": "ask", "text": ""}),
            pack({"kind": "model", "name": "../omni"}),
        ]
        for frame in frames:
            caplog.clear()
            await bad.socket.write_message(frame, binary=isinstance(frame, bytes))
            told, _ = await bad.told("problem")
            assert told["message"]
            assert len(caplog.records) == 1
        await good.send("ask", text="What is three plus four?")
        assert (await good.answer())[0] == "Three plus four is seven."
        await bad.send("ask", text="What is three plus four?")
        assert (await bad.answer())[0] == "Three plus four is seven."
        bad.socket.close()
        good.socket.close()

    with caplog.at_level(logging.WARNING, "minimind_o"):
        run(test)


def test_an_upload_of_50_mb_ends_its_call_alone(run: Callable[..., None]) -> None:
    async def test(server: Server) -> None:
        greedy, good = await server.call(), await server.call()
        await greedy.told("hello")
        with contextlib.suppress(WebSocketClosedError):  # in the middle of it
            await greedy.send("picture", bytes(50_000_000))
        await greedy.hung_up()
        await good.send("picture", bytes(MAX_FILE_BYTES - 1000))
        assert "not a picture" in (await good.told("problem"))[0]["message"]
        await good.send("ask", text="What is three plus four?")
        assert (await good.answer())[0] == "Three plus four is seven."
        good.socket.close()

    run(test)


def test_a_page_that_vanishes_in_an_answer_frees_its_session(
    run: Callable[..., None],
) -> None:
    async def test(server: Server) -> None:
        for _ in range(5):  # more than there may be sessions at a time
            caller = await server.call()
            await caller.send("ask", text="Tell me about the sea.")
            await caller.told("sound")
            caller.socket.stream.close()
            host = server.service.models.host("omni")
            for _ in range(500):
                if not host.num_sessions:
                    break
                await asyncio.sleep(0.01)
            assert host.num_sessions == 0

    run(test)


def test_one_call_too_many_is_told_why(run: Callable[..., None]) -> None:
    async def test(server: Server) -> None:
        callers = [await server.call() for _ in range(3)]
        for caller in callers:
            await caller.told("hello")
        late = await server.call()
        told, _ = await late.told("problem")
        assert "3 conversations" in told["message"]
        await late.hung_up()
        for caller in callers:
            caller.socket.close()

    run(test)


def test_idle_and_endless_calls_are_ended(run: Callable[..., None]) -> None:
    async def test(server: Server) -> None:
        caller = await server.call()
        assert "nothing was said" in await caller.hung_up()

    run(test, Limits(idle_s=0.2))

    async def talk(server: Server) -> None:
        caller = await server.call()
        ended = asyncio.create_task(caller.hung_up())
        piece, number = np.zeros(160, "<f4").tobytes(), 0
        # It may be closed, and `ended` is yet to hear of it.
        with contextlib.suppress(WebSocketClosedError):
            while not ended.done():
                await caller.send("microphone", piece, number=number, rate=16_000)
                number += 1
                await asyncio.sleep(0.01)
        assert "at most" in await ended

    run(talk, Limits(longest_s=0.5))


def test_models_are_chosen_by_name(tmp_path: Path) -> None:
    assets = Assets.find()
    with pytest.raises(UserError, match="same name"):
        Models(assets, [tmp_path / "a" / "omni", tmp_path / "b" / "omni"])
    with pytest.raises(UserError, match="none of omni"):
        Models(assets).host("x")


def test_a_taken_port_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    listening, port = bind_unused_port()
    assert main(["serve", "--port", str(port)]) == 2
    assert f"port {port}" in capsys.readouterr().err
    listening.close()
