"""Somebody who looks at a dashboard without a browser: its pages, one after another, over Streamlit's web socket."""

from __future__ import annotations

import base64
import os
import socket
import struct
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from io import BufferedRWPair

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

PAGES = ("tonight", "health", "runs", "gallery", "errors")
_BINARY, _CLOSE = 2, 8  # opcodes of RFC 6455


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
        with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rwb") as stream:
            _shake_hands(stream, port)
            while True:
                for page in PAGES:
                    asked = BackMsg()
                    asked.rerun_script.page_name = page
                    _send(stream, asked.SerializeToString())
                    while ForwardMsg.FromString(_message(stream)).WhichOneof("type") != "script_finished":
                        pass
                    yield page
    except (OSError, EOFError):
        return


def _shake_hands(stream: BufferedRWPair, port: int) -> None:
    key = base64.b64encode(os.urandom(16)).decode()
    stream.write(
        f"GET /_stcore/stream HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: streamlit\r\n\r\n".encode()
    )
    stream.flush()
    if b" 101 " not in stream.readline():
        raise EOFError
    while stream.readline().strip():
        pass


def _send(stream: BufferedRWPair, message: bytes) -> None:
    """One binary frame under a mask of zeros."""
    length = len(message)
    size = bytes([0x80 | length]) if length < 126 else bytes([0x80 | 126]) + struct.pack("!H", length)
    head = bytes([0x80 | _BINARY]) + size
    stream.write(head + bytes(4) + message)
    stream.flush()


def _message(stream: BufferedRWPair) -> bytes:
    """The next binary message, its frames put together."""
    message = b""
    while True:
        first, length = _read(stream, 2)
        if length >= 126:
            length = int.from_bytes(_read(stream, 2 if length == 126 else 8), "big")
        content, opcode = _read(stream, length), first & 0x0F
        if opcode == _CLOSE:
            raise EOFError
        if opcode <= _BINARY:
            message += content
            if first & 0x80:
                return message


def _read(stream: BufferedRWPair, size: int) -> bytes:
    read = stream.read(size)
    if len(read) < size:
        raise EOFError
    return read
