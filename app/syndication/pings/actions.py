"""The channel: asking callbacks what they want, sending them feeds, and telling other hubs."""

import hmac
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Final
from urllib.parse import urlencode

import structlog
from sqlmodel import Session

from app.deliveries.schemas import ANSWER, Claimed, Outcome
from app.kit.addresses import Guard
from app.kit.db import Database
from app.kit.outgoing import Answer, CallFailed, Outgoing, Refused
from app.kit.problems import Problem
from app.kit.schema import Row
from app.kit.settings import Settings
from app.syndication.formats.entries import FORMATS
from app.syndication.hub.actions import CHANNEL, confirm, end, refuse
from app.syndication.hub.queries import render, request, subscription
from app.syndication.pings.handlers import name_of
from app.syndication.schemas import HUB, Publication

SCHEDULE: Final = (5.0, 60.0, 300.0, 1800.0, 7200.0, 21600.0)
TIMEOUT: Final = 15.0  # seconds
PATIENCE: Final = timedelta(days=3)  # of nothing but failures
GONE: Final = 410
log = structlog.get_logger("broadsheet.syndication")
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


def judged(answer: Answer) -> Outcome:
    """What an answer to content means (WebSub §7): 2xx took it, 410 wants no more, all else is tried again."""
    if 200 <= answer.status < 300:
        return Outcome("delivered", answer.status)
    if answer.status == GONE:
        return Outcome("dead", GONE, "the subscriber answered 410 Gone", disable=True)
    return Outcome("retry", answer.status, f"status {answer.status}", retry_after=answer.retry_after)


def question(row: Row, challenge: str) -> str:
    """The address by which a callback is asked; its own query stays."""
    asked = {"hub.mode": row["mode"], "hub.topic": row["topic"], "hub.challenge": challenge}
    if row["mode"] == "subscribe":
        asked["hub.lease_seconds"] = row["lease_seconds"]
    return f"{row['callback']}{'&' if '?' in row['callback'] else '?'}{urlencode(asked)}"


def headers(row: Row, here: Publication, body: bytes, media_type: str) -> dict[str, str]:
    """What goes with a feed (WebSub §7 and §8)."""
    found = {"Content-Type": media_type, "Link": f'<{here.api}{HUB}>; rel="hub", <{row["topic"]}>; rel="self"'}
    if row["secret"]:
        found["X-Hub-Signature"] = f"sha256={hmac.new(row['secret'].encode(), body, 'sha256').hexdigest()}"
    return found


class HubChannel:
    """How deliveries of the hub are sent: subscribers only on the public internet, hubs where the operator says."""

    name = CHANNEL
    schedule = SCHEDULE
    timeout = TIMEOUT + 10.0  # with the store, and making the feed
    patience = PATIENCE

    def __init__(self, settings: Settings) -> None:
        self._here = Publication.of(settings)
        self._hubs = {name_of(hub): hub for hub in settings.websub_hubs}
        self._outgoing, self._free = Outgoing(Guard(settings.outgoing_allow)), Outgoing(None)

    async def send(self, db: Database, piece: Claimed) -> Outcome:
        """One attempt."""
        try:
            if piece.what == "verify":
                return await self._verify(db, piece)
            return await (self._publish(piece) if piece.what == "publish" else self._content(db, piece))
        except Refused as error:
            return Outcome("dead", error=str(error))
        except CallFailed as error:
            return Outcome("retry", error=str(error))

    async def _verify(self, db: Database, piece: Claimed) -> Outcome:
        """Ask a callback whether it really wants what was asked for in its name (WebSub §5.3)."""
        row = await db.write(request, piece.endpoint)  # not from a replica, which may not have it yet
        if row is None:
            return Outcome("cancelled", error="the request was answered or is too old")
        challenge = secrets.token_urlsafe(32)
        answer = await self._call("GET", question(row, challenge), most=ANSWER)
        if 200 <= answer.status < 300 and hmac.compare_digest(answer.body, challenge.encode()):
            await db.write(confirm, row["id"])
            return Outcome("delivered", answer.status)
        if answer.status >= 500 or answer.status == 429:
            return Outcome("retry", answer.status, f"status {answer.status}", retry_after=answer.retry_after)
        await db.write(refuse, row["id"])
        return Outcome("dead", answer.status, "the callback did not confirm", at_fault=False)

    async def _content(self, db: Database, piece: Claimed) -> Outcome:
        """Send a feed as it is now (WebSub §7)."""
        row = await db.write(subscription, piece.endpoint)
        if row is None:
            return Outcome("cancelled", error="the subscription has ended")
        try:
            body, media_type = await db.scan(render, row, self._here)
        except Problem:
            return Outcome("cancelled", error="readers no longer see the feed")
        return judged(await self._call("POST", row["callback"], headers(row, self._here, body, media_type), body))

    async def _publish(self, piece: Claimed) -> Outcome:
        """Tell another hub that the feeds of the site have changed; it fetches them."""
        hub = self._hubs.get(piece.endpoint)
        if hub is None:
            return Outcome("cancelled", error="that hub is no longer in the settings")
        urls = [("hub.url", f"{self._here.api}/feeds/site.{form}") for form in FORMATS]
        body = urlencode([("hub.mode", "publish"), *urls]).encode()
        answer = await self._free.call(
            "POST", hub, timeout=TIMEOUT, headers=_FORM.items(), content=body, most=ANSWER, cut=True
        )
        return judged(answer)._replace(disable=False)

    async def _call(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, content: bytes = b"", most: int = 0
    ) -> Answer:
        return await self._outgoing.call(
            method,
            url,
            timeout=TIMEOUT,
            headers=(headers or {}).items(),
            content=content,
            most=most or ANSWER,
            cut=True,
        )

    def disabled(self, session: Session, endpoint: str, why: str) -> None:
        """Whoever wants nothing, or cannot be reached for days, is no subscriber; hubs stay in the settings."""
        if endpoint not in self._hubs:
            log.info("a subscriber of the hub was given up", subscription=endpoint, why=why)
            end(session, endpoint)

    async def stop(self) -> None:
        """Close the connections."""
        await self._outgoing.stop()
        await self._free.stop()
