"""Hands the login URL to the browser: on a command line every user of the machine could read it.

The browser is given an address on 127.0.0.1 that is good for one request of this user's, and leads to the login URL.
"""

from __future__ import annotations

import hmac
import os
import secrets
import threading

from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from mayfly.shared.sock_diag import SockDiag, sock_diag


# The time in which a browser starts, and the time in which a client sends its request.
BROWSER_SECONDS = 60
REQUEST_SECONDS = 5


class Handover:
    """Serves the redirect to `login_url` once; use it as a context manager."""

    def __init__(self, login_url: str) -> None:
        self._login_url = login_url
        self._path = f"/{secrets.token_urlsafe(24)}"
        self._lock = threading.Lock()
        self._is_given = False
        self._taken = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """The address for the browser."""
        return f"http://127.0.0.1:{self._server.server_port}{self._path}"

    def __enter__(self) -> Handover:
        threading.Thread(target=self._server.serve_forever, daemon=True, name="handover").start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def is_taken(self, seconds: float) -> bool:
        """Wait until the browser has its answer, `seconds` at most; True if it has."""
        return self._taken.wait(seconds)

    def location_for(self, path: str, host: str, client: tuple[str, int]) -> str | None:
        """The URL to which the one request is redirected; None for any other request."""
        ours = ("127.0.0.1", self._server.server_port)
        is_meant = hmac.compare_digest(path.encode(), self._path.encode()) and host == f"{ours[0]}:{ours[1]}"
        with self._lock:
            if not is_meant or self._is_given or not _is_ours(client, ours):
                return None
            self._is_given = True
            return self._login_url

    def note_sent(self) -> None:
        """The answer to the one request is out."""
        self._taken.set()


def _is_ours(client: tuple[str, int], ours: tuple[str, int]) -> bool:
    """True if the connection is this user's, or the system does not tell whose it is (macOS)."""
    asked: SockDiag | None = sock_diag()
    if asked is None:
        return True
    owner = asked.peer(client, ours)
    return owner is not None and owner.uid == os.getuid()


def _handler(handover: Handover) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = REQUEST_SECONDS
        server_version, sys_version = "mayfly", ""

        def do_GET(self) -> None:
            client = (self.client_address[0], self.client_address[1])
            location = handover.location_for(self.path, self.headers.get("Host", ""), client)
            self.send_response(HTTPStatus.SEE_OTHER if location else HTTPStatus.NOT_FOUND)
            if location:
                self.send_header("Location", location)
            self.send_header("Cache-Control", "no-store")
            self.send_header("Referrer-Policy", "no-referrer")
            self.send_header("Content-Length", "0")
            self.end_headers()
            if location:
                self.wfile.flush()
                handover.note_sent()

        def log_message(self, *_: object) -> None:
            """Say nothing: the path is a secret."""

    return Handler
