"""The night's part in curation: drafts that wait for their test are tested, one after the other, until time is up."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from warehouse.curation import Curation
from warehouse.curation_records import GateResult
from warehouse.errors import WarehouseError
from warehouse.store import Store
from workbench.inspection.errors import DeviceLost, InspectionError
from workbench.inspection.models import Answering
from workbench.inspection.scoring import Watch
from workbench.review import trial

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tested:
    """What a night did for curation."""

    results: tuple[GateResult, ...]
    refused: tuple[str, ...]  # drafts that can't be tested, each with the reason
    left: int  # still waiting


def test_waiting(
    store: Store,
    watch: Watch,
    go_on: Callable[[], bool] = lambda: True,  # noqa: PT028  no test
    answering: Answering | None = None,  # noqa: PT028
) -> Tested:
    """Test every draft in state `testing` that has no verdict, oldest first; a test cut off before goes on.

    Args:
        go_on: asked before each test; a night's time window.
        answering: the night's model, where it is loaded already.
    """
    curation = Curation(store.data)
    waiting = [
        each
        for each in reversed(curation.in_state("testing"))
        if curation.result(each.description_id, each.revision) is None
    ]
    results: list[GateResult] = []
    refused: list[str] = []
    done = 0
    for draft in waiting:
        if not go_on():
            break
        done += 1
        watch.step(f"testing {trial.named(draft)}")
        try:
            attempt = trial.open_test(store, draft, draft.author)
            result = trial.run_test(store, attempt, watch, answering)
        except (DeviceLost, WarehouseError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever one draft raises, the others are tested
            logger.warning("draft=%s refused=%s", trial.named(draft), error)
            refused.append(str(error) if isinstance(error, InspectionError) else f"{trial.named(draft)}: {error!r}")
            continue
        if result is None:  # asked to stop
            done -= 1
            break
        results.append(result)
    return Tested(tuple(results), tuple(refused), len(waiting) - done)


test_waiting.__test__ = False  # type: ignore[attr-defined]  # a verb of the domain, not one of pytest's
