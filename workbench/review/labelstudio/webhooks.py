"""A listener for Label Studio's webhooks: a hint that verdicts may be waiting, never a verdict itself.

    POST / with the shared secret -> a hint -> quiet for two seconds -> one pull, as `workbench disputes pull` does it

Whatever a request says is thrown away: what counts is what the pull then asks the server for. A lost hint costs nothing
either, as there is a pull every so often anyway. Listens on this machine's loopback only; a Label Studio elsewhere
reaches it through a proxy that speaks TLS. Many hints are one pull, so nobody who knows the secret can make it busy.
"""

from __future__ import annotations

import hmac
import logging
import secrets
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from workbench.errors import REFUSALS, ServerRefused
from workbench.review.labelstudio import server

logger = logging.getLogger(__name__)

HEADER = "X-Workbench-Secret"
QUIET = 2.0  # seconds without a further hint before a pull
LONGEST = 20.0  # seconds after the first hint at most
_LARGEST = 1 << 20  # bytes of a request that are read, and thrown away
_SECONDS = 10.0  # for one request
_AT_ONCE = 8  # requests; more are turned away


def secret(home: Path) -> str:
    """What a webhook must send, made at the first asking; in a file that only its owner may read."""
    return server.read_or_create(secret_file(home), lambda: secrets.token_urlsafe(32))


def secret_file(home: Path) -> Path:
    """Where it is kept."""
    return home / "webhook-secret"


class WebhookListener(ThreadingHTTPServer):
    """The listening server. `hint` is set by every request that knows the secret."""

    daemon_threads = True

    def __init__(self, port: int, secret: str) -> None:
        """Listen from now on.

        Raises:
            ServerRefused: the port is taken, or the secret is empty.
        """
        if not secret.strip():
            raise ServerRefused("an empty secret would let every request in; delete its file and listen again")
        self.hint = threading.Event()
        self.stop_requested = False
        self.secret = secret.encode()
        self._room = threading.BoundedSemaphore(_AT_ONCE)
        try:
            super().__init__(("127.0.0.1", port), _Request)
        except OSError as error:
            raise ServerRefused(f"cannot listen on port {port} ({error.strerror}); choose one with --port") from None

    def stop(self, *_: object) -> None:
        """For a signal: `follow` ends at once, or after its pull where a library kept the interrupt to itself."""
        self.stop_requested = True
        raise KeyboardInterrupt

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own, while there is room."""
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """The request's thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """A client that hung up or was too slow is no news."""
        logger.info("webhook from=%s broken off", client_address[0])


class _Request(BaseHTTPRequestHandler):
    timeout = _SECONDS
    server_version, sys_version = "workbench", ""
    server: WebhookListener

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        whole = length.isascii() and length.isdecimal()
        if not whole or int(length) > _LARGEST:
            self._answer(413 if whole else 411)
            return
        self._throw_away(int(length))
        given = self.headers.get(HEADER, "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, self.server.secret):
            logger.warning("webhook from=%s without the secret", self.client_address[0])
            self._answer(403)
            return
        self.server.hint.set()
        self._answer(204)

    def _throw_away(self, length: int) -> None:
        """Read the body, so that the sender sees the answer; not for longer than a request may take."""
        end = time.monotonic() + _SECONDS
        while length > 0 and time.monotonic() < end:
            read = self.rfile.read(min(length, 1 << 16))
            if not read:
                return
            length -= len(read)

    def _answer(self, status: int) -> None:
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a request's line is text from outside."""


def follow(
    listener: WebhookListener,
    pull: Callable[[], str],
    every: float,
    say: Callable[[str], None],
    times: int | None = None,
) -> None:
    """Pull at a hint, and every so often in any case, until the process is told to end.

    Args:
        pull: says in words what came of it.
        every: seconds without a hint after which to pull all the same.
        say: is told what came of each pull, failures included; they are tried again at the next.
        times: pulls after which to stop; None goes on for ever.
    """
    with listener:
        thread = threading.Thread(target=listener.serve_forever, daemon=True)
        thread.start()
        try:
            while not listener.stop_requested and (times is None or times > 0):
                if listener.hint.wait(every):
                    _settle(listener.hint)
                listener.hint.clear()  # before the pull: a hint meanwhile is another
                try:
                    say(pull())
                except REFUSALS as error:
                    say(f"not done: {error}")
                times = None if times is None else times - 1
        finally:
            listener.shutdown()


def _settle(hint: threading.Event) -> None:
    """Wait until hints have stopped, for as long as that may take."""
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        hint.clear()
        if not hint.wait(QUIET):
            return
