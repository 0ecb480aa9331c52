"""Ablation: what each part of the method brings, from the stored arms of `workbench ablate`.

In the address: `experiment`, which one; `family`, whose differences the forest plot shows.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

import polars as pl
import streamlit as st

from warehouse.experiment_records import Arm
from warehouse.experiments import Experiments
from workbench.analysis import ablation, charts_ablation, charts_compare, intervals
from workbench.analysis.ablation import Study
from workbench.inspection.arms import read_study
from workbench.pages import address, parts, shared
from workbench.pages.parts import card, chart, header, html

_MINUS = re.compile(r"-(?=\d)")
_SEEDS = ("seed", "seed, zoom")  # families whose arms differ in nothing but the seed

now = shared.snapshot()


@st.cache_data(show_spinner=False, max_entries=4)
def finished(now: shared.Snapshot) -> list[Arm]:
    """All arms of all ablations, the newest experiment first."""
    return Experiments(Path(now.data)).arms("ablation")


@st.cache_resource(show_spinner="comparing the arms", max_entries=4)
def study_of(now: shared.Snapshot, experiment: str) -> Study:
    """The arms of one experiment with what their runs say."""
    return read_study(Path(now.data), "ablation", experiment)


@st.cache_resource(show_spinner=False, max_entries=8)
def compared(now: shared.Snapshot, experiment: str, first: str | None) -> pl.DataFrame:
    """Every arm against its baseline; with `first` against that arm, on tiny and faint defects only."""
    study = study_of(now, experiment)
    if first is None:
        return ablation.differences(study)
    return ablation.differences(study, ablation.hard(study), {arm.arm: first for arm in study.arms if arm.arm != first})


def finding(rows: pl.DataFrame) -> str:
    """Which arms differ from their baselines, in one sentence."""
    if rows.is_empty():
        return "None of these arms has a finished baseline to be compared with."
    said = [
        f"<b>{escape(row['arm'])}</b> {'gains' if row['word'] == 'better' else 'loses'} "
        f"{abs(100 * row['difference']):.1f} points on {escape(row['baseline'])}"
        for row in rows.filter(pl.col("word") != "not enough evidence").iter_rows(named=True)
    ]
    unsure = rows.height - len(said)
    if not said:
        return f"Not enough evidence that any of these {unsure} arms differs from its baseline."
    return f"{'; '.join(said)}.{f' {unsure} arms: not enough evidence.' if unsure else ''}"


def forest(rows: pl.DataFrame, key: str) -> None:
    """Paired differences, each arm against its baseline."""
    if rows.is_empty():
        parts.empty("Nothing to compare", "No question of these arms was asked in both runs.")
        return
    named = rows.with_columns(subtask=pl.format("{} − {}", "arm", "baseline"))
    said = "; ".join(
        f"{row['arm']} {intervals.in_points(row['difference'])} {row['word']}" for row in rows.iter_rows(named=True)
    )
    chart(charts_compare.forest(parts.ink(), named), f"ablation.{key}", said)


def show_arms(study: Study, family: str, against: pl.DataFrame) -> None:
    """Every arm's own figures, and which answers flipped against its baseline."""
    table = ablation.arms(study).filter(pl.col("family") == family)
    flips = {row["arm"]: (f"{row['gained']:,}", f"{row['lost']:,}") for row in against.iter_rows(named=True)}
    rows = [
        [
            escape(row["arm"]),
            f"{row['n']:,}",
            f"{100 * row['accuracy']:.1f}",
            f"{100 * row['low']:.1f} – {100 * row['high']:.1f}",
            "–" if row["entropy"] is None else f"{row['entropy']:.3f}",
            "–" if row["collapse"] is None else _MINUS.sub("−", f"{100 * row['collapse']:+.1f}"),
            f"{row['evaluations']:.0f}",
            *flips.get(row["arm"], ("–", "–")),
        ]
        for row in table.iter_rows(named=True)
    ]
    head = (
        "arm", "questions", "accuracy, %", "95 %", "entropy, nats", "lean to a letter", "forwards", "wrong to right",
        "right to wrong",
    )  # fmt: skip
    html(parts.table(rows, head, numbers=8))


def courses_of(study: Study, family: str) -> dict[str, pl.DataFrame]:
    """The rise of the reward: of each arm, or of all seeds together."""
    course = ablation.convergence(study, family)
    if not course.height:
        return {}
    if family in _SEEDS:
        return {family: course}
    return {str(name): arm for (name,), arm in course.group_by(["arm"], maintain_order=True)}


arms = finished(now)
if not arms:
    parts.instead(
        "Ablation",
        "No ablation has been run.",
        "Nothing to show",
        "An ablation asks the same questions with parts of the method left out.",
        "workbench ablate ARCHIVE",
    )
experiments = {arm.experiment: arm for arm in arms}
archives = shared.archives(now)
wanted = st.query_params.get("experiment", "")
experiment = wanted if wanted in experiments else arms[0].experiment
study = study_of(now, experiment)
families = list(dict.fromkeys(arm.family for arm in study.arms))
family = st.query_params.get("family", "")
family = family if family in families else families[0]
rows = compared(now, experiment, None)
of_family = rows.filter(pl.col("family") == family) if rows.height else rows
questions = max((frame.height for frame in study.facts.values()), default=0)
run = next((run for run in shared.runs(now) if run.run_id == study.arms[0].run_id), None)


def _name(arm: Arm) -> str:
    archive = archives.get(arm.archive_id)
    count = sum(each.experiment == arm.experiment for each in arms)
    return f"{archive.name if archive else 'an archive'}, {count} arms"


names = parts.told_apart({key: _name(arm) for key, arm in experiments.items()})


under = f"{parts.model_chip(run) if run else ''}&ensp;{len(study.arms)} arms over {questions:,} questions"
with header("Ablation", finding(of_family), under):
    address.choose(
        "Experiment",
        list(experiments),
        experiment,
        "ablation.which",
        lambda picked: address.write(experiment=picked, family=None),
        format_func=names.__getitem__,
    )
    parts.computed(
        {
            "pairs": "same image, question and options, judged in both arms",
            "interval": "95 %, of the difference, from sign flips of the images' net gains",
            "test": "sign test of images where fewer than 25 differ, else cluster-robust t",
            "forwards": "evaluations of the latent loop per question: start, candidates, tests of patches",
            "wrong to right, right to wrong": "pairs that flipped against the arm's baseline",
            "lean to a letter": "share of the most frequent answer less how often it is right, in points",
        },
        "SELECT * FROM arms WHERE experiment = ...",
    )
    parts.export(
        "ablation",
        {
            "arms": lambda: ablation.arms(study),
            "differences": lambda: rows,
            "answers": lambda: ablation.answers(study),
        },
    )
if len(families) > 1:
    key = f"ablation.family.{family}"  # a widget per value: one that is set from here would echo its old value back
    st.segmented_control(
        "Arms",
        families,
        default=family,
        key=key,
        required=True,
        on_change=lambda: address.write(family=st.session_state[key]),
        label_visibility="collapsed",
    )
with st.grid(3, min_column_width=300, gap=12, dense=True) as grid:
    with (
        grid.cell(column_span=2),
        card("forest", "Paired difference, arm − baseline", "points, 95 % by image; A: baseline"),
    ):
        forest(of_family, "forest")
    with grid.cell(), card("course", "Rise of the reward", "mean over questions; thin: each arm"):
        if courses := courses_of(study, family):
            said = ", ".join(f"{name} {course['rise'][-1]:+.3f}" for name, course in courses.items())
            chart(charts_ablation.convergence(parts.ink(), courses), "ablation.course", said)
        else:
            parts.empty("No loop", "These arms have no iterations to follow.")
    hard = ablation.hard(study)
    with grid.cell(column_span=3), card("arms", "Arms", "accuracy with its 95 % Wilson interval", fill=False):
        show_arms(study, family, of_family)
    for first in study.arms[:2] if hard else ():
        with grid.cell(column_span=3):
            note = f"questions about the defect on {len(hard):,} images, each arm against {escape(first.arm)}"
            with card(f"hard-{first.place}", "Tiny and faint defects only", note):
                forest(compared(now, experiment, first.arm).filter(pl.col("family") == family), f"hard{first.place}")
shared.follow(now, refresh=False)
