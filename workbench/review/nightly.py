"""What a schedule does for reviewers after a night's run: verdicts home, new disputes open, the budget's worth sent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from warehouse.reviews import Reviews
from warehouse.store import Store
from workbench.review import agreement, disputes, pictures
from workbench.review.desk import address_of, open_desk
from workbench.review.disputes import Opened
from workbench.review.errors import ReviewError
from workbench.review.labelstudio import PATIENCE
from workbench.review.pull import PulledAll, pull
from workbench.review.push import Pushed, push
from workbench.review.rules import BUDGET, Rules


@dataclass(frozen=True, slots=True)
class Nightly:
    """What was done; a part that could not be is None, with its reason among the problems."""

    pulled: PulledAll | None
    opened: Opened | None
    pushed: Pushed | None
    problems: tuple[str, ...]


def nightly(
    store: Store, run_id: str | None = None, budget: int = BUDGET, labels: bool = True, patience: float = PATIENCE
) -> Nightly:
    """Pull, open the disputes of a run, push the budget's worth. No Label Studio is no error: disputes open anyway.

    Verdicts come first, so that what was settled meanwhile calibrates the new budget and isn't disputed again. Nothing
    raises for want of a server: the night goes on, and the next one does what this one couldn't.

    Args:
        run_id: None disputes nothing new.
        budget: reviews a night.
        labels: whether the archive's labels may open disputes.
        patience: seconds to try a server that doesn't answer.
    """
    problems: list[str] = []
    desk = open_desk(store.data, patience) if address_of(store.data) else None
    pulled = opened = pushed = None
    if desk:
        try:
            pulled = pull(store, desk)
        except ReviewError as error:
            problems.append(str(error))
    if run_id:
        try:
            opened = open_run(store, run_id, Rules(budget=budget, labels=labels))
        except ReviewError as error:
            problems.append(str(error))
    if desk and not problems:
        try:
            pushed = push(store, desk, limit=budget)
        except ReviewError as error:
            problems.append(str(error))
    agreement.settle_due(Reviews(store.data))
    return Nightly(pulled, opened, pushed, tuple(problems))


def open_run(store: Store, run_id: str, chosen: Rules) -> Opened:
    """Open a run's disputes, with its archive's pictures at hand for the rule that looks at places.

    Raises:
        ReviewError: there is no such run, or it has no answers that rules could dispute.
    """
    run = store.run(run_id)
    archive = store.archive(run.archive_id) if run else None
    if archive is None:
        raise ReviewError(f"there is no run {run_id} of a known archive; `workbench runs` lists what there is")
    root = Path(archive.root)
    return disputes.open_for(store, run_id, lambda path: pictures.size_of(root / path), chosen)
