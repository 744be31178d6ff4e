"""The server: this machine's own, and never the network's."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Sequence
from pathlib import Path

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from minimind_o.assets import Assets
from minimind_o.errors import UserError
from minimind_o.realtime.connection import MAX_FILE_BYTES
from minimind_o.serve.call import Call, Limits, Service
from minimind_o.serve.models import Models
from minimind_o.serve.pages import MODULES, PAGE, Files
from minimind_o.serve.voice_maker import VoiceMaker
from minimind_o.serve.wire import MAX_HEADER_BYTES

ADDRESS = "127.0.0.1"
MAX_REQUEST_BYTES = 64_000
PING_S = 20.0
"""A page that does not answer this for so long has vanished."""


def application(service: Service) -> Application:
    """Page, modules and web socket."""
    return Application(
        [
            (r"/call", Call, {"service": service}),
            (r"/modules/(.*)", Files, {"path": MODULES, "suffixes": (".js",)}),
            (
                r"/(.*)",
                Files,
                {
                    "path": PAGE,
                    "suffixes": (".html", ".js", ".css"),
                    "default_filename": "index.html",
                },
            ),
        ],
        websocket_max_message_size=MAX_FILE_BYTES + MAX_HEADER_BYTES + 4,
        websocket_ping_interval=PING_S,
    )


async def serve(
    service: Service, port: int, ends: asyncio.Event, ready: asyncio.Event | None = None
) -> int:
    """Serve until `ends` is set; returns the port (`port` 0 takes a free one).

    Raises:
        UserError: the port is taken.
    """
    try:
        (listening,) = bind_sockets(port, ADDRESS)
    except OSError as error:
        raise UserError(
            f"port {port} of this machine cannot be used ({error.strerror}): name "
            "another with --port, or 0 for a free one."
        ) from None
    server = HTTPServer(application(service), max_body_size=MAX_REQUEST_BYTES)
    server.add_sockets([listening])
    found = int(listening.getsockname()[1])
    print(f"Open http://{ADDRESS}:{found} in a browser. Ctrl+C ends it.", flush=True)
    if ready is not None:
        ready.set()
    await ends.wait()
    server.stop()
    await server.close_all_connections()
    service.models.close()
    return found


def run(assets: Assets, port: int, models: Sequence[Path] = ()) -> None:
    """What `minimind-o serve` does: until Ctrl+C.

    Raises:
        UserError: an asset is missing, or the port is taken.
    """
    service = Service(
        models=Models(assets, models),
        voices=assets.voices,
        maker=VoiceMaker(assets),
        limits=Limits(),
    )
    service.models.host(service.models.names[0])  # so that the first call need not wait

    async def until_interrupted() -> None:
        ends = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):  # Windows has no such thing
                asyncio.get_running_loop().add_signal_handler(number, ends.set)
        await serve(service, port, ends)

    asyncio.run(until_interrupted())
