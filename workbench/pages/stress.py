"""Stress: how far answers hold when pictures get worse, from the stored arms of `workbench stress` and `explain`.

In the address: `experiment`, which one; `measure`, what the panels show.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st
from markupsafe import Markup

from warehouse.queries.experiments import Experiments
from warehouse.records.experiments import Arm
from warehouse.records.scoring import Run
from workbench import wording
from workbench.analysis import compare as differences
from workbench.analysis import missing_capabilities
from workbench.analysis import stress as analysis
from workbench.analysis.ablation import Study
from workbench.analysis.charts import compare, stress
from workbench.analysis.charts.stress import MEASURES
from workbench.analysis.missing_capabilities import Capability
from workbench.analysis.stress import UNDISTURBED
from workbench.experiments.study_results import read_study
from workbench.pages.ui import address, components, reads
from workbench.pages.ui.caching import cached
from workbench.pages.ui.components import card, chart, header, html

LEGEND = Markup(
    '<span style="color:var(--accent)">●</span> full method &ensp; <span style="color:var(--ink)">◇</span> plain'
)
NEEDS: Mapping[str, Capability] = {"calibration": "probabilities", "entropy": "latents"}  # of a measure
_MINUS = re.compile(r"-(?=\d)")

now = reads.snapshot()


@st.cache_data(show_spinner=False, max_entries=4)
def finished(now: reads.Snapshot) -> list[Arm]:
    """All arms of all stress tests, the newest experiment first."""
    return Experiments(Path(now.data)).arms("stress")


@cached(4, "reading the arms")
def study_of(now: reads.Snapshot, experiment: str) -> Study:
    """The arms of one experiment with what their runs say."""
    return read_study(Path(now.data), "stress", experiment)


@cached(4)
def compared(now: reads.Snapshot, experiment: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One row per arm, and every disturbed arm against its undisturbed one."""
    study = study_of(now, experiment)
    return analysis.table(study).drop("hit", "chance"), analysis.falls(study)


def finding(falls: pl.DataFrame) -> Markup:
    """What the strongest disturbances cost the full method, in one sentence."""
    if falls.is_empty():
        return Markup("Nothing to compare: no judged question was asked both undisturbed and disturbed.")
    told = falls.sort("difference")
    worse = [
        Markup("<b>{}</b> costs {:.1f} points").format(_named(row), abs(100 * row["difference"]))
        for row in told.filter(pl.col("word") == "worse").iter_rows(named=True)
    ]
    better = [
        Markup("<b>{}</b> gains {:.1f} points").format(_named(row), 100 * row["difference"])
        for row in told.filter(pl.col("word") == "better").iter_rows(named=True)
    ]
    unsure = [_named(row) for row in told.filter(pl.col("word") == "not enough evidence").iter_rows(named=True)]
    at = "" if falls["strength"].null_count() else "At the strongest "
    said = Markup("{}{}.").format(at, Markup(", ").join([*worse, *better]))
    rest = f"Not enough evidence that {', '.join(unsure)} {'changes' if len(unsure) == 1 else 'change'} accuracy."
    return Markup(" ").join([said] * bool(worse or better) + [rest] * bool(unsure))


def _named(row: dict[str, object]) -> str:
    return str(row["condition"]) if row["method"] == "full" else str(row["method"])


def strongest(falls: pl.DataFrame) -> pl.DataFrame:
    """Of each condition the strongest arm of the full method; where nothing has a strength, all arms."""
    if falls.is_empty() or falls["strength"].null_count() == falls.height:
        return falls
    full = falls.filter(pl.col("method") == "full")
    return full.filter(pl.col("strength") == pl.col("strength").max().over("condition"))


def choose_measure(offered: Sequence[str]) -> str:
    """What the panels show; the address holds it."""
    held = st.query_params.get("measure", "")
    held = held if held in offered else "accuracy"
    key = f"stress.measure.{held}"  # a widget per value: one that is set from here would echo its old value back
    st.segmented_control(
        "Measure",
        offered,
        default=held,
        key=key,
        required=True,
        format_func=lambda name: MEASURES[name],
        on_change=lambda: address.write(measure=st.session_state[key]),
        label_visibility="collapsed",
    )
    return held


def show_panels(rows: pl.DataFrame, runs: Sequence[Run]) -> None:
    """The measure against strength; what no arm's answers carry is not offered, and said."""
    missing = {name: lack for name, need in NEEDS.items() if (lack := missing_capabilities.of_all(runs, need))}
    for lack in missing.values():
        html(Markup('<div class="note">{} {}</div>').format(lack.sentence, lack.instead))
    measure = choose_measure([name for name in MEASURES if name not in missing])
    last = rows.filter(pl.col("strength") == pl.col("strength").max(), pl.col(measure).is_not_null())
    said = ", ".join(f"{row['condition']}, {row['method']}: {row[measure]:.3f}" for row in last.iter_rows(named=True))
    chart(stress.panels(components.ink(), rows, measure), "stress.panels", f"at the strongest: {said}")


def show_falls(falls: pl.DataFrame) -> None:
    """Paired differences against the undisturbed run."""
    if falls.is_empty():
        components.empty("Nothing to compare", "No question of these arms was asked in both runs.")
        return
    named = falls.with_columns(subtask=pl.Series([_named(row) for row in falls.iter_rows(named=True)]))
    said = "; ".join(
        f"{row['subtask']} {wording.points(row['difference'])} {row['word']}" for row in named.iter_rows(named=True)
    )
    chart(compare.forest(components.ink(), named), "stress.falls", said)


def show_arms(rows: pl.DataFrame) -> None:
    """Every arm's own figures."""
    cells = [
        [
            _disturbance(row),
            "–" if row["strength"] is None else f"{row['strength']:g}",
            "–" if row["strength"] is None else row["method"],
            f"{row['n']:,}",
            _percent(row["accuracy"]),
            f"{100 * row['low']:.1f} – {100 * row['high']:.1f}" if row["n"] else "–",
            "–" if row["fall"] is None else _MINUS.sub("−", f"{0.0 - round(100 * row['fall'], 1):+.1f}"),
            _percent(row["overkill"]),
            _percent(row["escape"]),
            _percent(row["unreadable"]),
            "–" if row["calibration"] is None else f"{row['calibration']:.3f}",
            "–" if row["entropy"] is None else f"{row['entropy']:.3f}",
            "–" if row["moved"] is None else f"{row['moved']:.3f}",
        ]
        for row in rows.iter_rows(named=True)
    ]
    head = [
        "disturbance", "strength", "method", "n", "accuracy, %", "95 %", "change, pts", "overkill, %",
        "escape, %", "unread, %", "calibration", "entropy, nats", "moved, nats",
    ]  # fmt: skip
    if not (rows["unreadable"].fill_null(0.0) > 0).any():  # a column of noughts would not fit a small screen
        for line in (head, *cells):
            del line[9]
    html(components.table(cells, head, numbers=len(head) - 3))


def _disturbance(row: Mapping[str, Any]) -> str:
    if row["strength"] is None:
        return str(row["method"])
    return "none" if row["condition"] == UNDISTURBED else str(row["condition"])


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"


arms = finished(now)
if not arms:
    components.instead(
        "Stress",
        "No stress test has been run.",
        "Nothing to show",
        "A stress test asks the same questions about the same images, mildly to strongly disturbed.",
        "workbench stress ARCHIVE",
    )
experiments = {arm.experiment: arm for arm in arms}
wanted = st.query_params.get("experiment", "")
experiment = wanted if wanted in experiments else arms[0].experiment
study = study_of(now, experiment)
rows, every = compared(now, experiment)
falls = strongest(every)
disturbed = rows.filter(pl.col("condition") != UNDISTURBED, pl.col("strength").is_not_null())
of_arms = [run for run in reads.runs(now) if run.run_id in {arm.run_id for arm in study.arms}]
run = next((run for run in of_arms if run.run_id == study.arms[0].run_id), None)
images = max((frame["image_path"].n_unique() for frame in study.facts.values()), default=0)


names = components.told_apart(
    {
        key: f"{arm.finished_at:%d %b %Y}, {'painted out' if arm.level is None else 'disturbed'}"
        for key, arm in experiments.items()
    }
)


count = wording.counted(len(study.arms), "arm")
under = Markup("{}&ensp;{} over {}").format(
    components.model_chip(run) if run else "", count, wording.counted(images, "image")
)
if address.truth() == "reviewed":
    under += Markup("<br>By the archive's labels: disturbed copies are other images, of which nobody settled anything.")
with header("Stress", finding(falls), under):
    address.choose(
        "Experiment",
        list(experiments),
        experiment,
        "stress.which",
        lambda picked: address.write(experiment=picked),
        format_func=names.__getitem__,
    )
    components.computed(
        {
            "pairs": "same image, question and options, judged undisturbed and disturbed by the same method",
            "test, interval": "of the difference, from sign flips of images' net gains; corrected over all arms (Holm)",
            "full, plain": "the method as set; no knowledge and no loop",
            "moved": "mean absolute change of a question's entropy in its best state",
        },
        "SELECT * FROM arms WHERE experiment = ...",
    )
    components.export("stress", {"arms": lambda: rows, "differences": lambda: every})
with st.grid(3, min_column_width=300, gap=12, dense=True) as grid:
    if disturbed.height:
        with grid.cell(column_span=3), card("panels", "Against strength", LEGEND):
            show_panels(rows, of_arms)
    title = "The strongest, disturbed − undisturbed" if disturbed.height else "Painted out − intact"
    with grid.cell(column_span=3), card("falls", title, f"{differences.scale(every)}; A: as it was"):
        show_falls(falls)
    with grid.cell(column_span=3), card("arms", "Arms", "change: paired, against the undisturbed run", fill=False):
        show_arms(rows)
reads.follow(now, refresh=False)
