"""The morning report on its way to people: as a page that stands alone, as plain text, to an address, by mail.

Sending is tried a few times and then given up with an error that the night stores and shows; it never costs a night.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
import smtplib
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import EmailMessage
from html import escape
from pathlib import Path

from workbench.analysis import drift
from workbench.nights import reports
from workbench.nights.errors import NightError
from workbench.nights.reports import Morning
from workbench.settings import Operation

logger = logging.getLogger(__name__)

PAUSES = (1.0, 5.0, 20.0)  # seconds before another try
TIMEOUT = 15.0  # seconds
PREFIX = (
    "WORKBENCH_SMTP_"  # of USER and PASSWORD in the environment; a password is no setting, those are shown and kept
)
_PORTS = {"none": 25, "starttls": 587, "tls": 465}

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#17202b;background:#fff;max-width:52rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.4rem;margin:0}h2{font-size:1.05rem;margin:1.6rem 0 .3rem}p{margin:.3rem 0}.quiet{color:#5f6b7a}
table{border-collapse:collapse;width:100%}td,th{padding:.25rem .8rem .25rem 0;text-align:left;border-bottom:1px solid
#dfe3e8}th{font-weight:400;color:#5f6b7a}.n{text-align:right;font-variant-numeric:tabular-nums}
@media(prefers-color-scheme:dark){body{background:#171c22;color:#e4e8ed}td,th{border-color:#2a323b}}
"""


def html(report: Morning) -> str:
    """The report as one page without anything from outside."""
    title = f"{report.schedule}, night of {report.due_at:%A %d %B %Y}"
    slices = report.slices or ()
    blocks = [
        f"<h1>{escape(title)}</h1><p><b>{escape(report.finding)}</b></p>",
        f'<p class="quiet">{escape(_under(report))}</p>',
        _table("Rates", ("", "tonight", "95 %", "before", "images"), [_rate_cells(rate) for rate in report.rates]),
        _errors(report),
        _table(
            f"What changed, {len(report.changes)} of {report.signals} signals",
            ("", "images", "p"),
            [(reports.in_words(each), f"{each.images:,}", f"{each.p_value:.1e}") for each in report.changes],
        ),
        _table(
            "New bad slices",
            ("", "questions", "images", "q"),
            [(reports.slice_in_words(each), f"{each.n:,}", f"{each.images:,}", f"{each.q:.1e}") for each in slices],
        ),
        f'<p class="quiet">{escape(reports.odds(report))}</p>' if slices else "",
        _table(
            "Failed images",
            ("reason", "images", "such as"),
            [(each.reason, f"{each.images:,}", each.example) for each in report.failures],
        ),
        _table("After scoring", ("step", "", ""), [(each.step, each.state, each.message) for each in report.steps]),
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>{''.join(blocks)}</body></html>\n"
    )


def text(report: Morning) -> str:
    """The report as a mail's text."""
    lines = [report.finding, "", _under(report), ""]
    lines += ["  ".join(_rate_cells(rate)) for rate in report.rates]
    if not report.labelled:
        lines += [_errors_in_words(report)]
    lines += ["", *(f"- {reports.in_words(each)} ({each.images:,} images)" for each in report.changes)]
    lines += [f"- new bad slice: {reports.slice_in_words(each)} ({each.n:,} questions)" for each in report.slices or ()]
    lines += [f"- failed: {each.images:,} images: {each.reason}, such as {each.example}" for each in report.failures]
    lines += [f"- {each.step} {each.state}: {each.message}" for each in report.steps if each.state == "failed"]
    return "\n".join(lines).strip() + "\n"


def write(report: Morning, data: Path) -> Path:
    """The page's file below reports/ in the data folder."""
    second = f"{report.due_at:%S}".replace("00", "")  # of a night that somebody began at once
    file = data / "reports" / _folder_name(report.schedule) / f"{report.due_at:%Y-%m-%dT%H%M}{second}Z.html"
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".tmp")
    unfinished.write_text(html(report), encoding="utf-8")
    unfinished.rename(file)
    return file


def _folder_name(schedule: str) -> str:
    """The schedule's name where a file system takes it as it is; else what is left of it and its hash.

    Names in other scripts leave nothing but hyphens, so the hash is what tells them apart.
    """
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", schedule)[:60].lstrip(".")
    return plain if plain == schedule else f"{plain}-{hashlib.sha256(schedule.encode()).hexdigest()[:8]}".lstrip("-")


def send(report: Morning, where: Operation, pause: Callable[[float], None] = time.sleep) -> list[str]:
    """Where it was sent.

    Raises:
        NightError: an address could not be reached, however often it was tried; the others have been served.
    """
    ways: list[tuple[str, Callable[[], None]]] = []
    if where.report_url:
        url = where.report_url
        ways.append(("web hook", lambda: _post(url, report)))
    if where.report_email:
        address = where.report_email
        ways.append((address, lambda: _mail(address, where, report)))
    sent, trouble = [], []
    for name, way in ways:
        error = _tried(way, pause)
        if error:
            logger.warning("report to=%s failed: %s", name, error)
            trouble.append(f"{name}: {error}")
        else:
            sent.append(name)
    if trouble:
        raise NightError(
            f"the report did not reach {'; '.join(trouble)}" + (f" (sent: {', '.join(sent)})" if sent else "")
        )
    return sent


def _tried(way: Callable[[], None], pause: Callable[[float], None]) -> str:
    """The last error in words, without the address, which may hold a secret; "" when it went through."""
    error = ""
    for seconds in (0.0, *PAUSES):
        pause(seconds)
        try:
            way()
        except Exception as problem:  # noqa: BLE001  whatever one way raises, the other is tried too
            told = (getattr(problem, name, None) for name in ("code", "reason", "strerror"))
            reason = " ".join(str(each) for each in told if each)
            error = f"{type(problem).__name__}{f': {reason}' if reason else ''}"
        else:
            return ""
    return error


def _post(url: str, report: Morning) -> None:
    if not url.startswith(("http://", "https://")):
        raise ValueError("a web hook's address begins with http:// or https://")
    request = urllib.request.Request(
        url, reports.as_json(report).encode(), {"Content-Type": "application/json", "User-Agent": "workbench"}
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT):
        pass


def _mail(address: str, where: Operation, report: Morning) -> None:
    """Send it; with the login that the environment names, which is never told to a server that anybody could be."""
    user, password = (os.environ.get(f"{PREFIX}{name}", "") for name in ("USER", "PASSWORD"))
    host, _, port = (where.smtp or "localhost").partition(":")
    number = int(port or _PORTS[where.smtp_tls])
    if user and where.smtp_tls == "none" and host not in ("localhost", "127.0.0.1"):
        raise PermissionError(
            errno.EPERM, "a login needs smtp_tls, else its password goes through the net in the clear"
        )
    message = EmailMessage()
    message["Subject"] = f"{report.schedule}: {report.finding}"[:200].replace("\n", " ")
    message["From"], message["To"] = user if "@" in user else address, address
    message.set_content(text(report))
    message.add_alternative(html(report), subtype="html")
    known = ssl.create_default_context()
    with (
        smtplib.SMTP_SSL(host, number, timeout=TIMEOUT, context=known)
        if where.smtp_tls == "tls"
        else smtplib.SMTP(host, number, timeout=TIMEOUT)
    ) as connection:
        if where.smtp_tls == "starttls":
            connection.starttls(context=known)
        if user:
            connection.login(user, password)
        connection.send_message(message)


def _under(report: Morning) -> str:
    model = "embedded demo model: drawn products only" if report.demo else report.model
    pieces = [
        f"{report.images:,} images, {report.questions:,} questions",
        f"{report.failed:,} failed, {report.invalid:,} invalid",
        f"{report.seconds / 60:.0f} min",
        f"{report.left:,} images wait for the next night" if report.left else "",
        f"{report.caught_up} missed nights caught up" if report.caught_up else "",
        f"{report.disputes_waiting:,} disputes wait",
        f"compared with {report.baseline_images:,} images of {report.baseline_nights} nights",
        model,
    ]
    return " · ".join(piece for piece in pieces if piece)


def _rate_cells(rate: drift.Rate) -> tuple[str, ...]:
    if rate.name in drift.SHARES:
        numbers = (f"{rate.tonight:.1%}", f"{rate.low:.1%}–{rate.high:.1%}", f"{rate.baseline:.1%}")
    else:
        numbers = (f"{rate.tonight:.2f}", f"{rate.low:.2f}–{rate.high:.2f}", f"{rate.baseline:.2f}")
    return (rate.name, *numbers, f"{rate.images:,}")


def _errors(report: Morning) -> str:
    return "" if report.labelled or not report.images else f"<p>{escape(_errors_in_words(report))}</p>"


def _errors_in_words(report: Morning) -> str:
    if not report.truth:
        return "Errors: not measurable; there are no labels, no labelled golden samples and no judged audit cases."
    return "Errors: " + "; ".join(
        f"{each.wrong} of {each.n} {each.source} ({each.low:.1%}–{each.high:.1%})" for each in report.truth
    )


def _table(title: str, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<h2>{escape(title)}</h2><table><tr>{top}</tr>{body}</table>"
