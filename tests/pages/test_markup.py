"""HTML is Markup and text is escaped: a name that looks like HTML is shown as it is written, wherever it stands."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape
from mypy import api

from jobs import report as report_command
from tests.nights.calendars import schedule
from tests.pages import seed
from tests.pages.screen import opened, words
from tests.pages.test_night_pages import morning
from tests.people import by
from tests.warehouse import raw
from tests.warehouse.judging import stored
from tests.warehouse.test_reviews import verdict
from warehouse import schema
from warehouse.queries.experiments import Experiments
from warehouse.queries.nights import Nights
from warehouse.queries.reviews import Reviews
from warehouse.records.experiments import Arm, Kind
from warehouse.records.nights import MorningReport
from warehouse.records.reviews import BudgetCurve, BudgetPoint, Dispute
from warehouse.records.scoring import Description, Option, Run
from warehouse.store import Store
from workbench.analysis import report
from workbench.analysis.drift import Slice
from workbench.nights import deliver, reports
from workbench.nights.reports import Done, FailedImages
from workbench.pages.ui import components
from workbench.review import agreement, disputes
from workbench.review.rules import Rules

HOSTILE = '<b>x"><script>alert(1)<b>'
PAGES = sorted(
    value for name, value in vars(components).items() if name.isupper() and str(value).startswith("workbench/pages/")
)
ROOT = Path(__file__).parents[2]


def hostile_night() -> reports.Morning:
    """A report in which every text is hostile."""
    plain = morning()
    return replace(
        plain,
        schedule=HOSTILE,
        archive=HOSTILE,
        model=HOSTILE,
        demo=False,
        changes=(replace(plain.changes[0], value=HOSTILE),),
        failures=(FailedImages(HOSTILE, 1, HOSTILE),),
        steps=(Done(HOSTILE, "failed", HOSTILE),),
        slices=(Slice((("product", HOSTILE),), 812, 812, 0.51, 0.72, 0.7, 0.07, 2e-6),),
    )


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    """A warehouse in which whatever people or files name is hostile."""
    data = tmp_path_factory.mktemp("hostile") / "data"
    seeded = seed.seed(data, images=2)
    store = seeded.store
    run = seed.a_run(
        seeded.archive.archive_id, 32, at=seed.STARTED.replace(hour=23), model=HOSTILE, demo=False, message=HOSTILE
    )
    run = replace(run, subtasks=tuple(replace(each, name=f"{each.name} {HOSTILE}") for each in run.subtasks))
    made = []
    for number, entry in enumerate([*seeded.entries, *seeded.entries]):
        path = f"{HOSTILE}/{number}.png"
        entry = replace(entry, path=path, image_id=f"i{number}", product=HOSTILE, defect=entry.defect and HOSTILE)
        store.upsert_entries(seeded.archive.archive_id, [entry])
        made += [seed.a_case(run.run_id, entry, question) for question in range(4)]
    predictions = [
        replace(
            each,
            subtask=f"{each.subtask} {HOSTILE}",
            question=HOSTILE,
            line=HOSTILE,
            camera=HOSTILE,
            options=tuple(Option(option.letter, f"{option.letter} {HOSTILE}") for option in each.options),
            rationale=HOSTILE,
            raw_text=HOSTILE,
        )
        for each, _ in made
    ]
    predictions[0] = seed.failed(predictions[0], HOSTILE)
    predictions[5] = seed.invalid(predictions[5], HOSTILE)
    seed.store_run(store, run, predictions, [patch for _, some in made for patch in some])
    raw.store_knowledge(
        data,
        [
            Description(
                "drawn/plate/hole", 1, "drawn", "plate", "hole", HOSTILE, "draft", HOSTILE, HOSTILE, seed.STARTED
            )
        ],
    )
    reviews = Reviews(data)
    disputes.open_run(store, run.run_id, Rules(budget=20, blind_share=0.0), actor=by(HOSTILE))
    first = schema.records(Dispute, reviews.queue())[0]
    opinion = verdict(first, run_id=first.run_id, reviewer=HOSTILE, comment=HOSTILE, better_description=HOSTILE)
    reviews.judge(stored([opinion]), actor=by(HOSTILE))
    points = (BudgetPoint(0, 1.0, 0, 0, 0, 9, 5, 13), BudgetPoint(28, 0.1, 9, 5, 13, 0, 0, 0))
    reviews.store_curve(BudgetCurve(first.run_id, 28, HOSTILE, points, first.opened_at))
    agreement.settle_due(reviews)
    ledger = Nights(data)
    ledger.keep_schedule(replace(schedule(), name=HOSTILE), actor=by(HOSTILE))
    night = hostile_night()
    ledger.keep_report(MorningReport(night.schedule, night.due_at, night.due_at, reports.as_json(night)))
    studies: tuple[tuple[Kind, str], ...] = (("ablation", "main"), ("stress", HOSTILE))
    for study, condition in studies:
        for place, name in enumerate((f"plain {HOSTILE}", HOSTILE)):
            base, level = (f"plain {HOSTILE}" if place else None), (float(place) if study == "stress" else None)
            family = condition if place or study == "ablation" else "undisturbed"
            of_study: tuple[str, Kind, str] = (study[0] * 16, study, run.archive_id)
            arm = Arm(*of_study, place, name, family, level, base, run.run_id, seed.STARTED)
            Experiments(data).keep(arm)
    return data, run


def drawn_text(chart: Any) -> Iterator[str]:
    """What a chart draws as text, in which Plotly reads tags: labels, annotations, and what its hover texts name."""
    figure = json.loads(chart.proto.spec)
    for trace in figure["data"]:
        template = str(trace.get("hovertemplate", ""))
        columns = [int(number) for number in re.findall(r"customdata\[(\d+)\]", template)]
        for place in (trace.get("x"), trace.get("y"), trace.get("text"), trace.get("name"), template):
            yield from (str(each) for each in (place if isinstance(place, list) else [place]))
        yield from (str(row[column]) for row in trace.get("customdata", []) for column in columns)
    layout = figure["layout"]
    yield from (str(annotation.get("text")) for annotation in layout.get("annotations", []))
    for axis in (value for name, value in layout.items() if "axis" in name):
        yield from (str(each) for name in ("ticktext", "categoryarray") for each in axis.get(name) or [])


@pytest.mark.parametrize("page", PAGES)
def test_a_name_that_looks_like_html_is_shown_as_text(
    page: str, hostile: tuple[Path, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, run = hostile
    monkeypatch.setenv("WORKBENCH_DATA", str(data))
    app = opened(page, **({"text": "drawn/plate/hole"} if page == components.KNOWLEDGE else {}))
    text = words(app)
    assert "<script>alert" not in text
    drawn = [each for chart in app.main.get("plotly_chart") for each in drawn_text(chart)]
    assert not [each for each in drawn if "<script>" in each or "&quot;" in each]
    assert not [tag for tag in ("&lt;div", "&lt;span", "&amp;e", "&lt;br", "&lt;code") if tag in text]  # shown as text
    if page not in (components.HEALTH, components.MAP, components.GLOSSARY):  # these show no names here
        assert str(escape(HOSTILE)) in text, text[-3000:]
    assert run.state == "finished"


def test_the_report_and_the_mail_show_it_as_text_too(hostile: tuple[Path, Run]) -> None:
    data, run = hostile
    page = report.build(report_command._reported(Store(data), run.run_id, "archive"), None)
    mail = deliver.html(hostile_night())
    for html in (page, mail):
        assert "<script>alert" not in html
        assert "&lt;script&gt;alert(1)" in html


@pytest.mark.slow
def test_mypy_refuses_text_where_markup_is_meant(tmp_path: Path) -> None:
    snippet = tmp_path / "snippet.py"
    snippet.write_text(
        "from markupsafe import Markup\n"
        "from workbench.pages.ui import components\n"
        'components.html("text")\n'
        'components.html(Markup("<b>markup</b>"))\n'
        'components.header("Runs", "a lead")\n'
        'components.thumbnail(None, "right", over=f"<i>{1}</i>")\n'
    )
    # The options are `make check`'s, so that what it has read is not read again.
    said, _, _ = api.run(
        ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / ".mypy_cache"), str(snippet)]
    )
    refused = [line.split(":")[1] for line in said.splitlines() if "[arg-type]" in line]
    assert refused == ["3", "5", "6"], said


def test_pages_write_html_within_markup_only() -> None:
    """An f-string with a tag would be text; `Markup("...").format(...)` escapes what it is given."""
    loose = []
    for file in sorted((ROOT / "workbench/pages").rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        wrapped = {
            id(part)
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Markup"
            for part in ast.walk(node)
        }
        loose += [
            f"{file.name}:{node.lineno}: {node.value[:60]}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in wrapped
            if any(tag in node.value for tag in ("<b>", "<span", "<div", "<br", "<i>", "<code>", "<img", "&emsp;"))
        ]
    assert not loose
