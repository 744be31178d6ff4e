"""One web socket: a connection to a session, and the limits of both."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tornado.ioloop import IOLoop
from tornado.web import HTTPError
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from minimind_o.errors import UserError
from minimind_o.generation.engine import Request
from minimind_o.generation.voices import Voice, default_voice, list_voices, load_voice
from minimind_o.realtime.connection import MAX_FILE_BYTES, Connection
from minimind_o.realtime.session import State
from minimind_o.serve.models import Models
from minimind_o.serve.pages import is_local
from minimind_o.serve.voice_maker import VoiceMaker
from minimind_o.serve.wire import pack, unpack

logger = logging.getLogger(__name__)

LOOK_S = 0.01
"""How often a session is asked for what it has to say."""
QUICK = ("microphone", "played")
"""Kinds that are taken at once; the others may take long, and wait for a thread."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a caller may use up."""

    idle_s: float = 300.0
    """Without a message from the page; a call sends some all the time."""
    longest_s: float = 3600.0
    """Of a connection."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """What all calls share."""

    models: Models
    voices: Path
    maker: VoiceMaker
    limits: Limits = Limits()
    seed: int = 1


class Call(WebSocketHandler):
    """From the page's first message to its last."""

    def initialize(self, service: Service) -> None:
        """Called by tornado."""
        self.service = service
        self.connection: Connection | None = None
        self.pump: asyncio.Task | None = None
        self.last_s = self.began_s = IOLoop.current().time()

    def prepare(self) -> None:
        """Refuse pages of other sites, and who came by another name (DNS rebinding).

        Here and not in `check_origin`, which newer tornados ask only of some requests.
        """
        origin = self.request.headers.get("Origin", "")
        is_own = urlsplit(origin).netloc == self.request.host
        if not (is_own and is_local(self.request.host_name)):
            raise HTTPError(403, "only for this machine's own page")

    async def open(self) -> None:
        """Open a session on the first model, and say what there is to choose from."""
        self.set_nodelay(True)
        await self._begin(self.service.models.names[0])
        self.pump = asyncio.create_task(self._pump())

    async def on_message(self, message: str | bytes) -> None:
        """Take what the page says."""
        self.last_s = IOLoop.current().time()
        connection = self.connection
        if connection is None:
            return
        try:
            content, payload = unpack(message)
        except UserError as error:
            connection.refuse(str(error))
            return
        kind = content.get("kind")
        if kind == "model":
            await self._begin(str(content.get("name")))
        elif kind in QUICK:
            connection.receive(content, payload)
        else:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, connection.receive, content, payload)

    def on_close(self) -> None:
        """Let go of the session; the page may have vanished in the middle."""
        if self.pump is not None:
            self.pump.cancel()
        if self.connection is not None:
            self.connection.session.close()
            self.connection = None

    async def _begin(self, name: str) -> None:
        """A session on model `name` in place of the one at hand."""
        service = self.service
        try:
            voices = list_voices(service.voices)
            voice = load_voice(service.voices, default_voice(service.voices))
            loop = asyncio.get_running_loop()
            host = await loop.run_in_executor(None, service.models.host, name)
            request = Request(voice=voice, seed=service.seed)
            session = host.open(request)
        except UserError as error:
            await self._refuse(str(error))
            return
        if self.connection is not None:
            self.connection.session.close()
        self.connection = Connection(session, self._voice, service.maker)
        await self._send(
            {
                "kind": "hello",
                "model": name,
                "models": service.models.names,
                "voice": voice.name,
                "voices": voices,
                "max_bytes": MAX_FILE_BYTES,
            }
        )

    def _voice(self, name: str) -> Voice:
        return load_voice(self.service.voices, name)

    async def _refuse(self, reason: str) -> None:
        logger.warning("Refused: %s", reason)
        await self._send({"kind": "problem", "message": reason})
        if self.connection is None:
            self.close(1013, "see the problem")

    async def _pump(self) -> None:
        """Tell the page what its session says, until one of them has had enough."""
        limits = self.service.limits
        while self.connection is not None:
            connection = self.connection
            for message, payload in connection.messages():
                await self._send(message, payload)
            now = IOLoop.current().time()
            if connection.session.state is State.CLOSED:
                self.close(1001, "the session has ended")
            elif now - self.last_s > limits.idle_s:
                self.close(1001, f"nothing was said for {limits.idle_s:.0f} s")
            elif now - self.began_s > limits.longest_s:
                self.close(1001, f"a call lasts at most {limits.longest_s:.0f} s")
            else:
                await asyncio.sleep(LOOK_S)
                continue
            return

    async def _send(self, message: dict[str, object], payload: bytes = b"") -> None:
        try:
            await self.write_message(pack(message, payload), binary=True)
        except WebSocketClosedError:
            self.on_close()
