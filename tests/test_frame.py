"""The project's frame: what is in the tree, what is in the wheel, what never is."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOP_LEVEL = {
    *("workbench", "jobs", "warehouse", "tests", "streamlit_app.py", "pyproject.toml", "README.md"),
    *("Makefile", "LICENSE", "CHANGELOG.md", "constraints.txt", ".ci", ".gitignore", ".streamlit"),
    *("benchmarks", "deploy", "docs"),
}
LONGEST = 450  # lines of a Python file
# Where this was built is nobody's business and no use to anyone; a package's host is the user's own choice.
PRIVATE = re.compile(
    r"(?<![\w.])/(?:work|root|farm|opt/wheels)/|files\.pythonhosted|pypi\.org/simple|download\.pytorch|registry\.npmjs|deb\.debian"
)


def _tracked() -> list[Path]:
    """The files of a checkout: those git knows, and new ones it doesn't ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def _texts() -> Iterator[tuple[Path, str]]:
    for path in _tracked():
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture, the checkpoint


def test_the_top_level_holds_what_the_architecture_names_and_nothing_else() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in _tracked()} - TOP_LEVEL == set()


def test_no_python_file_is_longer_than_a_reader_can_hold() -> None:
    lengths = {path: text.count("\n") for path, text in _texts() if path.suffix == ".py"}
    assert {str(path): length for path, length in lengths.items() if length > LONGEST} == {}


def test_no_file_names_the_machine_it_was_made_on_or_the_host_of_a_package() -> None:
    this = Path(__file__)
    found = [f"{path}: {match[0]}" for path, text in _texts() if path != this for match in PRIVATE.finditer(text)]
    assert found == []


def test_every_imported_package_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    names = {re.split(r"[^\w-]", line)[0].lower().replace("-", "_") for line in declared}
    names |= {"PIL", "cv2", "pydantic_settings", "_pytest"}  # of pillow, opencv-python-headless, ...
    ours = {"warehouse", "workbench", "jobs", "benchmarks", "tests", "streamlit_app"}
    known = names | ours | set(sys.stdlib_module_names)
    imported = {
        (name, str(path.relative_to(ROOT)))
        for path, text in _texts()
        if path.suffix == ".py"
        for node in ast.walk(ast.parse(text))
        for name in _modules(node)
    }
    assert {entry for entry in imported if entry[0] not in known} == set()


def _modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name.split(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module.split(".")[0]]
    return []


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of the files in a freshly built wheel."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for path in _tracked():  # a copy: building leaves traces in the folder it builds in
        copy = source / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(target), "."]
    subprocess.run(build, cwd=source, check=True, capture_output=True)
    (built,) = target.glob("*.whl")
    return set(zipfile.ZipFile(built).namelist())


def test_the_wheel_holds_every_package_the_dashboard_its_assets_and_the_embedded_model(wheel: set[str]) -> None:
    rooms = ("warehouse", "workbench", "jobs")
    needed = {path.relative_to(ROOT).as_posix() for path in _tracked() if path.relative_to(ROOT).parts[0] in rooms}
    assert needed | {"streamlit_app.py"} <= wheel
    assert any(name.startswith("workbench/embedded/checkpoint/") for name in wheel)
    assert any(name.startswith("workbench/pages/assets/") for name in wheel)


def test_the_wheel_holds_nothing_but_the_program(wheel: set[str]) -> None:
    tops = {name.split("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "warehouse",
        "workbench",
        "jobs",
        "streamlit_app.py",
    }
