"""One connection to a Label Studio: every call tried again with growing pauses, errors in words without secrets.

Only this module meets the SDK. The SDK would repeat a failed import by itself, and an import that failed may have been
carried out all the same; so its own retries are off, and a repeated import first asks which keys are there (`push.py`).

Label Studio's errors carry request data in their text. Ours say what was asked, where, and what to do; nothing that
came over the wire but a status and a short reason, and never a token.
"""

from __future__ import annotations

import logging
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

from workbench.backoff import LONGEST, Backoff
from workbench.errors import BrokenAnswer, ServerRefused, ServerUnreachable
from workbench.review.labelstudio.task import TokenKind, token_kind

logger = logging.getLogger(__name__)
R = TypeVar("R")

PAGE = 500  # tasks asked for at once
PATIENCE = 60.0  # seconds of trying again before giving up
TIMEOUT = 20.0  # seconds for one answer
TRIES = 2  # at something that may be broken by one item of it, before the items are asked for one by one
_TRY_AGAIN = frozenset({408, 409, 425, 429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Address:
    """Where Label Studio is and what opens it."""

    url: str
    token: str = field(repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ServerRefused("Label Studio's address must look like http://127.0.0.1:8080")
        if parts.username or parts.password or parts.query:
            raise ServerRefused(
                "Label Studio's address must hold no name, password or token; those have a place of their own"
            )


class Transport:
    """What opens a server, and how it is asked."""

    def __init__(self, address: Address, patience: float = PATIENCE, timeout: float = TIMEOUT) -> None:
        self.url = address.url.rstrip("/")
        self._token = address.token
        self.patience = patience
        self._timeout = timeout
        self._made: Any = None

    @property
    def kind(self) -> TokenKind:
        """Which of Label Studio's two kinds of token opens it."""
        return token_kind(self._token)

    def fetch(self, address: str) -> bytes:
        """What a reviewer's browser would get for a picture's address.

        Raises:
            ServerRefused: not served; the message says what that usually means.
        """
        import httpx

        if urlsplit(address).scheme not in ("", "http", "https"):
            raise ServerRefused(
                f"{urlsplit(address).scheme}:// pictures are signed by Label Studio for each view; open one there"
            )
        local = address.startswith("/")
        try:
            access = {"Authorization": self._authorization()} if local else {}
            answer = httpx.get(self.url + address if local else address, headers=access, timeout=self._timeout)
        except (httpx.HTTPError, ValueError) as error:
            raise ServerUnreachable(f"no answer for a picture from {self.url}: {type(error).__name__}") from None
        kind = answer.headers.get("content-type", "")
        if answer.status_code != 200 or not kind.startswith("image/"):
            raise ServerRefused(
                f"{address} came back as {answer.status_code} {kind or 'nothing'}: its folder needs a local storage "
                "registered in the project, below the server's LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT"
            )
        return answer.content

    def _authorization(self) -> str:
        if self.kind == "legacy":
            return f"Token {self._token}"
        import httpx

        answer = httpx.post(f"{self.url}/api/token/refresh", json={"refresh": self._token}, timeout=self._timeout)
        return f"Bearer {answer.json().get('access', '')}"

    def _one(self, what: str, ask: Callable[[Any, Mapping[str, object]], R]) -> R | None:
        """One thing, or None when it is gone."""
        try:
            found: R = self._call(what, ask, tries=TRIES)
        except ServerRefused as error:
            if getattr(error.__cause__, "status_code", None) == 404:
                return None
            raise
        return found

    def _pages(self, project_id: int, **asked: Any) -> Iterator[Any]:
        page = 1
        while True:
            found = self._page(project_id, page, PAGE, **asked)
            yield from found
            if len(found) < PAGE:
                return
            page += 1

    def _page(self, project_id: int, page: int, size: int, tries: int | None = None, **asked: Any) -> list[Any]:
        def ask(sdk: Any, options: Mapping[str, object]) -> list[Any]:
            pager = sdk.tasks.list(project=project_id, page=page, page_size=size, request_options=options, **asked)
            return list(pager.items or [])

        try:
            found: list[Any] = self._call(f"page {page} of project {project_id}'s tasks", ask, tries=tries)
        except ServerRefused as error:
            if page > 1 and getattr(error.__cause__, "status_code", None) == 404:
                return []  # the page after the last
            raise
        return found

    def _call(
        self,
        what: str,
        ask: Callable[[Any, Mapping[str, object]], R],
        again: Callable[[], R | int | None] | None = None,
        tries: int | None = None,
    ) -> Any:
        """The answer, tried again while the server fails.

        Args:
            what: is asked for, in words.
            ask: with the SDK's client and the options of a request.
            again: looks, before a repetition, whether the last try was carried out after all.
            tries: after which a broken answer is given up, where the caller can do without; None tries on.
        """
        backoff = Backoff(self.patience)
        while True:
            try:
                return self._once(what, ask)
            except ServerUnreachable as error:
                pause = backoff.pause(_asked_pause(error))
                if isinstance(error, BrokenAnswer) and tries is not None:
                    if backoff.tries >= tries:
                        raise
                    time.sleep(0.2)
                    continue
                if pause is None:
                    raise
                logger.warning("labelstudio try=%d pause=%.1f %s", backoff.tries, pause, error)
                time.sleep(pause)
                found = again() if again else None
                if found is not None:
                    return found

    def _once(self, what: str, ask: Callable[[Any, Mapping[str, object]], R]) -> R:
        import httpx
        from label_studio_sdk.core.api_error import ApiError

        try:
            return ask(self._sdk(), {"max_retries": 0, "timeout": self._timeout})
        except httpx.HTTPError as error:
            if isinstance(error, httpx.ReadTimeout):  # as over one huge text among what was asked for
                raise self._unreachable(what, "it took too long", BrokenAnswer) from None
            why = "it took too long" if isinstance(error, httpx.TimeoutException) else type(error).__name__
            raise self._unreachable(what, why) from None
        except ApiError as error:
            raise self._refusal(what, error) from error
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            why = f"its answer can't be read ({type(error).__name__})"
            raise self._unreachable(what, why, BrokenAnswer) from error

    def _unreachable(self, what: str, why: str, kind: type[ServerUnreachable] = ServerUnreachable) -> ServerUnreachable:
        return kind(
            f"Label Studio at {self.url} gave no answer when asked for {what}: {why}. Nothing is lost; see that it "
            "runs (`workbench labelstudio up`) and give the same command again"
        )

    def _refusal(self, what: str, error: Any) -> ServerUnreachable | ServerRefused:
        status = int(error.status_code or 0)
        if status == 500:
            return self._unreachable(what, "status 500", BrokenAnswer)
        if status in _TRY_AGAIN or status >= 500 or status == 0:
            return self._unreachable(what, f"status {status}")
        if status in (401, 403):
            return ServerRefused(
                f"Label Studio at {self.url} doesn't take the {self.kind} token ({status}): copy a new one from "
                "Account & Settings there, and see that this kind of token is enabled for the organisation"
            )
        if status == 404:
            return ServerRefused(
                f"Label Studio at {self.url} has no {what} (404): it was deleted, or this token may not see it"
            )
        return ServerRefused(f"Label Studio at {self.url} refused {what} ({status}): {_detail(error.body)}")

    def _sdk(self) -> Any:
        if self._made is None:
            import httpx
            from label_studio_sdk import LabelStudio as Sdk

            client = httpx.Client(timeout=self._timeout, follow_redirects=True)
            self._made = Sdk(  # type: ignore[no-untyped-call]
                base_url=self.url, api_key=self._token, timeout=self._timeout, httpx_client=client
            )
            weakref.finalize(self._made, client.close)
        return self._made


def _asked_pause(error: ServerUnreachable) -> float:
    """Seconds the server asked to wait (Retry-After), bounded."""
    headers = getattr(error.__cause__, "headers", None) or {}
    text = str(headers.get("retry-after", ""))
    return min(float(text), 2 * LONGEST) if text.isdigit() else 0.0


def _detail(body: object) -> str:
    """The server's reason, short; of a validation error only which field and why."""
    if isinstance(body, Mapping):
        told = body.get("validation_errors") or body.get("detail") or "no reason given"
        return str(told)[:200]
    return str(body)[:200]
