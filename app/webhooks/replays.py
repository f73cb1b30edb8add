"""Replays: sending the past events of the log to a webhook again, in batches."""

from datetime import UTC, datetime, timedelta
from typing import Final, TypedDict

import sqlalchemy as sa
from sqlmodel import Session, select

from app.core.clock import format_rfc3339, now, start_of
from app.core.ids import new_id
from app.core.problems import Invalid
from app.db.columns import PAST, table_of
from app.db.rows import get_row
from app.deliveries.outbox import enqueue_deliveries, resend_deliveries
from app.deliveries.schemas import NewDelivery
from app.events.catalog import LoggedEvent
from app.events.log import find_position_before, read_after
from app.events.schemas import Position
from app.identity.audit import record_action as audit
from app.identity.schemas import Actor
from app.publication.site import Site
from app.webhooks.messages import build_deliveries
from app.webhooks.schemas import ReplayIn
from app.webhooks.tables import WebhookReplay
from app.webhooks.webhooks import CHANNEL, DELIVERY, list_enabled, lock_enabled_webhook, wants

BATCH_SIZE: Final = 100  # events per batch
EARLIEST_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)  # no events are older
MAX_SKEW: Final = timedelta(minutes=1)  # events are not strictly ordered by time


def start_replay(session: Session, actor: Actor, webhook_id: str, data: ReplayIn, zone: str) -> str:
    """Start a replay of a part of the log and return its id."""
    row = lock_enabled_webhook(session, actor, webhook_id)
    since, until = start_of(data.since, zone), start_of(data.until, zone)
    if since >= until:
        raise Invalid("`until` must be later than `since`.", pointer="/until")
    start = find_position_before(session.connection(), max(since, EARLIEST_TIME) - MAX_SKEW)
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
    audit(
        session,
        actor,
        "webhook.replay",
        "webhook",
        row.id,
        {"since": format_rfc3339(since), "until": format_rfc3339(until)},
    )
    return replay.id


def continue_replay(session: Session, site: Site) -> int:
    """Continue the oldest replay by a batch; return the number of events read."""
    query = select(WebhookReplay).order_by(sa.asc("created_at"), sa.asc("id")).limit(1)
    replay = session.exec(query.with_for_update(skip_locked=True)).first()
    if replay is None:
        return 0
    webhook = next(iter(list_enabled(session.connection(), replay.webhook_id)), None)
    entries = read_after(session.connection(), Position(replay.xid, replay.seq), BATCH_SIZE) if webhook else []
    if webhook:
        wanted = [entry for entry in entries if replay.since <= entry.at < replay.until and wants(webhook, entry)]
        for delivery in build_deliveries(session, [(entry, [webhook]) for entry in wanted], site):
            _send_again(session, delivery)
    if len(entries) < BATCH_SIZE or _is_past(entries[-1], replay.until):
        session.delete(replay)
    else:
        replay.xid, replay.seq = entries[-1].position
    return max(1, len(entries))


def _is_past(entry: LoggedEvent, until: datetime) -> bool:
    return entry.at - MAX_SKEW > until


def _send_again(session: Session, delivery: NewDelivery) -> None:
    if enqueue_deliveries(session, [delivery]):
        return
    endpoint = delivery.endpoint
    is_delivery = (DELIVERY.c.channel == CHANNEL, DELIVERY.c.endpoint == endpoint, DELIVERY.c.event == delivery.event)
    ids = session.execute(sa.select(DELIVERY.c.id).where(*is_delivery)).scalars().all()
    resend_deliveries(session, channel=CHANNEL, endpoint=endpoint, ids=ids)


_REPLAY = table_of(WebhookReplay)


RUNNING_REPLAY = sa.select(PAST).where(sa.exists().select_from(_REPLAY))
"""Selects that a replay is due, while any is running."""


class ReplayJson(TypedDict):
    """A replay in the shape of `ReplayOut`."""

    id: str
    since: datetime
    until: datetime
    created_at: datetime


def get_replay(connection: sa.Connection, replay_id: str) -> ReplayJson:
    """Return a replay that exists."""
    columns = (_REPLAY.c[name] for name in ReplayJson.__annotations__)
    return get_row(connection, sa.select(*columns).where(_REPLAY.c.id == replay_id), ReplayJson)
