"""The doctor finds what keeps reviewers from working: a token, a project, a config, a storage, a picture."""

from __future__ import annotations

import pytest

from tests.people import ANN
from tests.review.conftest import Case, Studio
from workbench.review.labelstudio import checks, push

pytestmark = pytest.mark.labelstudio


def test_the_doctor_says_what_is_wrong_with_label_studio(
    case: Case, studio_server: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(checks.examine(case.store.data)) == []  # no connection, nothing to say
    monkeypatch.setenv("WORKBENCH_LABELSTUDIO_URL", studio_server.url)
    monkeypatch.setenv("WORKBENCH_LABELSTUDIO_TOKEN", studio_server.token)
    monkeypatch.setenv("WORKBENCH_LABELSTUDIO_ROOT", str(studio_server.folder().path.parent))
    push.push(case.store, case.connection, limit=1, audit_share=0.0, actor=ANN)

    well = list(checks.examine(case.store.data))
    assert [finding.state for finding in well] == ["green", "green"]
    assert "takes the legacy token of reviewer@workbench.test" in well[0].detail
    assert "shows its picture" in well[1].detail

    (project,) = case.reviews.projects()
    sdk = studio_server.sdk()
    for storage in sdk.import_storage.local.list(project=project.project_id):
        sdk.import_storage.local.delete(str(storage.id))
    sdk.projects.update(
        project.project_id, label_config=sdk.projects.get(project.project_id).label_config.replace("Comment", "Note")
    )
    ill = {finding.state: finding.detail for finding in checks.examine(case.store.data)}
    assert "it was changed there" in ill["yellow"]
    assert "needs a local storage" in ill["red"] or "no local storage" in ill["red"]

    monkeypatch.setenv("WORKBENCH_LABELSTUDIO_TOKEN", "0" * 40)
    (refused,) = checks.examine(case.store.data)
    assert (refused.state, "doesn't take the legacy token" in refused.detail) == ("red", True)
