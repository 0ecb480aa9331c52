"""Ablation: what each part of the method brings, from the stored arms of `workbench ablate`.

In the address: `experiment`, which one; `family`, whose differences the forest plot shows.
"""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import streamlit as st
from markupsafe import Markup

from warehouse.queries.experiments import Experiments
from warehouse.queries.truth import Truth
from warehouse.records.experiments import Arm
from workbench import wording
from workbench.analysis import ablation, ablation_text, missing_capabilities, review_coverage, right_reason
from workbench.analysis import compare as differences
from workbench.analysis.ablation import Study
from workbench.analysis.charts import ablation as charts_ablation
from workbench.analysis.charts import compare
from workbench.experiments.study_results import read_study
from workbench.pages.ui import address, components, reads
from workbench.pages.ui.caching import cached
from workbench.pages.ui.components import card, chart, header, html

_MINUS = re.compile(r"-(?=\d)")
_SEEDS = ("seed", "seed, zoom")  # families whose arms differ in nothing but the seed

now = reads.snapshot()


@st.cache_data(show_spinner=False, max_entries=4)
def finished(now: reads.Snapshot) -> list[Arm]:
    """All arms of all ablations, the newest experiment first."""
    return Experiments(Path(now.data)).arms("ablation")


@cached(4, "comparing the arms")
def study_of(now: reads.Snapshot, experiment: str, truth: Truth) -> Study:
    """The arms of one experiment with what their runs say."""
    return read_study(Path(now.data), "ablation", experiment, truth)


@cached(8)
def compared(now: reads.Snapshot, experiment: str, truth: Truth, first: str | None) -> pl.DataFrame:
    """Every arm against its baseline; with `first` against that arm, on tiny and faint defects only."""
    study = study_of(now, experiment, truth)
    if first is None:
        return ablation.differences(study)
    return ablation.differences(study, ablation.hard(study), {arm.arm: first for arm in study.arms if arm.arm != first})


def finding(rows: pl.DataFrame) -> Markup:
    """Which arms differ from their baselines, in one sentence."""
    if rows.is_empty():
        return Markup("None of these arms has a finished baseline to be compared with.")
    said = [
        Markup("<b>{}</b> {} {:.1f} points on {}").format(
            row["arm"],
            "gains" if row["word"] == "better" else "loses",
            abs(100 * row["difference"]),
            row["baseline"],
        )
        for row in rows.filter(pl.col("word") != "not enough evidence").iter_rows(named=True)
    ]
    unsure = rows.height - len(said)
    if not said:
        arms = "this arm" if unsure == 1 else f"any of these {wording.counted(unsure, 'arm')}"
        return Markup("Not enough evidence that {} differs from its baseline.").format(arms)
    arms = wording.counted(unsure, "arm")
    return Markup("; ").join(said) + "." + (f" {arms}: not enough evidence." if unsure else "")


def forest(rows: pl.DataFrame, key: str) -> None:
    """Paired differences, each arm against its baseline."""
    if rows.is_empty():
        components.empty("Nothing to compare", "No question of these arms was asked in both runs.")
        return
    named = rows.with_columns(subtask=pl.format("{} − {}", "arm", "baseline"))
    said = "; ".join(
        f"{row['arm']} {wording.points(row['difference'])} {row['word']}" for row in rows.iter_rows(named=True)
    )
    chart(compare.forest(components.ink(), named), f"ablation.{key}", said)


def show_arms(study: Study, family: str, against: pl.DataFrame) -> None:
    """Every arm's own figures, and which answers flipped against its baseline."""
    table = ablation.arms(study).filter(pl.col("family") == family)
    flips = {row["arm"]: (f"{row['gained']:,}", f"{row['lost']:,}") for row in against.iter_rows(named=True)}
    rows = [
        [
            row["arm"],
            row["evidence"],
            f"{row['n']:,}",
            f"{100 * row['accuracy']:.1f} ({100 * row['low']:.1f} – {100 * row['high']:.1f})",
            right_reason.cell(row) or "–",
            "–" if row["entropy"] is None else f"{row['entropy']:.3f}",
            "–" if row["collapse"] is None else _MINUS.sub("−", f"{100 * row['collapse']:+.1f}"),
            f"{row['evaluations']:.0f}",
            *flips.get(row["arm"], ("–", "–")),
        ]
        for row in table.iter_rows(named=True)
    ]
    head = (
        "arm", "evidence", "questions", "accuracy (95 %), %", "right reason (chance), %",
        "entropy, nats", "lean to a letter", "forwards",
        "wrong to right", "right to wrong",
    )  # fmt: skip
    html(components.table(rows, head, numbers=8))


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
    components.instead(
        "Ablation",
        "No ablation has been run.",
        "Nothing to show",
        "An ablation asks the same questions with parts of the method left out.",
        "workbench ablate ARCHIVE",
    )
experiments = {arm.experiment: arm for arm in arms}
archives = reads.archives(now)
wanted = st.query_params.get("experiment", "")
experiment = wanted if wanted in experiments else arms[0].experiment
study = study_of(now, experiment, address.truth())
families = list(dict.fromkeys(arm.family for arm in study.arms))
family = st.query_params.get("family", "")
family = family if family in families else families[0]
rows = compared(now, experiment, address.truth(), None)
of_family = rows.filter(pl.col("family") == family) if rows.height else rows
questions = max((frame.height for frame in study.facts.values()), default=0)
stored = reads.runs(now)
run = next((run for run in stored if run.run_id == study.arms[0].run_id), None)


def _name(arm: Arm) -> str:
    archive = archives.get(arm.archive_id)
    count = sum(each.experiment == arm.experiment for each in arms)
    return f"{archive.name if archive else 'an archive'}, {wording.counted(count, 'arm')}"


names = components.told_apart({key: _name(arm) for key, arm in experiments.items()})


under = Markup("{}&ensp;{} over {}").format(
    components.model_chip(run) if run else "",
    wording.counted(len(study.arms), "arm"),
    wording.counted(questions, "question"),
)
if address.truth() == "reviewed":
    under += Markup("<br>{}").format(
        review_coverage.sentence(review_coverage.of_facts(pl.concat(study.facts.values())))
    )
with header("Ablation", finding(of_family), under):
    reads.choose_truth(now)
    address.choose(
        "Experiment",
        list(experiments),
        experiment,
        "ablation.which",
        lambda picked: address.write(experiment=picked, family=None),
        format_func=names.__getitem__,
    )
    components.computed(
        {
            "pairs": "same image, question and options, judged in both arms",
            "test, interval": "of the difference, from sign flips of images' net gains; corrected over all arms (Holm)",
            "forwards": "evaluations of the latent loop per question: start, candidates, tests of patches",
            "wrong to right, right to wrong": "pairs that flipped against the arm's baseline",
            "evidence": "sources that showed at least one question of the arm something",
            "right reason": "right and pointing at the defect, over questions measured in all arms, by what all of "
            "them point with: accepted patches, else the region named",
            "lean to a letter": "share of the most frequent answer less how often it is right, in points",
        },
        "SELECT * FROM arms WHERE experiment = ...",
    )
    components.export(
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
        card("forest", "Paired difference, arm − baseline", f"{differences.scale(rows)}; A: baseline"),
    ):
        forest(of_family, "forest")
        for said in ablation_text.controls(study) if family == ablation.COMPARISON else ():
            html(Markup('<div class="note">{}</div>').format(said))
    with grid.cell(), card("course", "Rise of the reward", "mean over questions; thin: each arm"):
        of_arms = [each for each in stored if each.run_id in {a.run_id for a in study.arms if a.family == family}]
        if lack := missing_capabilities.of_all(of_arms, "latents"):
            components.lacking(lack)
        elif courses := courses_of(study, family):
            said = ", ".join(f"{name} {course['rise'][-1]:+.3f}" for name, course in courses.items())
            chart(charts_ablation.convergence(components.ink(), courses), "ablation.course", said)
        else:
            components.empty("No loop", "These arms were answered from the start state: --iterations 0.")
    hard = ablation.hard(study)
    with grid.cell(column_span=3), card("arms", "Arms", "accuracy with its 95 % interval by image", fill=False):
        show_arms(study, family, of_family)
    for first in study.arms[:2] if hard else ():
        with grid.cell(column_span=3):
            note = f"questions about the defect on {wording.counted(len(hard), 'image')}, each arm against {first.arm}"
            with card(f"hard-{first.place}", "Tiny and faint defects only", note):
                forest(
                    compared(now, experiment, address.truth(), first.arm).filter(pl.col("family") == family),
                    f"hard{first.place}",
                )
reads.follow(now, refresh=False)
