"""The morning report to chats, pagers and phones, through Apprise: which services there are, and a message to one.

A service's address holds its token, so it is no setting: settings are shown and kept. It stands in the file that the
setting `notify` names, an address a line, or in the environment.
"""

from __future__ import annotations

import errno
import importlib
import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from workbench.errors import NightError

ENVIRONMENT = "WORKBENCH_NOTIFY_URLS"
"""Addresses with blanks between them."""
# They take messages of their own form, and answer the report's JSON with an error.
_CHATS = (
    "hooks.slack.com", "webhook.office.com", "logic.azure.com", "powerplatform.com", "discord.com", "discordapp.com",
    "chat.googleapis.com", "events.pagerduty.com",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Service:
    """Something that Apprise can send a message to."""

    name: str  # such as `slack`, `json 2`; holds no secret
    address: str = field(repr=False)


def services(file: Path | None) -> list[Service]:
    """The services of a file, then those of the environment.

    Raises:
        NightError: the file can't be read.
    """
    lines: list[str] = []
    if file is not None:
        try:
            lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            raise NightError(f"notify names {file}, which can't be read: {type(error).__name__}") from None
    addresses = [line for line in lines if line and not line.startswith("#")]
    addresses += os.environ.get(ENVIRONMENT, "").split()
    found: list[Service] = []
    for address in addresses:
        kind = _kind(address)
        same = sum(each.name.split(" ")[0] == kind for each in found)
        found.append(Service(f"{kind} {same + 1}" if same else kind, address))
    return found


def _kind(address: str) -> str:
    """What Apprise calls it, or the host that a chat's web hook is at; nothing after that, it may be a secret."""
    try:
        scheme, host = urlsplit(address).scheme, urlsplit(address).hostname or ""
    except ValueError:
        scheme, host = "", ""
    if scheme in ("http", "https"):
        return next((chat for chat in _CHATS if _is_at(host, chat)), "web hook")
    return scheme or "service"


def is_chat(url: str) -> bool:
    """Whether a web hook is a chat's: those refuse any other JSON than their own."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return any(_is_at(host, chat) for chat in _CHATS)


def _is_at(host: str, domain: str) -> bool:
    return host == domain or host.endswith(f".{domain}")


def send(service: Service, title: str, body: str, *, urgent: bool) -> None:
    """Send a message; what is too long for the service is cut at its end.

    Args:
        service: where to.
        title: one line.
        body: plain text.
        urgent: somebody has to look; pagers and chats show it so.

    Raises:
        NightError: Apprise isn't installed, or doesn't know such an address.
        OSError: the service refused it or could not be reached.
    """
    apprise = _library()
    kind = apprise.NotifyType.WARNING if urgent else apprise.NotifyType.INFO
    sent = plugin(service).notify(
        title=title,
        body=body,
        notify_type=kind,
        body_format=apprise.NotifyFormat.TEXT,
        overflow=apprise.OverflowMode.TRUNCATE,
    )
    if not sent:
        raise OSError(errno.EIO, "the service refused it or can't be reached")


def plugin(service: Service) -> Any:
    """Apprise's plugin for a service's address; a chat's own address of a web hook is known too.

    Raises:
        NightError: Apprise isn't installed, or doesn't know such an address.
    """
    apprise = _library()
    asset = apprise.AppriseAsset(app_id="Workbench", app_desc="Inspection workbench")
    found = apprise.Apprise.instantiate(service.address, asset=asset)
    if found is None:
        raise NightError("Apprise knows no such address; its documentation lists them by service")
    return found


def _library() -> Any:
    try:
        apprise = importlib.import_module("apprise")
    except ImportError:
        raise NightError("it takes Apprise: pip install 'inspection-workbench[notify]'") from None
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # it logs addresses that it can't read, tokens and all
    return apprise
