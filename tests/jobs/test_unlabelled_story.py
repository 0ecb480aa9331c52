"""The story of an archive without a label: after `score` alone every surface says how many, which, where and how sure.

The archive is pictures under names that tell nothing and an images.csv that names camera and line. What each surface
says is held against counts by hand from the stored predictions. Real photographs where there are any, drawn pictures
everywhere; the demo model calls all photographs defective, and some of the drawn ones.
"""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from jobs import screen
from tests import scored, unlabelled
from tests.jobs import surfaces
from tests.nights.calendars import schedule
from tests.pages.screen import case_links, opened, words
from tests.pages.test_numbers import figure
from tests.people import ANN
from tests.warehouse import rows
from warehouse import schema, spool
from warehouse.ingest import ingest
from warehouse.queries.nights import Nights
from warehouse.records.nights import Night, NightRun
from warehouse.records.scoring import Prediction
from warehouse.store import Store
from workbench.analysis import alarms
from workbench.nights import deliver, morning
from workbench.nights.step_runner import Context
from workbench.scoring import run
from workbench.settings import Settings, Work

PAGES = {
    "Runs": "runs/runs", "Errors": "errors", "Gallery": "gallery", "Traces": "traces", "Map": "map",
    "Tonight": "nights/tonight", "Compare": "compare",
}  # fmt: skip
FLIPPED = 3  # every third picture is called the other thing by the second run


@dataclass(frozen=True)
class Story:
    """A scored archive, and its answers by hand."""

    store: Store
    run_id: str
    answers: pl.DataFrame  # a row a picture: image_id, image_path, product, line, camera, defective, probability
    printed: str
    told: dict[str, object]  # by `score --json`

    @property
    def how_many(self) -> str:
        """What all surfaces say."""
        called = self.answers.filter("defective")
        mean = alarms.probability(sum(called["probability"]) / called.height)
        were = "was" if called.height == 1 else "were"
        return (
            rf"{called.height} of {self.answers.height} pictures without a label {were} called defective "
            rf"\([^)]*, mean stated probability of a defect {mean}\)"
        )

    @property
    def groups(self) -> dict[str, tuple[int, int]]:
        """Called defective and all pictures, by product, line and camera as surfaces name them."""
        found = {}
        for name in alarms.DIMENSIONS:
            for (value,), of in self.answers.group_by(name):
                value = str(value).replace("_", " ")
                key = value if value.startswith(name) else f"{name} {value}"
                found[key] = (of.filter("defective").height, of.height)
        return found

    @property
    def likeliest(self) -> str:
        """The picture that is called defective with the highest probability."""
        return str(self.answers.filter("defective").sort("probability", descending=True)["image_path"][0])

    def page(self, name: str, **address: str) -> str:
        """A page's text."""
        return surfaces.said(f"workbench/pages/{PAGES[name]}.py", self.run_id, "archive", **address)


def tell(folder: Path, data: Path, pictures: list[Path]) -> Story:
    archive = unlabelled.archive(folder, pictures)
    done = scored.workbench("score", archive, "--knowledge", "none", "--json", data=data)
    assert done.returncode == 0, done.stderr
    store, told, printed = Store(data), json.loads(done.stdout), io.StringIO()
    screen.show_alarms(run.called_defective(store, told["run_id"]), Console(file=printed, width=200))
    asked = store.predictions(told["run_id"]).filter(pl.col("claims").is_not_null())
    assert asked["correct_answer"].is_null().all()
    by_hand = [
        {
            **{name: row[name] for name in ("image_id", "image_path", "product", "line", "camera")},
            "defective": row["claims"]["AB".index(row["answer"])] == "defective",
            "probability": row["option_probabilities"]["AB"[row["claims"].index("defective")]],
        }
        for row in asked.to_dicts()
    ]
    answers = pl.DataFrame(by_hand)
    assert answers.height == len(pictures)
    assert answers["defective"].any()
    return Story(store, told["run_id"], answers, printed.getvalue(), told)


def second_run(story: Story) -> tuple[str, pl.DataFrame]:
    """The same answers, but every third picture is called the other thing; and what both runs call each picture."""
    first, run_id = story.store.run(story.run_id), "20990101T000000000Z-a1b2c3d4"
    assert first is not None
    flipped = set(story.answers["image_id"].sort()[::FLIPPED])
    cases = [
        replace(
            each, run_id=run_id, block=0,
            answer={"A": "B", "B": "A"}[str(each.answer)] if each.claims and each.image_id in flipped else each.answer,
        )
        for each in schema.records(Prediction, story.store.predictions(story.run_id))
    ]  # fmt: skip
    story.store.open_run(replace(first, run_id=run_id, plan="second", answered=0))
    spool.write_part(story.store.data, run_id, 0, cases)
    ingest(story.store)
    story.store.close_run(run_id, "finished")
    return run_id, story.answers.with_columns(after=pl.col("defective") != pl.col("image_id").is_in(list(flipped)))


def a_night(story: Story) -> Context:
    """The run as a schedule's night."""
    ledger, at = Nights(story.store.data), rows.NOW
    ledger.keep_schedule(schedule(), actor=ANN)
    ledger.join_run(NightRun("line-3", at, story.run_id, "archive"))
    ledger.keep_night(Night("line-3", at, at, 1, "finished", at, at, 1, 0, None))
    night, settings = ledger.last_nights()["line-3"], Settings(work=Work(data=story.store.data))
    return Context(schedule(), night, settings, (story.run_id,), lambda: at + timedelta(hours=1))


def commands_agree(story: Story) -> None:
    printed = " ".join(re.sub(r"[│┃┏┗━┳┻]", " ", story.printed).split())
    assert re.search(story.how_many, printed)
    assert all(f"{name} {called} {images} " in printed for name, (called, images) in story.groups.items())
    assert story.likeliest in printed
    (listed,) = (
        row
        for row in json.loads(surfaces.command("runs", "--json", "--data", str(story.store.data)))
        if row["run_id"] == story.run_id
    )
    called = story.answers.filter("defective")
    short = f"{called.height} of {story.answers.height} ("
    assert short in surfaces.command("runs", "--data", str(story.store.data))
    for found in (story.told["called_defective"], listed["called_defective"]):
        assert isinstance(found, dict)
        total = found.get("called", found)
        assert (total["defective"], total["images"]) == (called.height, story.answers.height)
        assert total["probability"] == pytest.approx(sum(called["probability"]) / called.height)
        assert {(row["dimension"], row["value"]): row["defective"] for row in found["groups"]} == {
            (name, str(value)): of.filter("defective").height
            for name in alarms.DIMENSIONS
            for (value,), of in story.answers.group_by(name)
        }


def pages_agree(story: Story) -> None:
    for name in ("Runs", "Errors", "Gallery", "Traces", "Map", "Tonight"):
        text = story.page(name)
        assert re.search(story.how_many, text), name
        counts = {key: f"{key} {called} of {images}" for key, (called, images) in story.groups.items()}
        assert all(words_ in text for words_ in counts.values()), name
        if name == "Runs":
            called = story.answers.filter("defective").height
            assert f"{called} of {story.answers.height} called defective" in text
        called = story.answers.filter("defective").height
        shown = min(called, alarms.SHOWN)
        if name in ("Runs", "Errors"):
            assert f"showing {shown} of {called}, likeliest defect first" in text
        if name == "Tonight":
            assert f"What was found the surest {shown} of {called}" in text
    for name, (called, images) in story.groups.items():
        dimension = next(each for each in alarms.DIMENSIONS if name.startswith(each))
        value = next(str(value) for value in story.answers[dimension].unique() if str(value).replace("_", " ") in name)
        for page in ("Gallery", "Traces", "Map") if name.startswith("camera") else ("Gallery",):
            one = "picture" if images == 1 else "pictures"
            assert f"{called} of {images} {one} without a label" in story.page(page, **{dimension: value}), page


def the_gallery_filters_sorts_and_marks(story: Story) -> None:
    called = story.answers.filter("defective").sort("probability", descending=True)
    page = opened("workbench/pages/gallery.py", run=story.run_id, outcome="alarm", order="likeliest defect")
    assert f"{called.height} case{'' if called.height == 1 else 's'}:" in surfaces.plain(words(page))
    links = case_links(page)
    assert {link["image"] for link in links} <= set(called["image_id"])
    assert len(links) == min(called.height, 60)
    of_image = dict(zip(called["image_id"], called["probability"], strict=True))
    assert of_image[links[0]["image"]] == called["probability"][0]
    assert words(page).count('"frame alarm"') == len(links)


def both_reports_agree(story: Story, context: Context) -> None:
    called = story.answers.filter("defective").height
    file = story.store.data / "report.html"
    surfaces.command("report", story.run_id, "-o", str(file), "--data", str(story.store.data))
    made = morning.report(context)
    assert made.alarms is not None
    assert (made.alarms.called.defective, made.alarms.called.images) == (called, story.answers.height)
    pages = {"report": file, "morning report": deliver.write(made, story.store.data)}
    for name, page in pages.items():
        html = page.read_text(encoding="utf-8")
        text = surfaces.plain(html)
        assert re.search(story.how_many, text), name
        for group, (defective, images) in story.groups.items():
            value = f"line {group}" if name == "report" and group.startswith("line-") else group
            counts = f"{images} {defective} " if name == "report" else f"{defective} of {images} "
            assert f"{value} {counts}" in text, (name, group)
        shown = min(called, alarms.SHOWN)
        title = f"The likeliest defects, {shown}" if name == "report" else f"What was found: the surest {shown}"
        assert f"{title} of {called}" in text, name
        assert story.likeliest in text, name
        assert html.count('<img src="data:image/jpeg;base64,') == shown, name
    assert len(file.read_bytes()) < 6_000_000
    assert re.search(story.how_many, " ".join(deliver.text(made).split()))


def the_map_is_drawn_by_what_its_empty_page_says(story: Story) -> None:
    page = opened("workbench/pages/map.py", run=story.run_id)
    (told,) = (block.value for block in page.code if "reindex" in block.value)
    assert "encoded 0 texts, " in surfaces.command(*told.split()[1:], "--data", str(story.store.data))
    page = opened("workbench/pages/map.py", run=story.run_id)  # in the process that showed it empty
    marks = figure(page, "map.scatter")["data"]
    assert sum(len(each["customdata"]) for each in marks if each.get("customdata")) == story.answers.height
    assert case_links(page)[0]["image"] == story.answers.filter("defective").sort("probability")["image_id"][-1]
    assert f"of {story.answers.height}, likeliest defect first" in words(page)


def two_runs_are_compared(story: Story) -> None:
    second, calls = second_run(story)
    before, after = pl.col("defective"), pl.col("after")
    only_old, only_new = (calls.filter(one & ~other) for one, other in ((before, after), (after, before)))
    page = surfaces.said("workbench/pages/compare.py", second, "archive", base=story.run_id)
    differ = only_old.height + only_new.height
    assert f"A and B call {differ} of {calls.height} pictures without a label differently" in page
    assert f"only A calls {only_old.height} defective, only B {only_new.height}" in page
    file = story.store.data / "against.html"
    surfaces.command("report", second, "--against", story.run_id, "-o", str(file), "--data", str(story.store.data))
    report = surfaces.plain(file.read_text(encoding="utf-8"))
    assert f"call {differ} of {calls.height} pictures without a label differently" in report
    for name in ("product", "camera"):
        for (value,), of in calls.group_by(name):
            key = f"{name} {value}".replace("_", " ")
            old, new, both = (of.filter(kind).height for kind in (before & ~after, after & ~before, before & after))
            neither = of.height - old - new - both
            assert f"{key} {old} {new} {both} {neither} {old + new} of {of.height}" in page
            assert f"{key} {of.height} {old} {new} {both} " in report
    shown = {link["image"] for link in case_links(opened("workbench/pages/compare.py", run=second, base=story.run_id))}
    assert shown <= {*only_old["image_id"], *only_new["image_id"]}
    assert len(shown) == sum(min(one.height, alarms.SHOWN) for one in (only_old, only_new))


@pytest.mark.slow
@pytest.mark.parametrize("source", [pytest.param("photographs", marks=pytest.mark.real_images), "drawn"])
def test_after_score_alone_every_surface_says_how_many_which_where_and_how_sure(
    tmp_path: Path, data_folder: Path, photographs: Path, drawn_archive: Path, source: str
) -> None:
    pictures = unlabelled.some(*((photographs, 40) if source == "photographs" else (drawn_archive, 8)))
    story = tell(tmp_path / "archive", data_folder, pictures)
    context = a_night(story)
    morning.keep(context, morning.report(context))
    commands_agree(story)
    pages_agree(story)
    the_gallery_filters_sorts_and_marks(story)
    both_reports_agree(story, context)
    if source == "drawn":
        the_map_is_drawn_by_what_its_empty_page_says(story)
    two_runs_are_compared(story)


def test_tonight_counts_every_picture_called_defective_once_whatever_is_shown_and_however_many_runs_a_night_had(
    data_folder: Path,
) -> None:
    store, ledger, at = Store(data_folder), Nights(data_folder), rows.NOW
    ledger.keep_schedule(schedule(), actor=ANN)
    calls = {  # by run: picture to whether it is called defective; the newer run asks some again
        "run-1": {f"picture-{number}": number < 16 for number in range(20)},
        "run-2": {"picture-0": False, "picture-1": False, "picture-2": False, "picture-20": True},
    }
    for place, (run_id, of_run) in enumerate(calls.items()):
        store.open_run(rows.run(run_id, started_at=at + timedelta(minutes=place), digest=run_id, plan=run_id))
        predictions = [
            rows.prediction(
                0, 0, run_id, image_id=image, image_path=f"{image}.png", label=None, correct_answer=None,
                answer="A" if defective else "B", claims=("defective", "good"),
            )
            for image, defective in of_run.items()
        ]  # fmt: skip
        spool.write_part(data_folder, run_id, 0, predictions)
        ingest(store)
        store.close_run(run_id, "finished")
        ledger.join_run(NightRun("line-3", at, run_id, "archive"))
    ledger.keep_night(Night("line-3", at, at, 1, "finished", at, at, 1, 0, None))
    night, settings = ledger.last_nights()["line-3"], Settings(work=Work(data=data_folder))
    context = Context(schedule(), night, settings, tuple(calls), lambda: at + timedelta(hours=1))
    made = morning.report(context)
    assert made.alarms is not None
    assert (made.alarms.called.defective, made.alarms.called.images) == (14, 21)
    named = [(each.run_id, each.image_id) for each in made.alarms.pictures]
    assert len(set(named)) == alarms.SHOWN
    assert not set(named) & {("run-1", f"picture-{number}") for number in range(3)}
    morning.keep(context, made)
    text = surfaces.plain(words(opened("workbench/pages/nights/tonight.py")))
    assert "14 of 21 pictures without a label were called defective" in text
    assert f"What was found the surest {alarms.SHOWN} of 14" in text
