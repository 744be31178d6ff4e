"""The page and its modules; nothing else is served, and nobody else is served."""

from __future__ import annotations

from pathlib import Path

from tornado.web import HTTPError, StaticFileHandler

from minimind_o import widgets

PAGE = Path(__file__).with_name("page")
MODULES = Path(widgets.__file__).parent
LOCAL = ("127.0.0.1", "localhost", "::1", "[::1]")
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' blob:; worker-src 'self' blob:; "
        "media-src 'self' blob:; img-src 'self' blob: data:; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "microphone=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def is_local(host_name: str) -> bool:
    """A name of this machine, and not another site's that points to it."""
    return host_name in LOCAL


class Files(StaticFileHandler):
    """Files of one folder and one kind."""

    def initialize(
        self, path: Path, suffixes: tuple[str, ...], default_filename: str | None = None
    ) -> None:
        """Called by tornado."""
        super().initialize(str(path), default_filename)
        self.suffixes = suffixes

    def prepare(self) -> None:
        """Refuse who came by another name (DNS rebinding)."""
        if not is_local(self.request.host_name):
            raise HTTPError(403, "only for this machine")

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        """Only what the page is made of."""
        found = super().validate_absolute_path(root, absolute_path)
        if found is not None and Path(found).suffix not in self.suffixes:
            raise HTTPError(404)
        return found

    def set_extra_headers(self, path: str) -> None:
        """No caching, no framing, no foreign scripts."""
        for name, value in HEADERS.items():
            self.set_header(name, value)
