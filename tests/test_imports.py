"""No module is imported, however far around, by what it imports itself: a reader goes through them once."""

from __future__ import annotations

import graphlib

import grimp


def test_there_is_no_circle_of_imports_within_functions_either() -> None:
    graph = grimp.build_graph("warehouse", "workbench", "jobs", "training")
    order = graphlib.TopologicalSorter({each: graph.find_modules_directly_imported_by(each) for each in graph.modules})
    assert len([*order.static_order()]) == len(graph.modules)  # a circle raises, and names its modules
