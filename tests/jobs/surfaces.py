"""What every surface says of a run: read as a person or a program would, from its text, its JSON or its file."""

from __future__ import annotations

import json
import re
from dataclasses import astuple, dataclass
from html import unescape
from pathlib import Path
from typing import Any

import polars as pl
from typer.testing import CliRunner

from jobs.__main__ import app
from tests.pages.screen import opened, words
from warehouse.queries.rollups import Rollups, Selection
from warehouse.queries.truth import Truth
from warehouse.store import Store
from workbench.analysis import cell_totals

PAGES = {name: f"workbench/pages/{name}.py" for name in ("runs/runs", "errors", "gallery")}


@dataclass(frozen=True, slots=True)
class Numbers:
    """Of a run; None where a surface doesn't say."""

    correct: int | None
    counted: int | None
    escape: int | None = None
    defective: int | None = None
    overkill: int | None = None
    good: int | None = None

    def agrees(self, other: Numbers) -> bool:
        """Whether everything that both say is the same."""
        pairs = zip(astuple(self), astuple(other), strict=True)
        return all(mine in (theirs, None) or theirs is None for mine, theirs in pairs)


def everywhere(data: Path, run_id: str, truth: Truth) -> dict[str, Numbers]:
    """By surface, what it says."""
    store, chosen = Store(data), Selection(run_id, truth=truth)
    summary = {name: int(n) for name, n in store.run_summary(run_id, truth).drop("subtask").sum().to_dicts()[0].items()}
    cells = Rollups(data).cells(chosen)
    detected = cell_totals.detection(cells)
    facts = Rollups(data).facts(chosen)
    return {
        "summary": _of_summary(summary),
        "runs": _of_summary(next(row for row in _json("runs", data, truth) if row["run_id"] == run_id)),
        "cells": Numbers(
            cell_totals.total(cells, "correct"), cell_totals.total(cells, "counted"),
            detected.escapes, detected.defective, detected.overkills, detected.good,
        ),
        "facts": Numbers(
            int(facts["right"].sum()), facts["right"].count(),
            escape=facts.filter(outcome="escape").height, overkill=facts.filter(outcome="overkill").height,
        ),
        "report": _report(data, run_id, truth),
        "mmad": _mmad(_json("mmad", data, truth, "--run", run_id, "--scorer", "strict")),
        "export": _export(data, run_id, truth),
        **{name: _page(name, page, run_id, truth) for name, page in PAGES.items()},
    }  # fmt: skip


def command(*words_: str) -> str:
    """What a command prints; it succeeds."""
    return CliRunner().invoke(app, list(words_), catch_exceptions=False).stdout


def said(page: str, run_id: str, truth: Truth, **address: str) -> str:
    """A page's text without markup, on one line."""
    asked = {"run": run_id, **address} if truth == "archive" else {"run": run_id, "truth": truth, **address}
    return plain(words(opened(page, **asked)))


def plain(html: str) -> str:
    """The text of HTML without markup, on one line."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def _json(name: str, data: Path, truth: Truth, *more: str) -> Any:
    return json.loads(command(name, *more, "--json", "--truth", truth, "--data", str(data)))


def _of_summary(row: dict[str, int]) -> Numbers:
    return Numbers(
        row["correct"], row["labelled"], row["escape"], row.get("defective"), row["overkill"], row.get("good")
    )


def _report(data: Path, run_id: str, truth: Truth) -> Numbers:
    file = data / f"{truth}.html"
    command("report", run_id, "-o", str(file), "--truth", truth, "--data", str(data))
    text = plain(file.read_text(encoding="utf-8"))
    rate, counted = _found(r"Micro accuracy: ([\d.]+) % .*? of ([\d,]+) questions", text)
    (escape, defective), (overkill, good) = (
        _found(rf"{word}: ([\d.]+) % .*? of {label} images \((\d+) judged\)", text)
        for word, label in (("Escapes", "defective"), ("Overkill", "good"))
    )
    return Numbers(
        _share(rate, counted),
        int(counted),
        _share(escape, defective),
        int(defective),
        _share(overkill, good),
        int(good),
    )


def _mmad(scores: dict[str, Any]) -> Numbers:
    return Numbers(_share(scores["micro"], scores["questions"]), scores["questions"])


def _export(data: Path, run_id: str, truth: Truth) -> Numbers:
    file = data / f"{truth}.parquet"
    command("export", "predictions", "--run", run_id, "-o", str(file), "--truth", truth, "--data", str(data))
    rows = pl.read_parquet(file).filter(pl.col("correct_answer").is_not_null(), pl.col("status") != "failed")
    return Numbers(rows.filter(pl.col("answer") == pl.col("correct_answer")).height, rows.height)


def _page(name: str, page: str, run_id: str, truth: Truth) -> Numbers:
    text = said(page, run_id, truth)
    if name == "gallery":
        counts = {word: re.search(rf"\S ([\d,]+) {word}\b", text) for word in ("right", "escape", "overkill")}
        of = {word: int(found[1]) if found else 0 for word, found in counts.items()}
        return Numbers(of["right"], None, escape=of["escape"], overkill=of["overkill"])
    if name == "errors":
        rate, counted = _found(r"(\d+) % of ([\d,]+) answers are right", text)
        escape, defective = _found(r"(\d+) escapes? of (\d+)", text)
        overkill, good = _found(r"(\d+) overkill of (\d+)", text)
        return Numbers(_share(rate, counted), int(counted), int(escape), int(defective), int(overkill), int(good))
    (counted,) = _found(r"([\d,]+) judged questions of", text)
    (missed,), (called,) = (_found(rf"([\d,]+) {word}s? \(", text) for word in ("escape", "overkill"))
    return Numbers(None, int(counted), escape=int(missed), overkill=int(called))


def _found(pattern: str, text: str) -> tuple[str, ...]:
    found = re.search(pattern, text)
    assert found, f"{pattern} stands nowhere in: {text[:3000]}"
    return tuple(group.replace(",", "") for group in found.groups())


def _share(percent: float | str, of: int | str) -> int:
    """How many of so many a rounded percentage is."""
    return round(float(percent) * int(of) / 100)
