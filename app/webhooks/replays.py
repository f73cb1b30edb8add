"""Asking for a replay, and carrying it out piece by piece."""

from datetime import UTC, datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session, select

from app.articles.site import Site
from app.core.clock import iso, now, starts_at
from app.core.ids import new_id
from app.core.problems import Invalid
from app.db.columns import table_of
from app.deliveries.outbox import enqueue_all, send_again
from app.events.catalog import LoggedEvent
from app.events.log import before, read_after
from app.events.schemas import Position
from app.identity.audit import record_action as audit
from app.identity.schemas import Actor
from app.webhooks.messages import delivery_of
from app.webhooks.schemas import ReplayIn, is_wanted
from app.webhooks.tables import WebhookReplay
from app.webhooks.webhooks import CHANNEL, DELIVERY, enabled, working

STEP: Final = 100  # facts at a time
EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)  # nothing was noted before
SKEW: Final = timedelta(minutes=1)  # facts are not quite in the order of their times


def ask(session: Session, actor: Actor, webhook_id: str, data: ReplayIn, zone: str) -> str:
    """Have a part of the log told again; returns the id of the replay."""
    row = working(session, actor, webhook_id)
    since, until = starts_at(data.since, zone), starts_at(data.until, zone)
    if since >= until:
        raise Invalid("until must be later than since.", pointer="/until")
    start = before(session.connection(), max(since, EARLIEST) - SKEW)
    replay = WebhookReplay(
        id=new_id(),
        webhook_id=row.id,
        since=since,
        until=until,
        xid=start.xid,
        seq=start.seq,
        created_at=now(),
    )
    session.add(replay)
    audit(session, actor, "webhook.replay", "webhook", row.id, {"since": iso(since), "until": iso(until)})
    return replay.id


def proceed(session: Session, site: Site) -> int:
    """Take the oldest replay a step further; returns how many facts were looked at."""
    query = select(WebhookReplay).order_by(sa.asc("created_at"), sa.asc("id")).limit(1)
    replay = session.exec(query.with_for_update(skip_locked=True)).first()
    if replay is None:
        return 0
    webhook = next(iter(enabled(session, replay.webhook_id)), None)
    entries = read_after(session.connection(), Position(replay.xid, replay.seq), STEP) if webhook else []
    for entry in entries:
        if (
            webhook
            and replay.since <= entry.at < replay.until
            and is_wanted(webhook["events"], entry.type, moderation=webhook["moderation"])
        ):
            _again(session, webhook["id"], entry, site)
    if len(entries) < STEP or _is_over(entries[-1], replay.until):
        session.delete(replay)
    else:
        replay.xid, replay.seq = entries[-1].position
    return max(1, len(entries))


def _is_over(entry: LoggedEvent, until: datetime) -> bool:
    return entry.at - SKEW > until


def _again(session: Session, webhook_id: str, entry: LoggedEvent, site: Site) -> None:
    made = delivery_of(session, entry, site)
    if made is None or enqueue_all(session, [new := made(webhook_id)]):
        return
    known = (DELIVERY.c.channel == CHANNEL, DELIVERY.c.endpoint == webhook_id, DELIVERY.c.event == new.event)
    ids = session.execute(sa.select(DELIVERY.c.id).where(*known)).scalars().all()
    send_again(session, channel=CHANNEL, endpoint=webhook_id, ids=ids)


_REPLAY = table_of(WebhookReplay)


def is_asked(connection: sa.Connection) -> bool:
    """Whether any replay is under way."""
    return connection.execute(sa.select(_REPLAY.c.id).limit(1)).first() is not None


def shown(connection: sa.Connection, replay_id: str) -> sa.RowMapping:
    """One replay that was just asked for."""
    return connection.execute(sa.select(_REPLAY).where(_REPLAY.c.id == replay_id)).mappings().one()
