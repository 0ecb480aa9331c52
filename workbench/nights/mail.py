"""The morning report by mail, through one SMTP server: what is said, a page, and the pictures that the page names.

A login comes from the environment: settings are shown and kept, and a password is neither.
"""

from __future__ import annotations

import errno
import os
import smtplib
import ssl
from collections.abc import Mapping
from email.message import EmailMessage

from workbench.settings import Operation

TIMEOUT = 15.0  # seconds
PREFIX = "WORKBENCH_SMTP_"  # of USER and PASSWORD in the environment
_PORTS = {"none": 25, "starttls": 587, "tls": 465}


def send(where: Operation, subject: str, text: str, page: str, pictures: Mapping[str, bytes]) -> None:
    """Send it; with the login that the environment names, which is never told to a server that anybody could be.

    Args:
        where: to whom, and through which server.
        subject: one line.
        text: for programs that show no pages.
        page: HTML that names its pictures `cid:` and their id.
        pictures: JPEGs by id.

    Raises:
        OSError: the server can't be reached, or a login would go through the net in the clear.
        smtplib.SMTPException: the server refused it.
    """
    address = where.report_email or ""
    user, password = (os.environ.get(f"{PREFIX}{name}", "") for name in ("USER", "PASSWORD"))
    host, _, port = (where.smtp or "localhost").partition(":")
    number = int(port or _PORTS[where.smtp_tls])
    if user and where.smtp_tls == "none" and host not in ("localhost", "127.0.0.1"):
        raise PermissionError(
            errno.EPERM, "a login needs smtp_tls, else its password goes through the net in the clear"
        )
    message = EmailMessage()
    message["Subject"] = subject
    message["From"], message["To"] = user if "@" in user else address, address
    message.set_content(text)
    # Mail programs show no data URIs: each picture is a part of its own, which the page names.
    message.add_alternative(page, subtype="html")
    body = message.get_body(("html",))
    assert body is not None
    for name, jpeg in pictures.items():
        body.add_related(jpeg, "image", "jpeg", cid=f"<{name}>", disposition="inline")
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
