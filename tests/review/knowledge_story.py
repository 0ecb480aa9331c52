"""The story of docs/curation.md in steps, with a real Label Studio: told by its test and, with pictures, by hand.

python -m tests.review.knowledge_story FOLDER      tells it and leaves the pictures of docs/ in that folder
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests import scored
from tests.browser import chromium
from tests.browser.conftest import PATIENCE, serving
from tests.curation import plates
from tests.curation.plates import FALSE, TEXT, TRUE
from tests.people import ANN, by
from tests.review import studio
from tests.review.conftest import Studio
from warehouse import schema
from warehouse.queries.reviews import Reviews
from warehouse.records.curation import GateResult, Lift
from warehouse.records.reviews import Dispute
from warehouse.records.scoring import Description, Run
from warehouse.store import Store
from workbench.archive import knowledge_files
from workbench.curation import edit, lift, proposals, trial
from workbench.review import agreement, disputes
from workbench.review.labelstudio import push, server
from workbench.review.labelstudio.configuration import Connection
from workbench.review.labelstudio.pull import pull
from workbench.review.rules import Rules


@dataclass
class Told:
    """The archive and its warehouse, as far as the story has come."""

    archive: Path
    store: Store
    connection: Connection
    iterations: int = 0

    @classmethod
    def begin(cls, folder: Path, people: Studio, iterations: int = 0) -> Told:
        """Twenty-four scratched plates among others, and the knowledge as it was drawn: all true."""
        archive = plates.draw(folder / "archive", scratched=24)
        store = Store(folder / "data")
        knowledge_files.import_file(store, archive / "domain_knowledge.json", actor=ANN)
        return cls(archive, store, Connection(people.client(), people.folder()), iterations)

    def lie(self) -> None:
        """Somebody takes the consequence of a stain for that of a scratch, and publishes it."""
        plates.publish(self.store, FALSE, "harmonised the wording")

    def night(self) -> Run:
        """The archive is scored with what is published."""
        return plates.score(self.store, self.archive, self.iterations).run

    def measured(self, run: Run, only: str = TEXT) -> Lift:
        """What the text did in a run."""
        found = lift.measure(self.store, scored.Quiet(), run.run_id, only)
        return next(each for each in found if each.description_id == TEXT)

    def dispute(self, run: Run) -> list[Dispute]:
        """The disputes about scratched plates whose answer repeats the lie; all disputes are sent to Label Studio."""
        found = disputes.open_for(
            self.store,
            run.run_id,
            disputes.inspected_by(self.store, run.run_id),
            Rules(budget=60, blind_share=0.0),
            actor=ANN,
        )
        assert found.added
        disputed = schema.records(Dispute, self.reviews.queue())
        push.push(self.store, self.connection, limit=len(disputed), audit_share=0.0, actor=ANN)
        return [
            each
            for each in disputed
            if "metal_plate/test/scratch" in each.image_path
            and each.subtask == "Defect Analysis"
            and each.answer != each.correct_answer
        ]

    def judge(self, people: Studio, seen: list[Dispute]) -> int:
        """How many verdicts came home: a reviewer says what is right, that the text misleads, and a better one."""
        tasks = {task.dispute_id: task.task_id for task in self.reviews.tasks()}
        for each in seen:
            right = next(option for option in each.options if option.letter == each.correct_answer)
            people.judge(
                tasks[each.dispute_id], "Wrong", right_option=f"{right.letter}: {right.text}", explanation="Misleads",
                better=TRUE, comment="the text tells what a stain leads to",
            )  # fmt: skip
        found = pull(self.store, self.connection, actor=ANN).verdicts
        agreement.settle_due(self.reviews)
        return found

    def draft(self) -> Description:
        """The proposal that follows from the verdicts, accepted."""
        return proposals.accept(self.store, TEXT, actor=by("curator")).draft

    def test(self, draft: Description) -> GateResult:
        """The gate's word on it."""
        result = trial.run_test(
            self.store, trial.open_test(self.store, draft, actor=by("curator")), scored.Quiet(), actor=ANN
        )
        assert result is not None
        return result

    @property
    def reviews(self) -> Reviews:
        """Its disputes and verdicts."""
        return Reviews(self.store.data)


def main(pictures_to: Path) -> None:
    """Tell it, taking pictures."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder, home, port = Path(name), Path(name) / "home", studio.free_port()
        shutil.copytree(studio.template(), home)
        process = server.start(studio.executable(), home, port)
        try:
            people = Studio(server.wait(process, port, home), server.token(home), server.password(home), home)
            os.environ |= {"WORKBENCH_LABELSTUDIO_URL": people.url, "WORKBENCH_LABELSTUDIO_TOKEN": people.token}
            browser = playwright.chromium.launch(executable_path=chromium.find(), args=chromium.FLAGS)
            page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme="light")
            page.set_default_timeout(PATIENCE)
            with serving(folder) as url:
                tell(Told.begin(folder, people, iterations=2), people, Camera(page, url, pictures_to))
        finally:
            studio.stop(process)


def tell(told: Told, people: Studio, camera: Camera) -> None:
    """The steps, with a picture where docs/ shows one."""
    told.measured(told.night())
    told.lie()
    harmed = told.night()
    told.measured(harmed, only="Drawn/metal_plate")
    lied = told.dispute(harmed)
    told.judge(people, lied[:2])
    camera.take("knowledge-harm", f"/knowledge?text={TEXT}")
    camera.take("disputes", "/disputes")
    case = lied[0]
    camera.take("case-verdict", f"/case?run={case.run_id}&image={case.image_id}&question={case.question_id}")
    draft = told.draft()
    told.test(draft)
    camera.take("knowledge", f"/knowledge?text={TEXT}&revision={draft.revision}&blast=on")
    edit.publish(told.store, TEXT, draft.revision, actor=by("curator"))
    told.measured(told.night())
    camera.take("knowledge-after", f"/knowledge?text={TEXT}")


@dataclass
class Camera:
    """A browser on the dashboard, and where its pictures go."""

    page: Page
    url: str
    to: Path

    def take(self, name: str, address: str) -> None:
        """The whole page as a picture with few colours, once everything is drawn."""
        self.page.set_viewport_size({"width": 1440, "height": 900})
        self.page.goto(self.url + address)
        self.page.get_by_role("heading", level=1).first.wait_for()
        self.page.wait_for_function("() => !document.querySelector('[data-testid=stStatusWidget]')")
        self.page.wait_for_timeout(3000)  # figures are drawn after the script has ended
        height = self.page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollHeight")
        self.page.set_viewport_size({"width": 1440, "height": int(height) + 8})
        self.page.get_by_role("button", name="Stop").wait_for(state="hidden")
        self.page.wait_for_timeout(1500)
        shot = Image.open(io.BytesIO(self.page.screenshot()))
        shot.convert("P", palette=Image.Palette.ADAPTIVE).save(self.to / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
