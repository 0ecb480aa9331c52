"""Nights over real archives with the embedded model: only what is new, gone on with, put aside, caught up."""

from __future__ import annotations

import json
import shutil
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from tests import scored
from tests.nights.archives import OWN, Nightly, pictures, settled
from tests.people import ANN
from tests.scored import Quiet
from warehouse.queries.nights import Nights
from warehouse.store import Store
from workbench.errors import Skip
from workbench.nights import coordinator, morning
from workbench.nights.incremental import Only
from workbench.nights.night import Scoring
from workbench.nights.step_runner import Context, Step
from workbench.scoring import crash_counts

pytestmark = pytest.mark.slow


@pytest.fixture
def nightly(tmp_path: Path, data_folder: Path) -> Nightly:
    """A schedule over an archive of three pictures."""
    pictures(tmp_path / "archive", 3)
    made = Nightly(data_folder, tmp_path / "archive")
    made.keep()
    return made


class Stopping(Quiet):
    """Somebody presses Ctrl-C once the first block is stored."""

    def advance(self, images: int, failed: int) -> None:
        super().advance(images, failed)
        raise KeyboardInterrupt


def answers(data: Path) -> pl.DataFrame:
    """All stored answers of all runs."""
    runs = Store(data).runs()["run_id"].to_list()
    rows = [
        Store(data).predictions(run_id).select("run_id", "image_path", "subtask", "status", "error") for run_id in runs
    ]
    return pl.concat(rows) if rows else pl.DataFrame()


def test_a_night_scores_what_is_new_and_the_next_one_only_that(nightly: Nightly) -> None:
    assert (nightly.night().state, nightly.night().images) == ("finished", 0)
    pictures(nightly.archive, 2, first=3)
    night = nightly.night()
    assert (night.state, night.images) == ("finished", 2)
    asked = answers(nightly.data).group_by("image_path").len()
    assert (asked.height, set(asked["len"])) == (5, {4})


def test_the_pictures_of_one_camera_are_scored_again(nightly: Nightly) -> None:
    told = "path,camera\nplate/0000.png,A1\nplate/0001.png,A2\nplate/0002.png,A1\n"
    (nightly.archive / "images.csv").write_text(told)
    assert nightly.night().images == 3
    assert nightly.night(rescore="all", only=Only("camera", "A1")).images == 2


def test_a_file_that_may_still_be_being_written_waits_and_one_that_vanished_stays_on_record(nightly: Nightly) -> None:
    (half_written,) = pictures(nightly.archive, 1, first=3)
    half_written.touch()
    report = Step("report", lambda context: morning.report(context).finding)
    night = nightly.night(steps=[report])
    assert night.message == "changed within 60 s, for the next pass: 1 file"
    (step,) = nightly.ledger.steps(night.schedule, night.due_at)
    assert step.message.startswith("3 images were scored.")
    assert nightly.night().message == "changed within 60 s, for the next pass: 1 file"
    night = nightly.night(steps=[report])
    (step,) = nightly.ledger.steps(night.schedule, night.due_at)
    assert step.message == ("Nothing was scored: 1 file was changed too recently and waits for the next night.")
    (nightly.archive / "plate" / "0000.png").unlink()
    settled(half_written)
    assert nightly.night().images == 1
    assert set(answers(nightly.data)["image_path"]) == {f"plate/{number:04d}.png" for number in range(4)}


def test_a_window_that_shuts_ends_the_run_and_the_next_night_goes_on_with_the_same(
    tmp_path: Path, data_folder: Path
) -> None:
    pictures(tmp_path / "archive", 5)

    class Shutting(Quiet):
        def advance(self, images: int, failed: int) -> None:
            super().advance(images, failed)
            late.now += timedelta(hours=1)

    late = Nightly(data_folder, tmp_path / "archive", watch=Shutting())
    late.now = datetime.now(UTC).replace(hour=5, minute=20) - timedelta(days=2)
    late.keep(time_window="22:00-06:00", timezone="UTC", cron="30 22,5 * * *")
    work = Scoring(late.data, late.watch, late.clock, ())
    late.now += timedelta(minutes=20)
    (first,) = coordinator.run_due(late.ledger, work, late.data, late.clock)
    assert (first.state, first.images, first.message) == ("cut", 2, "its window shut")
    pictures(late.archive, 1, first=5)
    late.now = late.now.replace(hour=22, minute=40)
    (second,) = coordinator.run_due(late.ledger, work, late.data, late.clock)
    assert second.state == "finished"
    runs = Store(late.data).runs().sort("started_at")
    assert runs.select("state", "planned").rows() == [("finished", 20), ("finished", 4)]
    assert answers(late.data).group_by("image_path").len()["len"].to_list() == [4] * 6


class PutRight(Quiet):
    """The clock is put right once the scoring begins."""

    nightly: Nightly

    def begin(self, images: int, images_done: int) -> None:
        super().begin(images, images_done)
        self.nightly.now = datetime.now(UTC)


def test_a_clock_that_is_put_right_within_a_night_hides_nothing_that_it_scored(nightly: Nightly) -> None:
    watch = PutRight()
    watch.nightly = nightly
    nightly.now = datetime.now(UTC) + timedelta(hours=3)
    night = nightly.night(watch=watch, steps=[Step("report", lambda context: morning.report(context).finding)])
    (step,) = nightly.ledger.steps(night.schedule, night.due_at)
    assert night.images == 3
    assert step.message.startswith("3 images were scored.")


def test_other_settings_end_an_unfinished_run_and_what_it_left_belongs_to_the_next(nightly: Nightly) -> None:
    with pytest.raises(KeyboardInterrupt):
        nightly.night(watch=Stopping())
    changed = {**json.loads(OWN), "seed": 7}
    nightly.ledger.remove_schedule("line-3", actor=ANN)
    kept = nightly.keep()
    nightly.ledger.keep_schedule(replace(kept, settings=json.dumps(changed)), replace=True, actor=ANN)
    night = nightly.night()
    assert (night.state, night.images, night.tries) == ("finished", 3, 2)  # two of them by the run that was left
    runs = Store(nightly.data).runs().sort("started_at")
    assert runs["state"].to_list() == ["cancelled", "finished"]
    assert "knowledge or settings changed since" in runs["message"][0]


def test_an_archive_that_went_away_stops_the_night_and_the_same_night_goes_on(nightly: Nightly) -> None:
    nightly.night()
    pictures(nightly.archive, 1, first=3)
    aside = nightly.archive.with_name("aside")
    nightly.archive.rename(aside)
    stopped = nightly.night()
    assert stopped.state == "stopped"
    nightly.archive.mkdir()  # as an unmounted disk leaves it
    still = nightly.night()
    assert (still.state, still.due_at) == ("stopped", stopped.due_at)
    assert "is its disk mounted?" in (still.message or "")
    nightly.archive.rmdir()
    aside.rename(nightly.archive)
    night = nightly.night()
    assert (night.state, night.images, night.tries, night.due_at) == ("finished", 1, 3, stopped.due_at)


def test_an_image_that_kills_two_processes_is_passed_over(tmp_path: Path, data_folder: Path) -> None:
    pictures(tmp_path / "archive", 4)
    nightly = Nightly(data_folder, tmp_path / "archive")
    nightly.keep()
    poison = nightly.archive / "plate" / "0001.png"
    for deaths in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            nightly.night(watch=DiesOver(nightly, poison))
        assert nightly.ledger.last_nights()["line-3"].tries == deaths
    night = nightly.night()
    assert night.state == "finished"
    rows = answers(nightly.data)
    failed = rows.filter(pl.col("status") == "failed")
    assert set(failed["image_path"]) == {"plate/0001.png"}
    assert failed["error"][0] == "quarantined: 2 processes died over it"
    assert rows.height == 16
    assert nightly.night().images == 0  # it is on record, and not tried night after night
    assert nightly.night(rescore="affected").images == 1


DEAD: list[AbstractContextManager[None]] = []


class DiesOver(Quiet):
    """Leaves what a process that died over an image would leave: the image among those at work."""

    def __init__(self, nightly: Nightly, poison: Path) -> None:
        super().__init__()
        self._nightly, self._poison = nightly, poison

    def begin(self, images: int, images_done: int) -> None:  # noqa: ARG002
        run = self._nightly.ledger.unfinished_run("line-3")
        assert run is not None
        planned = {entry.path: entry.image_id for entry in self._nightly.ledger.planned_entries(run.run_id)}
        at_work = crash_counts.AtWork(self._nightly.data, run.run_id, 0).on([planned[f"plate/{self._poison.name}"]])
        at_work.__enter__()
        DEAD.append(at_work)  # never left, as by a process that is killed
        raise KeyboardInterrupt


def test_rescoring_takes_all_images_again(nightly: Nightly) -> None:
    nightly.night()
    assert nightly.night(rescore="all").images == 3
    assert nightly.night().images == 0


def test_a_rescoring_that_was_cut_is_gone_on_with_and_not_begun_again(nightly: Nightly) -> None:
    nightly.night()
    with pytest.raises(KeyboardInterrupt):
        nightly.night(rescore="all", watch=Stopping())
    night = nightly.night(rescore="all")
    assert (night.state, night.tries) == ("finished", 2)
    assert answers(nightly.data).height == 2 * 12
    assert nightly.night(rescore="all").images == 3  # asked for anew


def test_each_step_is_on_its_own_and_what_is_done_is_not_done_again(nightly: Nightly) -> None:
    called: list[str] = []

    def works(context: Context) -> str:
        called.append("works")
        return f"{len(context.run_ids)} run"

    def breaks(context: Context) -> str:
        called.append("breaks")
        raise OSError("no route")

    def idle(context: Context) -> str:
        raise Skip("nothing to do")

    nightly.steps = (Step("breaks", breaks), Step("idle", idle), Step("works", works))
    night = nightly.night()
    assert night.state == "finished"
    ended = nightly.ledger.steps(night.schedule, night.due_at)
    assert [(step.step, step.state, step.message) for step in ended] == [
        ("breaks", "failed", "OSError: no route"),
        ("idle", "skipped", "nothing to do"),
        ("works", "done", "1 run"),
    ]


def test_golden_samples_that_move_raise_an_alarm_before_the_archive_is_touched(
    tmp_path: Path, data_folder: Path
) -> None:
    pictures(tmp_path / "archive", 2)
    (golden, _) = pictures(tmp_path / "golden", 2, first=50)
    nightly = Nightly(data_folder, tmp_path / "archive")
    nightly.keep(golden=str(tmp_path / "golden"))
    assert (nightly.night().state, nightly.night().state) == ("finished", "finished")
    pictures(tmp_path / "archive", 1, first=2)
    (standard,) = (each.golden_run for each in nightly.ledger.schedules())
    assert standard is not None

    shutil.copy(tmp_path / "archive" / "plate" / "0000.png", golden)  # as weights or a library would, only sooner
    night = nightly.night()
    assert (night.state, night.images) == ("alarm", 0)
    assert "--accept" in (night.message or "")
    nightly.ledger.trust_golden("line-3", None, actor=ANN)
    assert (nightly.night().state, nightly.night().state) == ("finished", "finished")


def test_a_night_from_the_command_line(tmp_path: Path, data_folder: Path) -> None:
    pictures(tmp_path / "archive", 2)
    data_folder.parent.mkdir(exist_ok=True)

    def workbench(*words: str | Path) -> str:
        done = scored.workbench(*words, data=data_folder)
        assert done.returncode == 0, done.stderr
        return done.stdout

    workbench("schedule", "add", "line-3", tmp_path / "archive", "--knowledge", "none", "--set", "iterations=1")
    assert workbench("schedule", "run-due") == ""  # cron mails whatever is printed
    said = workbench("schedule", "run-due", "--now", "line-3").splitlines()
    (page,) = (data_folder / "reports").rglob("*.html")
    assert said == [
        "line-3 finished, 2 images: 2 images were scored. There is no earlier night to compare with.",
        f"  {page}",
    ]
    (listed,) = json.loads(workbench("schedule", "list", "--json"))
    assert listed["last_night"]["state"] == "finished"
    ledger = Nights(data_folder)
    steps = ledger.steps("line-3", ledger.last_nights()["line-3"].due_at)
    assert {step.step: step.state for step in steps if step.state != "skipped"} == {
        "open disputes": "done",
        "tidy up": "done",
        "back up": "done",
        "report": "done",
    }
    line = (data_folder / "logs" / "nights.jsonl").read_text().splitlines()[0]
    assert json.loads(line)["schedule"] == "line-3"
