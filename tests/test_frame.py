"""The project's frame: what is in the tree, what is in the wheel, what never is."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.scoring import run

ROOT = Path(__file__).resolve().parent.parent
TOP_LEVEL = {
    *("workbench", "jobs", "warehouse", "tests", "streamlit_app.py", "pyproject.toml", "README.md"),
    *("Makefile", "LICENSE", "CHANGELOG.md", "constraints.txt", ".ci", ".gitignore", ".streamlit"),
    *("benchmarks", "deploy", "docs", "training"),
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
    names |= {"PIL", "cv2", "sklearn", "_pytest", "xdist"}  # of pillow, opencv-python-headless, ..., pytest-xdist
    ours = {"warehouse", "workbench", "jobs", "training", "benchmarks", "tests", "streamlit_app"}
    known = names | ours | set(sys.stdlib_module_names)
    imported = {
        (name, str(path.relative_to(ROOT)))
        for path, text in _texts()
        if path.suffix == ".py"
        for node in ast.walk(ast.parse(text))
        for name in _modules(node)
    }
    assert {entry for entry in imported if entry[0] not in known} == set()


def test_the_project_is_named_alike_everywhere_and_never_as_somebody_elses_package_is() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines if "workbench" in line]
    assert {line.partition("[")[0] for line in extras} == {project["name"]} == {run.DISTRIBUTION}
    taken = "reason-" + "workbench"
    assert [str(path) for path, text in _texts() if taken in text or taken.replace("-", "_") in text] == []
    installs = [line for _, text in _texts() for line in re.findall(r"pip install ['\"]?workbench\b.*", text)]
    assert installs == []


def _modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name.split(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module.split(".")[0]]
    return []


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what a freshly built wheel installs."""
    source, target, folder = (tmp_path_factory.mktemp(name) for name in ("source", "wheel", "installed"))
    for path in _tracked():  # a copy: building leaves traces in the folder it builds in
        copy = source / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(target), "."]
    subprocess.run(build, cwd=source, check=True, capture_output=True)
    (built,) = target.glob("*.whl")
    zipfile.ZipFile(built).extractall(folder)
    return folder


@pytest.mark.slow
def test_the_wheel_holds_the_whole_program_and_nothing_else(installed: Path) -> None:
    rooms = {"warehouse", "workbench", "jobs"}
    needed = {path.relative_to(ROOT) for path in _tracked() if path.relative_to(ROOT).parts[0] in rooms}
    held = {path.relative_to(installed) for path in installed.rglob("*") if path.is_file()}

    assert needed - held == set()
    assert {path.parts[0] for path in held if ".dist-info" not in path.parts[0]} == {*rooms, "streamlit_app.py"}


@pytest.mark.slow
def test_the_program_runs_from_the_wheel_with_its_model_and_its_look(installed: Path, tmp_path: Path) -> None:
    script = (
        "from importlib import resources, util; import jobs.__main__;"
        "from workbench import embedded; from workbench.model import backbone;"
        "look = resources.files('workbench') / 'pages' / 'assets' / 'config.toml'; assert look.is_file();"
        "backbone.load(embedded.CHECKPOINT);"
        "print(jobs.__file__, util.find_spec('streamlit_app').origin, look, embedded.CHECKPOINT)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
    )

    assert ran.returncode == 0, ran.stderr
    assert all(path.startswith(str(installed)) for path in ran.stdout.split())
