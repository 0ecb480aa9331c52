"""An answer in other words than yes and no means what it says: in the label that people settle, in the morning."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.people import by
from tests.warehouse import rows
from warehouse import spool
from warehouse.ingest import ingest
from warehouse.queries.nights import Nights
from warehouse.queries.reviews import Reviews
from warehouse.records.scoring import Option
from warehouse.store import Store
from workbench.analysis.metrics import Key
from workbench.review import agreement, disputes

WORDS = [("OK", "NOK"), ("Normal.", "Not normal."), ("Conforming", "Non-conforming"), ("Gut", "Schlecht"), ("x", "y")]


@pytest.mark.slow
def test_nok_is_an_alarm_and_a_person_s_nok_is_never_a_good_label(data_folder: Path) -> None:
    store, reviews = Store(data_folder), Reviews(data_folder)
    store.open_run(rows.run())
    made = [
        rows.prediction(
            0, 2 * (2 * place + defective), answer="AB"[defective], label=None, correct_answer=None, claims=None,
            question=f"State? {place}", options=tuple(map(Option, "AB", pair)),
        )
        for place, pair in enumerate(WORDS)
        for defective in (0, 1)
    ]  # fmt: skip
    spool.write_part(data_folder, rows.RUN, 0, made)
    ingest(store)

    morning = Nights(data_folder).images([rows.RUN], [], datetime(2020, 1, 1, tzinfo=UTC))
    alarms = dict(morning.select("image_id", "alarm").iter_rows())
    settled = []
    for one in made:
        disputes.open_by(store, rows.RUN, Key(one.image_id, one.question_id), actor=by("anna"))
        (dispute,) = reviews.queue().filter(image_id=one.image_id)["dispute_id"]
        settled.append(agreement.settle_by(reviews, dispute, "wrong", None, "", actor=by("anna")).label)

    assert [alarms[one.image_id] for one in made] == [False, True] * 4 + [None, None]
    assert settled == ["defective", "good"] * 4 + [None, None]
