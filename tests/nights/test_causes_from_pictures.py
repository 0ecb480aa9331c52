"""From photographs through nights to a mail: a camera that became dark, and one that lost its focus."""

from __future__ import annotations

import csv
import email
import email.policy
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from tests.nights.archives import OWN, Nightly, settled
from tests.nights.test_operating import mail_server
from tests.people import ANN
from warehouse.queries.nights import Nights
from workbench.nights import pipeline, reports

pytestmark = [pytest.mark.slow, pytest.mark.real_images]

FIRST = datetime(2026, 11, 8, 21, 0, tzinfo=UTC)
SETTINGS = {**json.loads(OWN), "block_images": 12, "settle_seconds": 0, "think_tokens": 0}
A_NIGHT, NIGHTS = 12, 3
Fault = Callable[[Image.Image], Image.Image]


class Line:
    """Two products in front of two cameras, a dozen photographs a night."""

    def __init__(self, pack: Path, archive: Path, labelled: bool) -> None:
        chance = np.random.default_rng(5)
        self.archive, self.labelled = archive, labelled
        self.rows: list[dict[str, str]] = []
        self.stock = {}
        for product in ("cookie", "ball_screw"):
            found = sorted(pack.glob(f"*/{product}/test/*/*"))
            self.stock[product] = [found[at] for at in chance.permutation(len(found))]

    def night(self, number: int, fault: Fault | None = None) -> None:
        """The photographs of a night; camera A2 has the fault."""
        for place in range(A_NIGHT):
            product, camera = ("cookie", "ball_screw")[place % 2], ("A1", "A2")[place // 2 % 2]
            photograph = self.stock[product].pop()
            image = Image.open(photograph).convert("RGB")
            image.thumbnail((224, 224))
            file = self.archive / product / f"{number}-{place:02}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            (fault(image) if fault and camera == "A2" else image).save(file)
            settled(file)
            taken = FIRST + timedelta(days=number, minutes=4 * place)
            label = ("good" if photograph.parent.name == "good" else "defective") if self.labelled else ""
            row = {"path": f"{product}/{file.name}", "product": product, "camera": camera, "label": label}
            self.rows.append({**row, "captured_at": taken.isoformat()})
        with (self.archive / "images.csv").open("w", newline="") as sidecar:
            table = csv.DictWriter(sidecar, list(self.rows[0]))
            table.writeheader()
            table.writerows(self.rows)


def dark(image: Image.Image) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(0.43)


def out_of_focus(image: Image.Image) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(3))


@pytest.mark.parametrize(
    ("fault", "labelled", "said"),
    [(dark, False, "its pictures are darker (median "), (out_of_focus, True, "its pictures are blurred (sharpness ")],
    ids=["dark", "blurred"],
)
def test_a_mail_begins_with_the_camera_and_what_became_of_it(
    inspection_pack: Path, tmp_path: Path, data_folder: Path, fault: Fault, labelled: bool, said: str
) -> None:
    line = Line(inspection_pack, tmp_path / "archive", labelled)
    report = next(step for step in pipeline.STEPS if step.name == "report")
    send = next(step for step in pipeline.STEPS if step.name == "send report")
    line.archive.mkdir()
    nightly = Nightly(data_folder, line.archive, (report, send))
    kept = nightly.keep()
    with mail_server(refuses=0) as (smtp, post):
        told = json.dumps({**SETTINGS, "report_email": "line@example.org", "smtp": smtp})
        nightly.ledger.keep_schedule(replace(kept, settings=told), replace=True, actor=ANN)
        for number in range(NIGHTS + 1):
            line.night(number, fault if number == NIGHTS else None)
            assert nightly.night().images == A_NIGHT
    messages = [email.message_from_string(each, policy=email.policy.default) for each in post.messages]
    plain, page = (
        [part.get_content() for message in messages for part in message.walk() if part.get_content_type() == kind]
        for kind in ("text/plain", "text/html")
    )
    assert not any(word in each for each in plain[:-1] for word in ("darker", "blurred", "unknown", "otherwise"))
    first, check, *_ = plain[-1].splitlines()
    assert first.startswith(f"Camera A2 changed at 22:08: {said}")  # Zurich's time of its first picture
    assert not any(other in first for other in ("A1", "cookie", "ball"))
    assert check.startswith("Check ")
    assert check.endswith("workbench schedule run-due --now line-3 --rescore all --only camera=A2")
    stored = reports.from_json(Nights(data_folder).reports("line-3")[0].report)
    (cause,) = stored.causes
    shown = [part for part in messages[-1].walk() if part.get_content_type() == "image/jpeg"]
    assert {part["Content-ID"] for part in shown} >= {
        f"<{each.image_id}>" for each in (*cause.examples_before, *cause.examples_now)
    }
    assert len(cause.examples_before) == len(cause.examples_now) == 6
    assert (
        page[-1].index("What was found")
        < page[-1].index("Camera A2 before")
        < page[-1].index("Camera A2 tonight")
        < page[-1].index("Rates")
    )
