"""The morning report on its way to people: as a page that stands alone, as plain text, to an address, by mail.

Sending is tried a few times and then given up with an error that the night stores and shows; it never costs a night.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup

from warehouse.queries.alarm_rules import AlarmRule
from warehouse.store import Store
from workbench import wording
from workbench.analysis import alarms, cause_words, drift, markup
from workbench.archive import previews, problems
from workbench.backoff import Backoff
from workbench.errors import NightError
from workbench.nights import chart_words, mail, notify, page_links, reports
from workbench.nights.notify import Service
from workbench.nights.reports import Morning
from workbench.scoring import alarm_pictures
from workbench.settings import Operation

logger = logging.getLogger(__name__)

PATIENCE = 30.0  # seconds after which an address isn't tried again
TIMEOUT = 15.0  # seconds


class Part(NamedTuple):
    """A heading, a sentence, its table, pictures, and a note below; what is empty is left out."""

    title: str = ""
    head: tuple[str, ...] = ()
    rows: Sequence[tuple[str, ...]] = ()
    note: str = ""
    pictures: Sequence[tuple[str, str, str]] = ()  # address, caption, where it leads
    sentence: str = ""
    links: Sequence[str] = ()  # where each row leads; nowhere where it is empty


def html(report: Morning, pictures: Mapping[str, str] | None = None, dashboard: str | None = None) -> Markup:
    """The report as one page without anything from outside.

    Args:
        report: what it says.
        pictures: addresses of pictures that were called defective, by image_id.
        dashboard: what people open it under; None: nothing leads there.
    """
    slices = report.slices or ()
    parts = [
        *(Part(note=reports.advice(report, cause)) for cause in report.causes),
        *_of_causes(report, pictures or {}, dashboard),
        *_called_defective(report, pictures or {}, dashboard),
        *(Part(note=each.sentence) for each in report.by_thresholds),
        Part("Rates", ("", "tonight", "95 %", "before", "images"), [_rate_cells(rate) for rate in report.rates]),
        *(Part(note=said) for said in _over_the_nights(report)),
        *([Part(note=report.pieces.sentence)] if report.pieces else []),
        Part(note=_errors_in_words(report)),
        *([Part(note=report.queue_in_words)] if report.disputes_waiting else []),
        *(
            [
                Part(
                    "True escape and overkill of the week, from drawn cases",
                    ("", "", "95 %", "whatever the unanswered are"),
                    reports.week_rows(report.week),
                    reports.week_in_words(report.week),
                )
            ]
            if report.week
            else []
        ),
        Part(
            f"What {'else ' if report.causes else ''}changed, {len(report.unexplained)} of {report.signals} signals",
            ("", "images"),
            [(reports.in_words(each), f"{each.images:,}") for each in report.unexplained],
        ),
        Part(
            "New bad slices",
            ("", "questions", "images"),
            [(reports.slice_in_words(each), f"{each.n:,}", f"{each.images:,}") for each in slices],
            reports.odds(report) if slices else "",
        ),
        Part(
            "Failed images",
            ("what failed", "such as", "reason"),
            [(each.in_words(), each.example, each.reason) for each in report.failures],
        ),
        Part("Passed over", ("what", "such as", "why"), problems.rows(report.passed_over or ())),
        Part("After scoring", ("step", "", ""), [(each.step, each.state, each.message) for each in report.steps]),
    ]
    return markup.render(
        "workbench.nights",
        "morning.html",
        title=title(report),
        finding=report.finding,
        under=_under(report),
        tonight=_tonight(report, dashboard),
        parts=parts,
    )


def title(report: Morning) -> str:
    """`line-3: night of Monday 19 January 2026, 22:00 CET`."""
    return f"{report.schedule}: {report.title[0].lower()}{report.title[1:]}"


def text(report: Morning, dashboard: str | None = None) -> str:
    """The report as a mail's text; what it is about is linked to where people open the dashboard under an address."""
    lines = [report.finding, *(reports.advice(report, cause) for cause in report.causes), ""]
    lines += [title(report), _under(report), *([there] if (there := _tonight(report, dashboard)) else []), ""]
    lines += _over_the_nights(report)
    parts = _called_defective(report, {}, dashboard)
    lines += [line for part in parts for line in (part.sentence, *_row_lines(part)) if line]
    lines += [each.sentence for each in report.by_thresholds]
    lines += ["", *("  ".join(_rate_cells(rate)) for rate in report.rates)]
    lines += [report.pieces.sentence] if report.pieces else []
    lines += [words] if (words := _errors_in_words(report)) else []
    lines += [report.queue_in_words] if report.disputes_waiting else []
    if report.week:
        lines += ["", "True escape and overkill of the week, from drawn cases (95 %; whatever the unanswered are):"]
        lines += ["  ".join(cells) for cells in reports.week_rows(report.week)]
        lines += [reports.week_in_words(report.week)]
    lines += [
        "",
        *(f"- {reports.in_words(each)} ({wording.counted(each.images, 'image')})" for each in report.unexplained),
    ]
    lines += [
        f"- new bad slice: {reports.slice_in_words(each)} ({wording.counted(each.n, 'question')})"
        for each in report.slices or ()
    ]
    lines += [f"- failed: {each.in_words()}, such as {each.example}: {each.reason}" for each in report.failures]
    lines += [f"- passed over: {problems.in_words(each)}" for each in report.passed_over or ()]
    lines += [f"- {each.step} {each.state}: {each.message}" for each in report.steps if each.state == "failed"]
    return "\n".join(lines).strip() + "\n"


def _over_the_nights(report: Morning) -> list[str]:
    """What the charts say; nothing of an older report."""
    return chart_words.sentences(report.charts) if report.charts else []


def _row_lines(part: Part) -> list[str]:
    """The rows of a part as lines, each with where it leads at its end."""
    links = part.links or [""] * len(part.rows)
    return ["  ".join(filter(None, (*row, link))) for row, link in zip(part.rows, links, strict=True)]


def _tonight(report: Morning, dashboard: str | None) -> str:
    return page_links.link(dashboard, "tonight", page_links.tonight(report))


def _of_causes(report: Morning, pictures: Mapping[str, str], dashboard: str | None) -> list[Part]:
    """Pictures of each cause, before and since."""
    parts = []
    for cause in report.causes:
        for when, examples in (("before", cause.examples_before), ("tonight", cause.examples_now)):
            shown = [
                (
                    pictures[each.image_id],
                    each.image_path,
                    page_links.link(dashboard, "case", page_links.case(each.run_id, each.image_id, each.question_id)),
                )
                for each in examples
                if each.image_id in pictures
            ]
            title = f"{cause_words.group(cause)} {when}"
            parts.append(Part(title, pictures=shown) if shown else Part())
    return parts


def _called_defective(report: Morning, pictures: Mapping[str, str], dashboard: str | None) -> list[Part]:
    """The pictures called defective, the surest first; then where those without a label are. Nothing without any."""
    found, unlabelled = report.called_defective, report.alarms
    parts = []
    if found and found.called:
        title = f"What was found: the surest {len(found.pictures)} of {found.called:,}"
        parts.append(_pictures(title, found.sentence, found.pictures, pictures, dashboard, found.rule))
    if unlabelled is None or not unlabelled.called.images:
        return parts
    where = [
        (
            group.name,
            f"{group.defective:,} of {group.images:,}",
            wording.percent(group.rate),
            wording.percent_interval(group.low, group.high),
            alarms.probability(group.probability),
        )
        for group in unlabelled.most()
    ]
    head = ("", "pictures", "share", "95 %", "probability")
    parts.append(Part("Called defective", head, where, sentence=unlabelled.called.sentence))
    if found is None:
        parts.append(_pictures(unlabelled.pictures_title, "", unlabelled.pictures, pictures, dashboard, "answers"))
    return parts


def _pictures(
    title: str,
    sentence: str,
    called: Sequence[alarms.Picture],
    shown: Mapping[str, str],
    dashboard: str | None,
    rule: AlarmRule,
) -> Part:
    links = [
        page_links.link(dashboard, "case", page_links.case(each.run_id, each.image_id, each.question_id, rule))
        for each in called
    ]
    which = [
        (
            each.image_path,
            each.product,
            each.line or "-",
            each.camera or "-",
            alarms.probability(each.defect_probability),
            (each.region or "-").rstrip("."),
        )
        for each in called
    ]
    return Part(
        title,
        ("picture", "product", "line", "camera", "probability", "region"),
        which,
        sentence=sentence,
        links=links,
        pictures=[
            (shown[each.image_id], each.caption, link)
            for each, link in zip(called, links, strict=True)
            if each.image_id in shown
        ],
    )


def thumbnails(report: Morning, data: Path) -> dict[str, bytes]:
    """Small JPEGs of the pictures that the report names as called defective or shows for a cause, by image_id."""
    called = (report.called_defective or report.alarms or alarms.NOTHING).pictures
    examples = [each for cause in report.causes for each in (*cause.examples_before, *cause.examples_now)]
    return alarm_pictures.jpegs(Store(data), (*called, *examples))


def write(report: Morning, data: Path, dashboard: str | None = None) -> Path:
    """The page's file below reports/ in the data folder, written; `dashboard` is what people open that under."""
    file = page_file(report, data)
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".tmp")
    shown = {image_id: previews.data_uri(jpeg) for image_id, jpeg in thumbnails(report, data).items()}
    unfinished.write_text(html(report, shown, dashboard), encoding="utf-8")
    unfinished.rename(file)
    return file


def page_file(report: Morning, data: Path) -> Path:
    """Where the page lies: by the date and time of its due time in the schedule's time zone."""
    # The seconds of a night that somebody began at once; the offset, because an hour comes twice when clocks go back.
    second = f"{report.due:%S}" if report.due.second or report.due.microsecond else ""
    return data / "reports" / _folder_name(report.schedule) / f"{report.due:%Y-%m-%dT%H%M}{second}{report.due:%z}.html"


def _folder_name(schedule: str) -> str:
    """The schedule's name where a file system takes it as it is; else what is left of it and its hash.

    Names in other scripts leave nothing but hyphens, so the hash is what tells them apart.
    """
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", schedule)[:60].lstrip(".")
    return plain if plain == schedule else f"{plain}-{hashlib.sha256(schedule.encode()).hexdigest()[:8]}".lstrip("-")


def is_addressed(where: Operation) -> bool:
    """Whether a report is to be sent anywhere."""
    return bool(where.report_url or where.report_email or where.notify or os.environ.get(notify.ENVIRONMENT))


def send(
    report: Morning,
    where: Operation,
    pause: Callable[[float], None] = time.sleep,
    pictures: Mapping[str, bytes] | None = None,
) -> list[str]:
    """Where it was sent.

    Args:
        report: what is sent.
        where: the addresses.
        pause: waits so many seconds before another try.
        pictures: JPEGs of pictures that were called defective, by image_id; they go with a mail.

    Raises:
        NightError: an address could not be reached, however often it was tried; the others have been served.
    """
    sent, trouble = [], []
    try:
        services = notify.services(where.notify)
    except NightError as error:
        services = []
        trouble.append(str(error))
    ways: list[tuple[str, Callable[[], None]]] = []
    if where.report_url:
        url = where.report_url
        chat = Service("web hook", url)
        ways.append(
            ("web hook", partial(_message, chat, report, where) if notify.is_chat(url) else partial(_post, url, report))
        )
    if where.report_email:
        ways.append((where.report_email, partial(_mail, where, report, pictures or {})))
    ways += [(service.name, partial(_message, service, report, where)) for service in services]
    for name, way in ways:
        reason = _tried(way, pause)
        if reason:
            logger.warning("report to=%s failed: %s", name, reason)
            trouble.append(f"{name}: {reason}")
        else:
            sent.append(name)
    if trouble:
        raise NightError(
            f"the report did not reach {'; '.join(trouble)}" + (f" (sent: {', '.join(sent)})" if sent else "")
        )
    return sent


def _tried(way: Callable[[], None], pause: Callable[[float], None]) -> str:
    """The last error in words, without the address, which may hold a secret; "" when it went through."""
    backoff = Backoff(PATIENCE)
    while True:
        try:
            way()
        except NightError as hopeless:
            return str(hopeless)
        except Exception as problem:  # noqa: BLE001  whatever one way raises, the other is tried too
            told = (getattr(problem, name, None) for name in ("code", "reason", "strerror"))
            reason = " ".join(str(each) for each in told if each)
            error = f"{type(problem).__name__}{f': {reason}' if reason else ''}"
        else:
            return ""
        if (seconds := backoff.pause()) is None:
            return error
        pause(seconds)


def _message(service: Service, report: Morning, where: Operation) -> None:
    lasting = report.charts.lasting if report.charts else ()
    urgent = report.state in ("failed", "alarm") or bool(report.causes or report.changes or report.slices or lasting)
    body = text(report, where.dashboard_url)
    notify.send(service, _one_line(f"{report.schedule}: {report.finding}"), body, urgent=urgent)


def _post(url: str, report: Morning) -> None:
    if not url.startswith(("http://", "https://")):
        raise ValueError("a web hook's address begins with http:// or https://")
    request = urllib.request.Request(
        url, reports.as_json(report).encode(), {"Content-Type": "application/json", "User-Agent": "workbench"}
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT):
        pass


def _mail(where: Operation, report: Morning, pictures: Mapping[str, bytes]) -> None:
    subject = _one_line(f"{report.schedule}: {report.finding}")
    page = html(report, {image_id: f"cid:{image_id}" for image_id in pictures}, where.dashboard_url)
    mail.send(where, subject, text(report, where.dashboard_url), page, pictures)


def _one_line(said: str) -> str:
    """What a header or a chat's title can hold: no line ends, no control characters, 200 characters at most."""
    return "".join(letter if letter.isprintable() else " " for letter in " ".join(said.split()))[:200]


def _under(report: Morning) -> str:
    model = "embedded demo model: drawn products only" if report.demo else report.model
    pieces = [
        f"{wording.counted(report.images, 'image')}, {wording.counted(report.questions, 'question')}",
        f"{report.failed:,} failed, {report.invalid:,} invalid",
        f"{report.seconds / 60:.0f} min",
        f"{wording.counted(report.left, 'image waits', 'images wait')} for the next night" if report.left else "",
        f"{wording.counted(report.caught_up, 'missed night')} caught up" if report.caught_up else "",
        report.waiting_in_words if report.images else "",
        f"compared with {wording.counted(report.baseline_images, 'image')} of "
        f"{wording.counted(report.baseline_nights, 'night')}",
        model,
    ]
    return " · ".join(piece for piece in pieces if piece)


def _rate_cells(rate: drift.Rate) -> tuple[str, ...]:
    if rate.name in drift.SHARES:
        numbers = (
            wording.percent(rate.tonight, 1),
            wording.percent_interval(rate.low, rate.high, 1),
            wording.percent(rate.baseline, 1),
        )
    else:
        numbers = (f"{rate.tonight:.2f}", f"{rate.low:.2f}–{rate.high:.2f}", f"{rate.baseline:.2f}")
    return (reports.named(rate.name), *numbers, f"{rate.images:,}")


def _errors_in_words(report: Morning) -> str:
    """What tells errors where labels cannot; empty where labels do, or the week's estimate stands below."""
    if report.labelled or not report.images or (report.week and not report.truth):
        return ""
    if not report.truth:
        return "Errors: not measurable; there are no labels, no labelled golden samples and no judged audit cases."
    return "Errors: " + "; ".join(each.sentence for each in report.truth)
