"""A proxy before Label Studio that stalls, breaks or answers in its place; and our commands as processes."""

from __future__ import annotations

import http.client
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import CompletedProcess
from urllib.parse import urlsplit

from tests import forked

ROOT = Path(__file__).parents[2]
# What to do with a request, by its method and path: None lets it through; a number is answered with that status;
# "stall" never answers; "after" lets it through and then answers 500, as a server does that dies after its commit.
Trouble = Callable[[str, str], int | str | None]


@contextmanager
def proxy(target: str, trouble: Trouble) -> Iterator[str]:
    """The address of a server that passes everything on to `target`, but where there is trouble."""
    goal = urlsplit(target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            what = trouble(self.command, self.path)
            if what == "stall":
                time.sleep(5)
                self.close_connection = True
                return
            if isinstance(what, int):
                self.reply(what, b'{"detail": "trouble"}', "application/json")
                return
            onward = http.client.HTTPConnection(goal.hostname or "", goal.port or 80, timeout=60)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            onward.request(self.command, self.path, body, headers)
            got = onward.getresponse()
            content = got.read()
            onward.close()
            if what == "after":
                self.reply(500, b"{}", "application/json")
            else:
                self.reply(got.status, content, got.headers.get("Content-Type", ""))

        def reply(self, status: int, content: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def disputes(
    data: Path, *arguments: str, url: str, token: str, files: Path, die_at: str | None = None
) -> CompletedProcess[str]:
    """`workbench disputes ...` in a process of its own, killed at a phase where told so."""
    variables = environment(data, url, token, files) | ({"WORKBENCH_DIE_AT": die_at} if die_at else {})
    return forked.run("jobs", "disputes", *arguments, environment=variables, folder=data.parent)


def environment(data: Path, url: str, token: str, files: Path) -> dict[str, str]:
    """What a process is told of the data folder and the connection."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "WORKBENCH_DATA": str(data),
        "WORKBENCH_LABELSTUDIO_URL": url,
        "WORKBENCH_LABELSTUDIO_TOKEN": token,
        "WORKBENCH_LABELSTUDIO_ROOT": str(files),
    }
