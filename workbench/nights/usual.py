"""The steps of every night, in their order. Each is a few lines: what it calls is another room's."""

from __future__ import annotations

import logging
from pathlib import Path

from warehouse.errors import DiskFull, Locked
from warehouse.nights import Nights
from warehouse.store import Store
from workbench.nights import backup, deliver, morning, reports, retention
from workbench.nights.errors import NightError
from workbench.nights.steps import Context, Skip, Step
from workbench.review import desk, nightly, nightly_knowledge
from workbench.review.pull import pull
from workbench.review.push import push
from workbench.review.rules import BUDGET, Rules

logger = logging.getLogger(__name__)


def _bring_verdicts_home(context: Context) -> str:
    data = _with_a_desk(context)
    done = pull(Store(data), desk.open_desk(data))
    return f"{done.verdicts} verdicts new or edited, {done.settled} cases settled, {done.quarantined} put aside"


def _open_disputes(context: Context) -> str:
    budget = _budget(context)
    if not context.run_ids:
        raise Skip("nothing was scored")
    store = Store(context.settings.work.data)
    added, trouble = 0, []
    for run_id in context.run_ids:
        try:
            added += nightly.open_run(store, run_id, Rules(budget=budget)).added
        except (DiskFull, Locked):
            raise
        except Exception as error:  # the other runs of the night are looked through all the same
            logger.exception("run=%s: no disputes were opened", run_id)
            trouble.append(f"{run_id}: {type(error).__name__}: {error}")
    if trouble:
        raise NightError(f"no disputes of {'; '.join(trouble)}; {added} reasons of other runs were added")
    return f"{added} reasons to look at a case were added"


def _push_disputes(context: Context) -> str:
    budget, data = _budget(context), _with_a_desk(context)
    done = push(Store(data), desk.open_desk(data), limit=budget)
    return f"{done.sent} tasks sent, {done.waiting} disputes wait"


def _test_drafts(context: Context) -> str:
    done = nightly_knowledge.test_waiting(Store(context.settings.work.data), _Silent())
    if not done.results and not done.refused and not done.left:
        raise Skip("no draft waits for its test")
    told = f"{len(done.results)} drafts tested, {done.left} wait"
    return told + (f"; refused: {'; '.join(done.refused)}" if done.refused else "")


def _tidy(context: Context) -> str:
    data = context.settings.work.data
    return retention.tidy(data, context.settings.operation, context.clock()).in_words()


def _back_up(context: Context) -> str:
    data, now = context.settings.work.data, context.clock()
    file = backup.make(data, now)
    thinned = backup.thin_out(data, context.settings.operation.keep_backups, now)
    return f"{file.name} made" + (f", {thinned} older removed" if thinned else "")


def _report(context: Context) -> str:
    made = morning.report(context)
    morning.keep(context, made)
    return str(deliver.write(made, context.settings.work.data))


def _send(context: Context) -> str:
    where = context.settings.operation
    if not where.report_url and not where.report_email:
        raise Skip("nobody is to be told: set report_url or report_email")
    night, newest = context.night, Nights(context.settings.work.data).reports(context.night.schedule)
    stored = next((report for report in newest if report.due_at == night.due_at), None)
    if stored is None:
        raise NightError("there is no report to send")
    return "sent to " + ", ".join(deliver.send(reports.from_json(stored.report), where))


STEPS = (
    Step("pull verdicts", _bring_verdicts_home),
    Step("open disputes", _open_disputes),
    Step("push disputes", _push_disputes),
    Step("test drafts", _test_drafts),
    Step("tidy up", _tidy),
    Step("back up", _back_up),
    Step("report", _report, on_alarm=True),
    Step("send report", _send, on_alarm=True),
)


def _budget(context: Context) -> int:
    budget = BUDGET if context.schedule.review_budget is None else context.schedule.review_budget
    if not budget:
        raise Skip("its review budget is 0")
    return budget


def _with_a_desk(context: Context) -> Path:
    data = context.settings.work.data
    if desk.address_of(data) is None:
        raise Skip("no Label Studio is known: workbench labelstudio up")
    return data


class _Silent:
    """A `scoring.Watch` for work inside a step."""

    def step(self, text: str) -> None:
        """Nobody is told."""

    def begin(self, images: int, images_done: int) -> None:
        """Nobody is told."""

    def advance(self, images: int, failed: int) -> None:
        """Nobody is told."""
