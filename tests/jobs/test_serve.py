from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from jobs import serve
from jobs.__main__ import app


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _healthy(port: int, patience: float = 60.0) -> bool:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    return False


@pytest.mark.slow
def test_the_dashboard_answers_on_loopback_alone_from_any_folder_and_ends_when_told(tmp_path: Path) -> None:
    port = _free_port()
    log = tmp_path / "log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "jobs", "serve", "--data", "data", "--port", str(port)]
        server = subprocess.Popen(command, cwd=tmp_path, stdout=output, stderr=subprocess.STDOUT)
    try:
        assert _healthy(port), log.read_text()
        listening = [each for each in psutil.Process(server.pid).net_connections("inet") if each.status == "LISTEN"]
        assert {(each.laddr.ip, each.laddr.port) for each in listening} == {("127.0.0.1", port)}
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=30)


def test_without_its_packages_serve_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "find_spec", lambda name: None if name == "streamlit" else find_spec(name))

    ended = CliRunner().invoke(app, ["serve"])

    assert ended.exit_code == 2
    assert "pip install '.[dashboard]'" in ended.output
