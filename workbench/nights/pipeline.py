"""The steps of every night, in their order. Each is a few lines: what it calls is another room's."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

from warehouse.errors import DiskFull, Locked
from warehouse.queries.nights import Nights
from warehouse.records.audit import Actor
from warehouse.records.reviews import Reason
from warehouse.store import Store
from workbench import wording
from workbench.curation import night_trial, normals, trial
from workbench.errors import NightError, Skip
from workbench.nights import backup, deliver, morning, reports, retention
from workbench.nights.step_runner import Context, Step
from workbench.review import disputes
from workbench.review.labelstudio import configuration
from workbench.review.labelstudio.pull import pull
from workbench.review.labelstudio.push import push
from workbench.review.rules import BUDGET, Rules
from workbench.scoring.watch import QuietWatch

logger = logging.getLogger(__name__)


def _pull_verdicts(context: Context) -> str:
    data = _with_label_studio(context)
    done = pull(Store(data), configuration.connect(data), actor=_actor(context))
    return (
        f"{wording.counted(done.verdicts, 'verdict')} new or edited, "
        f"{wording.counted(done.settled, 'case')} settled, {done.quarantined} put aside"
    )


def _propose_normals(context: Context) -> str:
    done = normals.propose(Store(context.settings.work.data), actor=_actor(context))
    if not done.added:
        raise Skip("no verdict confirms as good what a run called defective")
    told = f"{wording.counted(done.added, 'good picture')} proposed as normals"
    return told + (f"; left out: {done.left_out[0].path}: {done.left_out[0].reason}" if done.left_out else "")


def _open_disputes(context: Context) -> str:
    budget = _budget(context)
    if not context.run_ids:
        raise Skip("nothing was scored")
    store = Store(context.settings.work.data)
    added, trouble = 0, []
    left_out: Counter[Reason] = Counter()
    for run_id in context.run_ids:
        try:
            opened = disputes.open_run(store, run_id, Rules(budget=budget), actor=_actor(context))
            added += opened.added
            left_out.update(opened.left_out)
        except (DiskFull, Locked):
            raise
        except Exception as error:  # the other runs of the night are looked through all the same
            logger.exception("run=%s: no disputes were opened", run_id)
            trouble.append(f"{run_id}: {type(error).__name__}: {error}")
    if trouble:
        raise NightError(f"no disputes of {'; '.join(trouble)}; {added} reasons of other runs were added")
    told = f"{added} reasons to look at a case were added"
    return told + (f"; the budget left out {disputes.kinds(left_out)}" if left_out else "")


def _push_disputes(context: Context) -> str:
    budget, data = _budget(context), _with_label_studio(context)
    done = push(Store(data), configuration.connect(data), limit=budget, actor=_actor(context))
    return f"{wording.counted(done.sent, 'task')} sent, {done.waiting_in_words}"


def _test_drafts(context: Context) -> str:
    store = Store(context.settings.work.data)
    done = trial.test_waiting(store, QuietWatch(), actor=_actor(context))
    night = night_trial.OneNight(
        context.night.schedule, context.night.due_at, _runs_over_the_archive(context), context.schedule.timezone
    )
    gathered = night_trial.gather(store, night, QuietWatch(), actor=_actor(context))
    if gathered.stopped:
        raise NightError("stopped before all drafts were asked about the night's pictures; the same night goes on")
    bets = [f"{bet.verdict}: {bet.why}" for bet in gathered.placed]
    if not (done.results or done.refused or done.left or bets or gathered.passed_by):
        raise Skip("no draft waits for its test")
    told = f"{wording.counted(len(done.results), 'draft')} tested, {done.left} wait"
    told += f"; over nights: {'; '.join(bets)}" if bets else ""
    passed_by = [*done.refused, *gathered.passed_by]
    return told + (f"; passed by: {'; '.join(passed_by)}" if passed_by else "")


def _runs_over_the_archive(context: Context) -> tuple[str, ...]:
    """The night's runs over what was new: what is scored again was another night's."""
    runs = Nights(context.settings.work.data).night_runs(context.night.schedule)
    again = {run.run_id for run in runs if run.purpose != "archive"}
    return tuple(run_id for run_id in context.run_ids if run_id not in again)


def _tidy(context: Context) -> str:
    data = context.settings.work.data
    return retention.tidy(data, context.settings.operation, context.clock(), actor=_actor(context)).in_words()


def _back_up(context: Context) -> str:
    data, now = context.settings.work.data, context.clock()
    file = backup.make(data, now, actor=_actor(context))
    thinned = backup.thin_out(data, context.settings.operation.keep_backups, now, actor=_actor(context))
    return f"{file.name} made" + (f", {thinned} older removed" if thinned else "")


def _report(context: Context) -> str:
    made = morning.report(context)
    morning.keep(context, made)
    return str(deliver.write(made, context.settings.work.data, context.settings.operation.dashboard_url))


def _send(context: Context) -> str:
    where = context.settings.operation
    if not deliver.is_addressed(where):
        raise Skip("nobody is to be told: set notify, report_email or report_url")
    stored = Nights(context.settings.work.data).report(context.night.schedule, context.night.due_at)
    if stored is None:
        raise NightError("there is no report to send")
    report, data = reports.from_json(stored.report), context.settings.work.data
    pictures = deliver.thumbnails(report, data) if where.report_email else {}
    return "sent to " + ", ".join(deliver.send(report, where, pictures=pictures))


STEPS = (
    Step("pull verdicts", _pull_verdicts),
    Step("propose normals", _propose_normals),
    Step("open disputes", _open_disputes),
    Step("push disputes", _push_disputes),
    Step("test drafts", _test_drafts),
    Step("tidy up", _tidy),
    Step("back up", _back_up),
    Step("report", _report, on_alarm=True),
    Step("send report", _send, on_alarm=True),
)


def _actor(context: Context) -> Actor:
    """The schedule: nobody sits there at night."""
    return Actor(context.schedule.name, "schedule")


def _budget(context: Context) -> int:
    budget = BUDGET if context.schedule.review_budget is None else context.schedule.review_budget
    if not budget:
        raise Skip("its review budget is 0")
    return budget


def _with_label_studio(context: Context) -> Path:
    data = context.settings.work.data
    if configuration.address_of(data) is None:
        raise Skip("no Label Studio is known: workbench labelstudio up")
    return data
