"""The steps after scoring: each on its own, so that one that fails doesn't keep the next from its work.

To join the night, add a `Step` to `pipeline.STEPS`: a name, and a function that takes the `Context` and returns a
sentence about what it did. It may be called again for the same night after a kill, so it does nothing twice. What it
raises is stored, logged and shown; a `Skip` says why there is nothing for it to do.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from warehouse.queries.nights import Nights
from warehouse.records.nights import Night, NightStep, Schedule, StepState
from warehouse.records.scoring import PassedOver
from workbench.errors import Skip
from workbench.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Context:
    """What a step may want to know."""

    schedule: Schedule
    night: Night
    settings: Settings  # the schedule's; settings.work.data is the data folder
    run_ids: tuple[str, ...]  # the night's runs over the archive, oldest first
    clock: Callable[[], datetime]
    passed_over: tuple[PassedOver, ...] | None = None  # of the archive and its questions; None: nobody looked
    waiting_files: int = 0  # changed so recently that they may still be being written


@dataclass(frozen=True, slots=True)
class Step:
    """Something done after scoring."""

    name: str
    run: Callable[[Context], str]
    on_alarm: bool = False  # also when golden samples moved and the archive was left alone


def work_through(steps: Sequence[Step], context: Context, stop: Callable[[], str]) -> list[NightStep]:
    """How each step ended; those that this night has done already are left out, as is everything after a stop."""
    ledger = Nights(context.settings.work.data)
    done = {step.step for step in ledger.steps(context.night.schedule, context.night.due_at) if step.state == "done"}
    ended: list[NightStep] = []
    for step in steps:
        if step.name in done or (context.night.state == "alarm" and not step.on_alarm):
            continue
        if stop():
            break
        ended.append(_ended(step, context))
        ledger.keep_step(ended[-1])
    return ended


def _ended(step: Step, context: Context) -> NightStep:
    started = time.perf_counter()
    state: StepState = "done"
    try:
        message = step.run(context)
    except Skip as reason:
        state, message = "skipped", str(reason)
    except Exception as error:  # one step that fails doesn't stop the next
        logger.exception("schedule=%s step=%s", context.schedule.name, step.name)
        state, message = "failed", f"{type(error).__name__}: {error}"
    seconds = time.perf_counter() - started
    return NightStep(context.night.schedule, context.night.due_at, step.name, state, message, seconds, context.clock())
