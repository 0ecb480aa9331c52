"""One real Label Studio for the session, a small warehouse with disputes for each test, and reviewers who click."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.pages import seed
from tests.people import ANN
from tests.review import studio
from warehouse.queries.reviews import Reviews
from warehouse.store import Store
from workbench.review import disputes
from workbench.review.labelstudio import server
from workbench.review.labelstudio.client import Address, LabelStudio
from workbench.review.labelstudio.configuration import Connection
from workbench.review.pictures import Folder
from workbench.review.rules import Rules


@dataclass
class Studio:
    """The running server."""

    url: str
    token: str
    password: str
    home: Path
    people: dict[str, int] = field(default_factory=dict)
    own: Any = None

    def client(self, token: str | None = None, patience: float = 60.0, url: str | None = None) -> LabelStudio:
        return LabelStudio(Address(url or self.url, token or self.token), patience=patience)

    def sdk(self) -> Any:
        """What a person's script would use; held, as it closes its connections when it is let go."""
        self.own = self.own or self.client()._sdk()
        return self.own

    def folder(self) -> Folder:
        return Folder((self.home / "files" / "disputes").resolve(), "/data/local-files/?d=disputes")

    def person(self, name: str) -> int:
        """A further user's number."""
        if name not in self.people:
            made = self.sdk().users.create(email=f"{name}@workbench.test", first_name=name, username=name)
            self.people[name] = int(made.id)
        return self.people[name]

    def judge(self, task_id: int, verdict: str = "Wrong", by: str | None = None, **said: Any) -> int:
        """An annotation as a reviewer submits it; its number."""
        asked: dict[str, Any] = {"completed_by": self.person(by)} if by else {}
        made = self.sdk().annotations.create(id=task_id, result=result(verdict, **said), lead_time=12.5, **asked)
        return int(made.id)


def choice(name: str, value: str) -> dict[str, Any]:
    return {"from_name": name, "to_name": "query", "type": "choices", "value": {"choices": [value]}}


def text(name: str, value: str) -> dict[str, Any]:
    return {"from_name": name, "to_name": "query", "type": "textarea", "value": {"text": [value]}}


def result(
    verdict: str = "Wrong",
    right_option: str | None = None,
    explanation: str | None = None,
    better: str | None = None,
    comment: str | None = None,
    box: Mapping[str, float] | None = None,
) -> list[dict[str, Any]]:
    """What Label Studio's own page would send."""
    found = [choice("verdict", verdict)]
    found += [choice("right_option", right_option)] if right_option else []
    found += [choice("explanation", explanation)] if explanation else []
    found += [text("better", better)] if better else []
    found += [text("comment", comment)] if comment else []
    if box:
        region = {"from_name": "boxes", "to_name": "query", "type": "rectanglelabels", "id": "drawn"}
        found.append({**region, "value": {**box, "rotation": 0, "rectanglelabels": ["Defect"]}})
    return found


@pytest.fixture(scope="session")
def studio_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """Label Studio on a free port, from a copy of the migrated template."""
    home = tmp_path_factory.mktemp("labelstudio") / "home"
    shutil.copytree(studio.template(), home)
    port = studio.free_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSRF_PROTECTION_ENABLED", "false")  # else it sends no webhook to this machine
        process = server.start(studio.executable(), home, port)
    try:
        url = server.wait(process, port, home, seconds=180)
        yield Studio(url, server.token(home), server.password(home), home)
    finally:
        studio.stop(process)


@dataclass
class Case:
    """A warehouse with open disputes and the Label Studio they go to."""

    store: Store
    reviews: Reviews
    run_id: str
    connection: Connection


@pytest.fixture
def seeded(tmp_path: Path) -> seed.Seeded:
    return seed.seed(tmp_path / "data", images=8)


@pytest.fixture
def case(seeded: seed.Seeded, studio_server: Studio) -> Case:
    """Disputes by all rules over a small run, not sent yet."""
    disputes.open_for(
        seeded.store,
        seeded.run.run_id,
        disputes.inspected_by(seeded.store, seeded.run.run_id),
        Rules(budget=10, blind_share=0.0),
        actor=ANN,
    )
    connection = Connection(studio_server.client(), studio_server.folder())
    return Case(seeded.store, Reviews(seeded.store.data), seeded.run.run_id, connection)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Label Studio's SDK calls pydantic by an old name."""
    for item in items:
        if item.get_closest_marker("labelstudio"):
            item.add_marker(pytest.mark.filterwarnings("ignore:The `.*` method is deprecated:DeprecationWarning"))
