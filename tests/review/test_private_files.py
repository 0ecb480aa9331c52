"""Nobody but its owner reads the review server's files, whatever the umask; its token stands in no command line."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.review.conftest import Studio
from workbench.review.labelstudio import configuration, server, webhooks
from workbench.review.pictures import Folder

NOBODY = 65534
READ = """
import os, sys
os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})
for parent, folders, files in os.walk(sys.argv[1]):
    for name in files:
        try:
            open(os.path.join(parent, name), "rb").read(1)
        except OSError:
            continue
        print(os.path.join(parent, name))
for name in sys.argv[2:]:
    try:
        open(name, "rb").read(1)
    except OSError:
        continue
    print(name)
"""


def readable(home: Path) -> list[str]:
    """The files below that another user of this machine can read, by walking or by their known names."""
    names = [str(path) for path in home.rglob("*") if path.is_file()]
    assert names
    told = subprocess.run(
        [sys.executable, "-S", "-c", READ.format(nobody=NOBODY), str(home), *names],
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted(set(told.stdout.splitlines()))


def modes(home: Path) -> set[str]:
    return {
        f"{'folder' if path.is_dir() else 'file'} {stat.S_IMODE(path.lstat().st_mode) & 0o077:o}"
        for path in (home, *home.rglob("*"))
    }


@pytest.fixture(params=[0o000, 0o022, 0o777], ids=["open", "usual", "closed"])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.fixture
def reachable(tmp_path: Path) -> Path:
    """A folder that others can get to, as one on a shared disk."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder != Path("/") and folder.stat().st_uid == os.getuid() and "pytest" in str(folder):
            folder.chmod(0o755)
    return tmp_path


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can try as somebody else")
@pytest.mark.usefixtures("umask")
def test_another_user_reads_nothing_of_label_studio_whatever_the_umask(reachable: Path) -> None:
    before = os.umask(0o022)
    data = reachable / "data"
    data.mkdir(mode=0o755)
    Image.new("RGB", (8, 8)).save(reachable / "a.png")
    os.umask(before)
    home = data / configuration.FOLDER

    server.token(home)
    server.password(home)
    webhooks.secret(home)
    pictures = configuration._pictures(data)
    pictures.publish(reachable / "a.png", "a.png")
    pictures.nothing()

    assert len(list((home / "files" / "disputes").iterdir())) == 2
    assert readable(home) == []
    assert modes(home) == {"folder 0", "file 0"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can try as somebody else")
def test_files_of_an_earlier_release_are_taken_from_others_when_the_server_comes_up(reachable: Path) -> None:
    home = reachable / "labelstudio"
    for name in ("label_studio.sqlite3", "media/avatars/a.png", "server.log", "venv/bin/python", "venv/pyvenv.cfg"):
        (home / name).parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        (home / name).write_text("secret")
        (home / name).chmod(0o644)
    (home / "link").symlink_to(reachable)
    home.chmod(0o755)
    assert len(readable(home)) == 5

    server.keep_private(home)

    assert readable(home) == []
    assert stat.S_IMODE((home / "label_studio.sqlite3").stat().st_mode) == 0o600
    assert stat.S_IMODE((home / "media" / "avatars").stat().st_mode) == 0o700
    assert stat.S_IMODE(reachable.stat().st_mode) == 0o755  # what a link leads to is not ours


def test_pictures_for_another_users_server_stay_as_open_as_their_folder(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o755)
    Folder(shared, "/files").publish(tmp_path / "a.png", "a.png")
    (copy,) = shared.iterdir()
    assert stat.S_IMODE(copy.stat().st_mode) == 0o644


@pytest.mark.labelstudio
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can try as somebody else")
def test_a_running_server_shows_its_token_and_its_database_to_nobody_else(studio_server: Studio) -> None:
    for folder in studio_server.home.parents:
        if "pytest" in str(folder):
            folder.chmod(0o755)
    assert readable(studio_server.home) == []
    assert modes(studio_server.home) == {"folder 0", "file 0"}
    own = studio_server.token.encode()
    lines = subprocess.check_output(["ps", "-eo", "args", "-ww"]).splitlines()
    assert any(b"label-studio" in line for line in lines)
    assert not any(own in line for line in lines)
