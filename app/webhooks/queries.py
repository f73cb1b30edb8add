"""Reading webhooks and their deliveries."""

from typing import Any

import pydantic_core
import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import Session

from app.deliveries.tables import Delivery, DeliveryLane
from app.identity.keys.tables import ApiKey
from app.identity.schemas import Actor
from app.kit.clock import now
from app.kit.paging import PageQuery, Sort, fetch
from app.kit.problems import NotFound
from app.kit.schema import Row, table_of
from app.moderation.events import MODERATION_TYPES
from app.webhooks.schemas import DeliveryQuery
from app.webhooks.tables import Webhook

CHANNEL = "webhook"
WEBHOOK, DELIVERY, LANE = table_of(Webhook), table_of(Delivery), table_of(DeliveryLane)
NEWEST = Sort("-created_at", descending=True)
_HEALTH = [LANE.c.failing_since, LANE.c.succeeded_at, LANE.c.failed_at]
_SECRET = {"secret", "old_secret", "moderator_id"}
_KEY = table_of(ApiKey)
_MODERATOR = ("scopes", "sections", "revoked_at", "expires_at")
_KEY_COLUMNS = [_KEY.c[name].label(f"key_{name}") for name in _MODERATOR]
_WITH_KEY = WEBHOOK.outerjoin(_KEY, _KEY.c.id == WEBHOOK.c.moderator_id)
# A lane is named by the text of an id, which PostgreSQL keeps as a UUID.
_OWN_LANE = (LANE.c.channel == CHANNEL) & (LANE.c.name == sa.cast(WEBHOOK.c.id, sa.String))
_SHOWN = sa.select(
    *(column for column in WEBHOOK.c if column.key not in _SECRET),
    sa.func.coalesce(LANE.c.failures, 0).label("failures"),
    *_HEALTH,
    *_KEY_COLUMNS,
).select_from(_WITH_KEY.outerjoin(LANE, _OWN_LANE))
_SENT: list[Any] = [
    DELIVERY.c[name] for name in "id event state attempts status error answer created_at attempted_at".split()
]
_SENT += [DELIVERY.c.finished_at, DELIVERY.c.what.label("type"), DELIVERY.c.content, DELIVERY.c.due_at]


def _with_moderation(row: Row) -> dict[str, Any]:
    """A webhook's row whose `moderation` holds now: the key that chose its events may still moderate everywhere."""
    out = dict(row)
    scopes, sections, revoked_at, expires_at = (out.pop(f"key_{name}") for name in _MODERATOR)
    is_good = revoked_at is None and (expires_at is None or expires_at > now()) and sections is None
    out["moderation"] = out["moderation"] and is_good and not {"comments:moderate", "admin"}.isdisjoint(scopes or ())
    return out


def page(connection: sa.Connection, asked: PageQuery) -> dict[str, Any]:
    """A page of webhooks, newest first."""
    found = fetch(connection, _SHOWN, NEWEST, WEBHOOK.c.created_at, asked)
    return {**found, "data": [_with_moderation(row) for row in found["data"]]}


def by_id(connection: sa.Connection, webhook_id: str) -> dict[str, Any]:
    """One webhook; 404 without."""
    row = connection.execute(_SHOWN.where(WEBHOOK.c.id == webhook_id)).mappings().first()
    if row is None:
        raise NotFound
    return _with_moderation(row)


def with_secret(connection: sa.Connection, webhook_id: str) -> dict[str, Any]:
    """One webhook that was just written, with its secret."""
    secret = connection.execute(sa.select(WEBHOOK.c.secret).where(WEBHOOK.c.id == webhook_id)).scalar_one()
    return {**by_id(connection, webhook_id), "secret": secret}


def whole(connection: sa.Connection, webhook_id: str) -> Row | None:
    """One webhook with its secrets, or None."""
    return connection.execute(sa.select(WEBHOOK).where(WEBHOOK.c.id == webhook_id)).mappings().first()


def enabled(session: Session, webhook_id: str | None = None) -> list[dict[str, Any]]:
    """All that are to be told, or one of them."""
    columns = (WEBHOOK.c.id, WEBHOOK.c.events, WEBHOOK.c.moderation, WEBHOOK.c.created_at, *_KEY_COLUMNS)
    found = sa.select(*columns).select_from(_WITH_KEY).where(WEBHOOK.c.enabled)
    if webhook_id is not None:
        found = found.where(WEBHOOK.c.id == webhook_id)
    return [_with_moderation(row) for row in session.execute(found).mappings()]


def _present(row: Row) -> dict[str, Any]:
    out = dict(row)
    out["payload"] = pydantic_core.from_json(out.pop("content")["body"])
    due = out.pop("due_at")
    out["next_attempt_at"] = due if row["state"] == "waiting" else None
    return out


def shown_to(actor: Actor) -> ColumnElement[bool]:
    """The deliveries that a key may see: those of moderation events need `comments:moderate`."""
    return sa.true() if actor.may("comments:moderate") else DELIVERY.c.what.not_in(MODERATION_TYPES)


def deliveries(connection: sa.Connection, actor: Actor, webhook_id: str, asked: DeliveryQuery) -> dict[str, Any]:
    """A page of what a webhook was sent or is to be sent, newest first."""
    by_id(connection, webhook_id)
    query = sa.select(*_SENT).where(DELIVERY.c.channel == CHANNEL, DELIVERY.c.endpoint == webhook_id, shown_to(actor))
    if asked.state is not None:
        query = query.where(DELIVERY.c.state == asked.state)
    found = fetch(connection, query, NEWEST, DELIVERY.c.created_at, asked, within=webhook_id)
    found["data"] = [_present(row) for row in found["data"]]
    return found


def delivery(connection: sa.Connection, delivery_id: str) -> dict[str, Any]:
    """One delivery that was just written."""
    return _present(connection.execute(sa.select(*_SENT).where(DELIVERY.c.id == delivery_id)).mappings().one())
