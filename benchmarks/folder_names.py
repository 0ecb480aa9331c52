"""Counts the names under which one folder and its files travel from `workbench score FOLDER` to the stored row.

    python -m benchmarks.folder_names

Reads the modules of the walk in docs/architecture.md. It collects each parameter, attribute and variable that holds the
folder, one of its files, or a record that stands for them: its annotation names one of TYPES, or it is assigned from
`Path(...)`, from an attribute of a path, from a path joined with `/` or from one of MAKERS. Attributes that hold a path
as text count too (`root`, `path` and their compounds). Names that only lead to the data folder are left out.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
WALK = (
    "jobs/score.py",
    "workbench/scoring/run.py",
    "workbench/scoring/prepare_run.py",
    "workbench/archive/scan.py",
    "workbench/archive/unchanged_files.py",
    "workbench/archive/layout.py",
    "workbench/archive/sidecar.py",
    "workbench/archive/questions.py",
    "workbench/archive/question_file.py",
    "workbench/archive/references.py",
    "workbench/archive/image_decoding.py",
    "workbench/archive/masks.py",
    "workbench/archive/high_bit_depth.py",
    "workbench/scoring/plan.py",
    "workbench/scoring/input_pipeline.py",
    "workbench/scoring/safe_opening.py",
    "workbench/scoring/block.py",
    "workbench/scoring/executor.py",
    "warehouse/records/scoring.py",
)
TYPES = re.compile(
    r"\b(Path|Archive|Scan|_?File|Entry|Asked|Block|OpenedBlock|Picture|Image|Opened|OpenedImage|Place)\b"
)
MAKERS = ("scan", "identify", "open_image", "open_block", "inspect_image")
ATTRIBUTES = ("parent", "resolve", "absolute", "with_suffix", "with_name", "relative_to", "expanduser")
DATA_FOLDER = frozenset({"data", "folder_of_data", "spool"})


def _is_path(value: ast.expr) -> bool:
    """Whether an expression makes a path."""
    if isinstance(value, ast.Call):
        callee = value.func
        if isinstance(callee, ast.Name):
            return callee.id in ("Path", "PurePosixPath", *MAKERS)
        return isinstance(callee, ast.Attribute) and callee.attr in (*ATTRIBUTES, *MAKERS)
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Div):
        return _is_path(value.left) or (isinstance(value.left, ast.Name) and value.left.id in ("root", "folder"))
    return isinstance(value, ast.Attribute) and value.attr == "parent"


def _annotated(annotation: ast.expr | None) -> bool:
    return annotation is not None and TYPES.search(ast.unparse(annotation)) is not None


def names(tree: ast.Module) -> Iterator[str]:
    """Every name that holds the folder or one of its files."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and _annotated(node.annotation):
            yield node.arg
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            held_as_text = node.target.id in ("path", "root") or node.target.id.endswith(("_path", "_root"))
            if _annotated(node.annotation) or held_as_text:
                yield node.target.id
        elif isinstance(node, ast.Assign) and _is_path(node.value):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def by_module() -> dict[str, set[str]]:
    """The names of each module of the walk."""
    return {module: set(names(ast.parse((ROOT / module).read_text(encoding="utf-8")))) - DATA_FOLDER for module in WALK}


if __name__ == "__main__":
    names_of = by_module()
    for module, module_names in names_of.items():
        print(f"{module}: {', '.join(sorted(module_names)) or 'none'}")
    print(f"{len(set().union(*names_of.values()))} names: {', '.join(sorted(set().union(*names_of.values())))}")
