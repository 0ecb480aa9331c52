"""A Label Studio of one's own: installed in an environment of its own, started on this machine's loopback.

Its packages would bend this program's (it pins pyarrow lower), hence the other environment. Its folder holds its
database with the token in it, the disputed pictures, password and token; only their owner may read any of it, whatever
the umask. A backup of the warehouse need not hold it. Nothing here speaks to it but a look at its health page.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from workbench.errors import ServerRefused, ServerUnreachable

RELEASE = "1.23.2"  # of label-studio: the one the tests run against
USER = "reviewer@workbench.test"
_FIRST_START = 600.0  # seconds: its first migrations take about two minutes on a busy machine
_LOCAL_HOST = "127.0.0.1"
_OTHERS = 0o077  # what the server's files grant to nobody


@dataclass(frozen=True, slots=True)
class State:
    """A started server, as `desk.json` tells it."""

    url: str
    pid: int
    user: str
    executable: str


def install(venv: Path, say: Callable[[str], None]) -> Path:
    """The `label-studio` executable of an environment that is made if need be.

    Raises:
        ServerRefused: pip failed.
    """
    executable = venv / "bin" / "label-studio"
    if executable.exists():
        return executable
    say(f"installing Label Studio {RELEASE} into {venv} (a few minutes, once)")
    steps = [
        [sys.executable, "-m", "venv", str(venv)],
        [str(venv / "bin" / "python"), "-m", "pip", "install", "-q", f"label-studio=={RELEASE}"],
    ]
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ServerRefused(
                f"{' '.join(step)} failed: {done.stderr.strip().splitlines()[-1:]}; see to it and try again"
            )
    return executable


def start(executable: Path, home: Path, port: int) -> subprocess.Popen[bytes]:
    """The server's process, not yet ready; its log is `server.log` in its folder.

    The first start makes the user, with a password and a token of their own; both go by its environment, as others may
    read a process's command line.
    """
    (home / "files" / "disputes").mkdir(parents=True, exist_ok=True)
    keep_private(home)
    with (home / "server.log").open("ab") as log:
        return subprocess.Popen(
            [
                *(str(executable), "start", "--init", "--no-browser", "--internal-host", _LOCAL_HOST),
                *("--port", str(port), "--log-level", "WARNING"),
            ],
            env=_environment(home, port),
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            umask=_OTHERS,
        )


def wait(process: subprocess.Popen[bytes], port: int, home: Path, seconds: float = _FIRST_START) -> str:
    """The server's address once it answers.

    Raises:
        ServerUnreachable: it ended, or took too long.
    """
    url, end = f"http://{_LOCAL_HOST}:{port}", time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise ServerUnreachable(
                f"Label Studio ended at once with {process.returncode}; the reason is in {home}/server.log"
            )
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return url
        except OSError:
            time.sleep(0.3)
    raise ServerUnreachable(f"Label Studio wasn't ready after {seconds:.0f} s; see {home}/server.log")


def up(home: Path, venv: Path, port: int, say: Callable[[str], None]) -> State:
    """A running server; one that runs already is left alone.

    Raises:
        ServerRefused: it can't be installed, or the port is taken.
        ServerUnreachable: it doesn't come up.
    """
    home.mkdir(parents=True, exist_ok=True)
    keep_private(home)
    known = running(home)
    if known:
        return known
    executable = install(venv, say)
    with socket.socket() as probe:
        if probe.connect_ex((_LOCAL_HOST, port)) == 0:
            raise ServerRefused(f"port {port} is taken by another program; choose one with --port")
    say(
        "starting Label Studio"
        + ("" if (home / "label_studio.sqlite3").exists() else " (its first start takes two minutes)")
    )
    process = start(executable, home, port)
    try:
        url = wait(process, port, home)
    except BaseException:  # somebody who gets impatient leaves no server behind
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        raise
    state = State(url, process.pid, USER, str(executable))
    draft = home / "desk.json.unfinished"
    draft.write_text(json.dumps(asdict(state), indent=1), encoding="utf-8")
    draft.replace(home / "desk.json")
    keep_private(home)
    return state


def keep_private(home: Path) -> None:
    """Take from everybody but the owner what the server's folder holds: folders are 0700, files 0600.

    An environment in it is left as it is: it holds nobody's data, and the folder around it lets nobody in.
    """
    home.chmod(0o700)
    for parent, folders, files in os.walk(home):
        folders[:] = [name for name in folders if not (Path(parent) / name / "pyvenv.cfg").exists()]
        for name in (*folders, *files):
            path = Path(parent) / name
            with contextlib.suppress(FileNotFoundError):  # a running server's own scratch files come and go
                mode = path.lstat().st_mode
                if not stat.S_ISLNK(mode) and mode & _OTHERS:
                    path.chmod(stat.S_IMODE(mode) & ~_OTHERS)


def down(home: Path) -> bool:
    """Stop the server; False when none runs."""
    state = running(home)
    if state is None:
        return False
    os.killpg(state.pid, signal.SIGTERM)
    end = time.monotonic() + 20
    while time.monotonic() < end and _alive(state):
        time.sleep(0.1)
    if _alive(state):
        os.killpg(state.pid, signal.SIGKILL)
    return True


def running(home: Path) -> State | None:
    """The server that was started from this folder, if it still runs."""
    try:
        state = State(**json.loads((home / "desk.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return state if _alive(state) else None


def password(home: Path) -> str:
    """The user's password, made at the first asking."""
    return read_or_create(home / "password", lambda: secrets.token_urlsafe(12))


def token(home: Path) -> str:
    """The user's legacy token, made at the first asking."""
    return read_or_create(home / "token", lambda: secrets.token_hex(20))


def read_or_create(file: Path, make: Callable[[], str]) -> str:
    """A secret's text from a file that only its owner may read, made at the first asking; one that is empty is none.

    It gets its name when it is whole: of two processes that make it at once the first wins, and one that is killed
    leaves no empty secret.
    """
    if known := file.read_text(encoding="utf-8").strip() if file.exists() else "":
        return known
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)  # for its owner alone
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(make())
        if file.exists() and not file.stat().st_size:
            file.unlink()
        with contextlib.suppress(FileExistsError):
            os.link(draft, file)
    finally:
        Path(draft).unlink()
    return file.read_text(encoding="utf-8").strip()


def _alive(state: State) -> bool:
    """Whether the process is there and is Label Studio: a number may have gone to another program since."""
    try:
        if Path("/proc/self").exists():
            command = Path(f"/proc/{state.pid}/cmdline").read_bytes()
        else:
            command = subprocess.check_output(["ps", "-p", str(state.pid), "-o", "command="], stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        return False
    return b"label-studio" in command or b"label_studio" in command


def _environment(home: Path, port: int) -> dict[str, str]:
    """What Label Studio is told. It asks nobody outside this machine for anything."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WORKBENCH_", "PYTHON"))}
    return {
        **kept,
        "LABEL_STUDIO_BASE_DATA_DIR": str(home),
        "DJANGO_DB": "sqlite",
        "DATABASE_NAME": str(home / "label_studio.sqlite3"),
        "LABEL_STUDIO_USERNAME": USER,
        "LABEL_STUDIO_PASSWORD": password(home),
        "LABEL_STUDIO_USER_TOKEN": token(home),
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(home / "files"),
        "LABEL_STUDIO_HOST": f"http://{_LOCAL_HOST}:{port}",
        "COLLECT_ANALYTICS": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "LATEST_VERSION_CHECK": "false",
        "FEATURE_FLAGS_OFFLINE": "true",
        "DEBUG": "false",
        "LOG_LEVEL": "WARNING",
    }
