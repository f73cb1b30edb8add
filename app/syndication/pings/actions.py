"""The channel: asking callbacks what they want, sending them feeds, and telling other hubs."""

import asyncio
import hmac
import secrets
from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Final
from urllib.parse import urlencode

import structlog
from sqlmodel import Session

from app.deliveries.schemas import ANSWER, Claimed, Outcome
from app.events.schemas import Position
from app.kit.addresses import Guard
from app.kit.db import Database
from app.kit.ids import is_id
from app.kit.outgoing import Answer, CallFailed, Outgoing, Refused
from app.kit.problems import NotFound, Unavailable
from app.kit.schema import Row
from app.kit.settings import Settings
from app.syndication.hub.actions import CHANNEL, confirm, end, note_sent, refuse, spread
from app.syndication.hub.queries import addresses, render, request, subscription
from app.syndication.hub.schemas import Feeds, name_of
from app.syndication.schemas import HUB, Publication

SCHEDULE: Final = (5.0, 60.0, 300.0, 1800.0, 7200.0, 21600.0)
TIMEOUT: Final = 15.0  # seconds
PATIENCE: Final = timedelta(days=3)  # of nothing but failures
GONE, BUSY = 410, 429
KEPT: Final = 16  # feeds that are kept while they are sent
NOT_SEEN: Final = "readers no longer see the feed"
log = structlog.get_logger("broadsheet.syndication")
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


def judged(answer: Answer) -> Outcome:
    """What an answer to content means (WebSub §7): 2xx took it, 410 wants no more, all else is tried again."""
    if 200 <= answer.status < 300:
        return Outcome("delivered", answer.status)
    if answer.status == GONE:
        return Outcome("dead", GONE, "the subscriber answered 410 Gone", disable=True)
    return Outcome("retry", answer.status, f"status {answer.status}", retry_after=answer.retry_after)


def question(row: Row, mode: str, **more: str) -> str:
    """The address by which a callback is asked, or told that it is denied; its own query stays."""
    asked = {"hub.mode": mode, "hub.topic": row["topic"], **{f"hub.{name}": value for name, value in more.items()}}
    return f"{row['callback']}{'&' if '?' in row['callback'] else '?'}{urlencode(asked)}"


def headers(row: Row, here: Publication, body: bytes, media_type: str) -> dict[str, str]:
    """What goes with a feed (WebSub §7 and §8)."""
    found = {"Content-Type": media_type, "Link": f'<{here.api}{HUB}>; rel="hub", <{row["topic"]}>; rel="self"'}
    if row["secret"]:
        found["X-Hub-Signature"] = f"sha256={hmac.new(row['secret'].encode(), body, 'sha256').hexdigest()}"
    return found


class _Press:
    """Feeds as they are now, each made once for all its subscribers."""

    def __init__(self, here: Publication) -> None:
        self._here, self._lock = here, asyncio.Lock()
        self._kept: dict[tuple[str, str | None, str], tuple[Position, tuple[bytes, str]]] = {}

    async def made(self, db: Database, row: Row, position: Position) -> tuple[bytes, str]:
        """A feed and its media type; a problem where readers no longer see it."""
        key = (row["kind"], row["target_id"], row["form"])
        async with self._lock:
            kept = self._kept.get(key)
            if kept is None or kept[0] != position:
                if len(self._kept) >= KEPT:
                    self._kept.clear()
                kept = self._kept[key] = position, await db.scan(render, row, self._here, position)
            return kept[1]


class HubChannel:
    """How deliveries of the hub are sent: subscribers only on the public internet, hubs where the operator says."""

    name = CHANNEL
    schedule = SCHEDULE
    timeout = TIMEOUT + 10.0  # with the store, and making the feed
    patience = PATIENCE

    def __init__(self, settings: Settings) -> None:
        self._here = Publication.of(settings)
        self._press = _Press(self._here)
        self._hubs = {name_of(hub): hub for hub in settings.websub_hubs}
        self._outgoing, self._free = Outgoing(Guard(settings.outgoing_allow)), Outgoing(None)

    async def send(self, db: Database, piece: Claimed) -> Outcome:
        """One attempt."""
        ways = {"verify": self._verify, "spread": self._spread, "publish": self._publish}
        try:
            return await ways.get(piece.what, self._content)(db, piece)
        except Refused as error:
            if piece.what == "verify":
                await db.write(refuse, piece.endpoint)
            return Outcome("dead", error=str(error))
        except CallFailed as error:
            return Outcome("retry", error=str(error))
        except Unavailable:
            return Outcome("retry", error="a replica of the store is behind", at_fault=False)

    async def _verify(self, db: Database, piece: Claimed) -> Outcome:
        """Ask a callback whether it really wants what was asked for in its name (WebSub §5.3)."""
        row, position = await db.fresh(request, piece.endpoint)
        if row is None:
            return Outcome("cancelled", error="the request was answered or is too old")
        more = {"challenge": secrets.token_urlsafe(32)}
        if row["mode"] == "subscribe":
            more["lease_seconds"] = str(row["lease_seconds"])
            try:
                await self._press.made(db, row, position)
            except NotFound:
                await self._deny(row)
                await db.write(refuse, row["id"])
                return Outcome("cancelled", error=NOT_SEEN)
        answer = await self._call("GET", question(row, row["mode"], **more))
        if 200 <= answer.status < 300 and hmac.compare_digest(answer.body, more["challenge"].encode()):
            await db.write(confirm, row["id"])
            return Outcome("delivered", answer.status)
        if answer.status >= 500 or answer.status == BUSY:
            return Outcome("retry", answer.status, f"status {answer.status}", retry_after=answer.retry_after)
        await db.write(refuse, row["id"])
        return Outcome("dead", answer.status, "the callback did not confirm", at_fault=False)

    async def _deny(self, row: Row) -> None:
        """Tell a callback that it is not, or no longer, told (WebSub §5.2)."""
        await self._call("GET", question(row, "denied", reason="There is no such feed any more."))

    async def _spread(self, db: Database, piece: Claimed) -> Outcome:
        """Have everybody told who subscribes to some feeds, a few hundred in a transaction."""
        feeds, after = Feeds.of(piece.content["feeds"]), None
        while (after := await db.write(spread, feeds, piece.event, after)) is not None:
            pass
        return Outcome("delivered")

    async def _content(self, db: Database, piece: Claimed) -> Outcome:
        """Send a feed as it is now, unless the subscriber has it (WebSub §7)."""
        row, position = await db.fresh(subscription, piece.endpoint)
        if row is None:
            return Outcome("cancelled", error="the subscription has ended")
        try:
            body, media_type = await self._press.made(db, row, position)
        except NotFound:
            await self._deny(row)
            await db.write(end, row["id"])
            return Outcome("cancelled", error=NOT_SEEN)
        digest = sha256(body).hexdigest()
        if row["sent"] == digest:
            return Outcome("cancelled", error="the subscriber has the feed as it is")
        outcome = judged(await self._call("POST", row["callback"], headers(row, self._here, body, media_type), body))
        if outcome.result == "delivered":
            await db.write(note_sent, row["id"], digest)
        return outcome

    async def _publish(self, db: Database, piece: Claimed) -> Outcome:
        """Tell another hub that some feeds have changed; it fetches them."""
        hub = self._hubs.get(piece.endpoint)
        if hub is None:
            return Outcome("cancelled", error="that hub is no longer in the settings")
        urls = await db.scan(addresses, Feeds.of(piece.content["feeds"]), self._here)
        if not urls:
            return Outcome("cancelled", error=NOT_SEEN)
        body = urlencode([("hub.mode", "publish"), *(("hub.url", url) for url in urls)]).encode()
        answer = await self._free.call(
            "POST", hub, timeout=TIMEOUT, headers=_FORM.items(), content=body, most=ANSWER, cut=True
        )
        return judged(answer)._replace(disable=False)

    async def _call(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, content: bytes = b""
    ) -> Answer:
        sent = (headers or {}).items()
        return await self._outgoing.call(
            method, url, timeout=TIMEOUT, headers=sent, content=content, most=ANSWER, cut=True
        )

    def disabled(self, session: Session, endpoint: str, why: str) -> None:
        """Whoever wants nothing, or cannot be reached for days, is no subscriber; hubs stay in the settings."""
        if is_id(endpoint):
            log.info("a subscriber of the hub was given up", subscription=endpoint, why=why)
            end(session, endpoint)

    async def stop(self) -> None:
        """Close the connections."""
        await self._outgoing.stop()
        await self._free.stop()
