"""The doctor's findings about everything that runs by itself, besides those about the machine: red first."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from warehouse import database, schema
from warehouse.queries.nights import Nights
from warehouse.queries.normals import Normals
from warehouse.records.scoring import Run
from warehouse.store import Store
from workbench import wording
from workbench.archive import scan
from workbench.nights import chart_words, night_charts, schedules
from workbench.processes import is_free
from workbench.review.labelstudio import checks, configuration
from workbench.scoring import doctor
from workbench.scoring.doctor import Finding

_LATE = timedelta(hours=1)  # a due time that nobody has worked on for so long, its window being open
_BACKUP_DAYS = 7
_SHOWN = 3
_COMPARED_AT_ONCE = 500  # published normals; more take a page too long


def examine(data: Path, *, thorough: bool = True) -> list[Finding]:
    """All findings, red before yellow before green; without `thorough` those that take no seconds."""
    more = {
        "schedules": lambda: _schedules(data),
        "charts": lambda: _charts(data),
        "runs": lambda: _runs(data),
        "locks": lambda: _locks(data),
        "backup": lambda: _backup(data),
        "model cache": lambda: _models(data),
        "normals": lambda: _normals(data, thorough),
        "Label Studio": lambda: _label_studio(data),
        **({"Label Studio projects": lambda: checks.examine(data)} if thorough else {}),
    }
    return doctor.examine(data, more, thorough=thorough)


def _schedules(data: Path) -> Iterator[Finding]:
    ledger, now = Nights(data), datetime.now(UTC)
    last = ledger.last_nights(schedules.latest(now))
    ahead = [night for night in ledger.last_nights().values() if night.due_at > schedules.latest(now)]
    if ahead:
        detail = (
            f"{now:%Y-%m-%d %H:%M} UTC, and a night of {ahead[0].schedule} is dated {ahead[0].due_at:%Y-%m-%d %H:%M}"
        )
        yield Finding("yellow", "clock", detail, "is it right? timedatectl; if so, it ran ahead then: nothing is lost")
    known = ledger.schedules()
    if not known:
        yield Finding("green", "schedules", "none; archives are scored by hand")
    for schedule in known:
        subject = f"schedule {schedule.name}"
        night = last.get(schedule.name)
        try:
            due, next_due = schedules.due(schedule, night, now), schedules.next_due(schedule, now)
        except Exception as error:  # noqa: BLE001  the others are told of all the same
            yield Finding(
                "red", subject, f"passed over: {error}", "add it anew: workbench schedule add NAME ARCHIVE --replace"
            )
            continue
        if schedule.paused:
            yield Finding(
                "yellow", subject, "paused", f"workbench schedule pause {shlex.quote(schedule.name)} --resume"
            )
        elif night and night.state == "alarm":
            yield Finding("red", subject, night.message or "golden samples moved", "find out what changed them")
        elif night and night.state == "failed":
            yield Finding(
                "red", subject, night.message or "its last night failed", "mend it; the next night tries again"
            )
        elif due and due.unfinished is None and now - due.first_due_at > _LATE:
            yield Finding(
                "red",
                subject,
                f"due since {due.first_due_at:%Y-%m-%d %H:%M} UTC, and nobody works on it",
                "is the timer running? workbench schedule emit; by hand: workbench schedule run-due",
            )
        elif night and night.state == "stopped":
            yield Finding("yellow", subject, night.message or "stopped", "workbench schedule run-due goes on")
        elif not _can_be_scanned(schedule.archive):
            told = f"its archive {schedule.archive} isn't there or is empty"
            yield Finding("red", subject, told, "mount it, or remove the schedule")
        else:
            told = f"last night {night.state}, {wording.counted(night.images, 'image')}" if night else "no night yet"
            yield Finding("green", subject, f"{told}; due {next_due:%Y-%m-%d %H:%M} UTC" if next_due else told)


def _charts(data: Path) -> Iterator[Finding]:
    """Alarms over the nights that nobody has acknowledged."""
    for schedule in Nights(data).schedules():
        for alarm in night_charts.not_acknowledged(data, schedule.name):
            remedy = f"look at Tonight; then: workbench schedule acknowledge {schedule.name} --reason WHY"
            yield Finding("yellow", f"schedule {schedule.name}", chart_words.alarm_in_words(alarm), remedy)


def _can_be_scanned(place: str) -> bool:
    return "://" in place or scan.is_there(Path(place))


def _runs(data: Path) -> Iterator[Finding]:
    """Runs that say they are running while no process holds their lock."""
    running = [run for run in schema.records(Run, Store(data).runs()) if run.state == "running"]
    dead = [run for run in running if is_free(data / "locks" / f"run-{run.digest}-{run.plan}.lock")]
    if dead:
        names = ", ".join(run.run_id for run in dead[:_SHOWN])
        yield Finding(
            "yellow",
            "runs",
            f"{len(dead)} left running by a process that died: {names}",
            "give the same command again, or let its schedule go on; nothing is lost",
        )
    else:
        yield Finding("green", "runs", f"{len(running)} at work" if running else "none at work")


def _normals(data: Path, thorough: bool) -> Iterator[Finding]:
    """Published normals that somebody calls defective, or that the others disown as far as features are stored."""
    normals = Normals(data)
    published = normals.published()
    if not published:
        yield Finding("green", "normals", "none is published")
        return
    calm = True
    for each in normals.contradicted("published")[:_SHOWN]:
        calm = False
        yield Finding(
            "yellow", "normals", f"{each.path}: {each.reason}", "workbench knowledge normals retire NORMAL --reason WHY"
        )
    is_compared, are_few = False, len(published) <= _COMPARED_AT_ONCE
    if thorough or are_few:
        from workbench.curation import normal_checks

        for tower in normal_checks.stored_towers(data)[:1]:
            is_compared = True
            for suspect in normal_checks.Checks(Store(data), tower).suspects(only_stored=True)[:_SHOWN]:
                calm = False
                detail = f"{suspect.normal.path} of {suspect.normal.product}: {suspect.words}"
                yield Finding(
                    "yellow",
                    "normals",
                    detail,
                    f"look at it; workbench knowledge normals retire {suspect.normal.content[:12]} --reason WHY",
                )
    if calm:
        command = "workbench knowledge normals check" if thorough or are_few else "workbench doctor"
        compared = "" if is_compared else f"; not compared with each other yet ({command})"
        yield Finding("green", "normals", f"{wording.counted(len(published), 'normal')} published{compared}")


def _locks(data: Path) -> Iterator[Finding]:
    held = [] if is_free(data / "locks" / "nights.lock") else ["a night is being worked on"]
    yield Finding("green", "locks", "; ".join(held) or "none is held")


def _backup(data: Path) -> Iterator[Finding]:
    if not (data / database.FILE).exists():
        yield Finding("green", "backup", "nothing to back up yet")
        return
    last = Nights(data).last_backup()
    if last is None:
        yield Finding("yellow", "backup", "there is none", "workbench backup")
        return
    age = datetime.now(UTC) - last.made_at
    there = Path(last.path).exists()
    detail = f"{last.path}, {age.days} days old" if age.days else f"{last.path}, of today"
    if not there:
        yield Finding("red", "backup", f"{last.path} is gone", "workbench backup")
    elif age > timedelta(days=_BACKUP_DAYS):
        yield Finding("yellow", "backup", detail, "workbench backup")
    else:
        yield Finding("green", "backup", detail)


def _models(data: Path) -> Iterator[Finding]:
    """Whether the models that schedules name are on this machine, so that a night needs no network."""
    named = set()
    for each in Nights(data).schedules():
        try:
            named.add(str(json.loads(each.settings).get("model", "embedded")))
        except (ValueError, AttributeError) as error:
            yield Finding("red", f"schedule {each.name}", f"its settings can't be read: {error}", "add it anew")
    wanted = sorted(name for name in named if name != "embedded" and not Path(name).exists())
    if not wanted:
        yield Finding("green", "model cache", "not needed: no schedule names a model to fetch")
        return
    from huggingface_hub import try_to_load_from_cache

    missing = [name for name in wanted if not isinstance(try_to_load_from_cache(name, "config.json"), str)]
    if missing:
        detail = f"not on this machine: {', '.join(missing)}"
        yield Finding("yellow", "model cache", detail, f"hf download {missing[0]}, or name a folder")
    else:
        yield Finding("green", "model cache", f"{', '.join(wanted)} on this machine")


def _label_studio(data: Path) -> Iterator[Finding]:
    address = configuration.address_of(data)
    if address is None:
        yield Finding("green", "Label Studio", "not used (workbench labelstudio up)")
        return
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(f"{address.url.rstrip('/')}/health", timeout=5):
            pass
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        yield Finding(
            "red", "Label Studio", f"{address.url} doesn't answer: {reason}", "start it: workbench labelstudio up"
        )
    else:
        yield Finding("green", "Label Studio", f"it answers at {address.url}")
