"""Somebody who looks at a dashboard without a browser: its pages, one after another, over Streamlit's web socket."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect
from websockets.typing import Subprotocol

PAGES = ("tonight", "health", "runs", "gallery", "errors")


def is_up(port: int, seconds: float, gone: Callable[[], bool]) -> bool:
    """Whether the dashboard on this port answers within so many seconds; False at once when it is gone."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not gone():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2):
                return True
        except (OSError, urllib.error.URLError):
            time.sleep(0.1)
    return False


def look(port: int) -> Iterator[str]:
    """Pages that were shown to their end, for ever or until the dashboard dies."""
    try:
        address = f"ws://127.0.0.1:{port}/_stcore/stream"
        with connect(address, subprotocols=[Subprotocol("streamlit")], max_size=None) as socket:
            while True:
                for page in PAGES:
                    asked = BackMsg()
                    asked.rerun_script.page_name = page
                    socket.send(asked.SerializeToString())
                    while True:
                        told = ForwardMsg.FromString(socket.recv(decode=False))
                        if told.WhichOneof("type") == "script_finished":
                            break
                    yield page
    except (OSError, WebSocketException):
        return
