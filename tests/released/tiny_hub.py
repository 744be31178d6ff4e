"""A hub on 127.0.0.1 that answers as the Hugging Face hub does, and can break off."""

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class TinyHub:
    """What it serves, and what it was asked for.

    files: by `repository/resolve/revision/name` (data sets: below `datasets/`).
    break_after: bytes of a file after which the connection ends, the next time.
    asked: name and Range header of every GET.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    break_after: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    address: str = ""


@contextmanager
def serving(hub: TinyHub) -> Iterator[TinyHub]:
    """Serve it, inside."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(hub: TinyHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, *, with_body: bool) -> None:
            path = self.path.lstrip("/").split("?")[0]
            content = hub.files.get(path)
            name = path.split("/")[-1]
            if content is None:
                self.send_response(404)
                self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            asked = self.headers.get("Range")
            match = re.fullmatch(r"bytes=(\d+)-", asked or "")
            start = int(match[1]) if match else 0
            self.send_response(206 if match else 200)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Accept-Ranges", "bytes")
            # A hub that would like to choose where the file goes.
            self.send_header(
                "Content-Disposition", 'attachment; filename="../../../evil"'
            )
            self.send_header("Content-Length", str(len(content) - start))
            if match:
                whole = len(content)
                self.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
            self.end_headers()
            if not with_body:
                return
            hub.asked.append((name, asked))
            end = hub.break_after.pop(name, len(content))
            self.wfile.write(content[start:end])
            self.close_connection = end < len(content)

    return Handler
