"""What imports may do: no module is imported by what it imports itself, and a page is painted without PyTorch."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import grimp

PAGES = Path(__file__).parents[1] / "workbench" / "pages"


def test_there_is_no_circle_of_imports_within_functions_either() -> None:
    graph = grimp.build_graph("warehouse", "workbench", "jobs", "training")
    order = graphlib.TopologicalSorter({each: graph.find_modules_directly_imported_by(each) for each in graph.modules})
    assert len([*order.static_order()]) == len(graph.modules)  # a circle raises, and names its modules


def test_no_page_but_knowledge_loads_pytorch_before_it_is_painted() -> None:
    imported = set()
    for script in PAGES.rglob("*.py"):
        if script.parent.name != "knowledge" or script.stem == "counterfactual":  # Knowledge checks normal pictures
            for line in ast.parse(script.read_text(encoding="utf-8")).body:
                if isinstance(line, ast.ImportFrom) and (line.module or "").startswith(("warehouse", "workbench")):
                    imported |= {f"from {line.module} import {name.name}" for name in line.names}
    assert "from workbench.scoring import answer_file" in imported  # as Map does
    program = "; ".join([*sorted(imported), "import sys; print('torch' in sys.modules)"])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
