"""An experiment's finished arms, read back: of `workbench ablate`, `stress` and `explain`.

Apart from what runs them, so that a page needs no model to show them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from warehouse.queries import shared
from warehouse.queries.experiments import Experiments
from warehouse.queries.rollups import Rollups, Selection
from warehouse.queries.truth import Truth
from warehouse.records.experiments import Kind
from warehouse.records.questions import Subtask
from warehouse.store import Store
from workbench.analysis.ablation import Study
from workbench.archive import sidecar
from workbench.model.method import Method


def read_study(data: Path, kind: Kind, experiment: str, truth: Truth = "archive") -> Study:
    """An experiment's arms and what their runs say, held against a truth."""
    store, experiments, rollups = Store(data), Experiments(data), Rollups(data)
    with store.together():
        arms = experiments.arms(kind, experiment)
        runs = [arm.run_id for arm in arms]
        steps, tests = experiments.convergence(runs), experiments.tests(runs)
        evidence = experiments.evidence(runs)
        facts = {run_id: rollups.facts(Selection(run_id, truth=truth)) for run_id in runs}
        told = {run_id: store.run(run_id) for run_id in runs}
        found = store.archive(arms[0].archive_id) if arms else None
    evaluations, demo = {}, False
    declared: tuple[Subtask, ...] = ()
    for run_id, run in told.items():
        assert run is not None
        demo |= run.demo
        declared = run.subtasks
        method = {**asdict(Method()), **json.loads(run.settings)}
        if method["think_tokens"]:
            once = method["estimator"] in ("published", "autograd")
            evaluations[run_id] = 1 + method["iterations"] * (1 if once else method["samples"]) + tests[run_id]
    paths = {
        image: path for each in facts.values() for image, path in each.select("image_id", "image_path").iter_rows()
    }
    return Study(
        arms=tuple(arms),
        facts=facts,
        evidence=evidence,
        evaluations=evaluations,
        steps=tuple(steps),
        hard=_hard(Path(found.root), paths) if found else {},
        demo=demo,
        subtasks=declared,
        shared=shared.read(data, list(dict.fromkeys(runs)), truth),
    )


def _hard(root: Path, paths: Mapping[str, str]) -> dict[str, str]:
    """image_id -> severity, where the archive's sidecar has such a column."""
    file = sidecar.find(root)
    if file is None:
        return {}
    there = sidecar.Paths(paths.values())
    said = {
        there.find(str(row.get("path"))): str(row["severity"])
        for _, row in sidecar.raw_rows(file, [])
        if row.get("severity")
    }
    return {image: said[path] for image, path in paths.items() if path in said}
