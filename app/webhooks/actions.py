"""Setting up webhooks, and making what they are told."""

import base64
import secrets
from collections.abc import Sequence
from datetime import timedelta
from hashlib import blake2b
from typing import Any, Final

import pydantic_core
import sqlalchemy as sa
import structlog
from sqlmodel import Session

from app.deliveries.actions import cancel, enqueue, mend, send_again
from app.identity.audit.actions import record as audit
from app.identity.schemas import SYSTEM, Actor
from app.kit import etag
from app.kit.addresses import Guard
from app.kit.clock import iso, now
from app.kit.ids import new_id
from app.kit.outgoing import Refused, check
from app.kit.problems import Conflict, Forbidden, Invalid, NotFound
from app.kit.settings import Settings
from app.moderation.events import MODERATION_TYPES
from app.publication.actions import unlimited
from app.webhooks.queries import CHANNEL, DELIVERY, WEBHOOK, shown_to
from app.webhooks.schemas import PING, RotateIn, WebhookIn, WebhookPatch, is_wanted
from app.webhooks.tables import Webhook

MOST: Final = 100
log = structlog.get_logger("broadsheet.webhooks")


class TooManyWebhooks(Conflict):
    """There are as many webhooks as one publication can have."""

    code, title = "too_many_webhooks", "There are too many webhooks"


class WebhookDisabled(Conflict):
    """The webhook is told nothing; enable it first."""

    code, title = "webhook_disabled", "The webhook is disabled"


class DeliveryRunning(Conflict):
    """It is being sent at this moment."""

    code, title = "delivery_running", "It is being sent just now"


def _new_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def _check(url: str, settings: Settings) -> None:
    try:
        check(url, Guard(settings.outgoing_allow))
    except Refused as error:
        raise Invalid(f"The URL is {error}.", pointer="/url", code="url_refused") from None


def _moderation_of(actor: Actor, events: Sequence[str]) -> dict[str, Any]:
    """Whether a webhook whose events this key sets receives those of moderation; 403 where it names one and may not."""
    if actor.may("comments:moderate"):
        is_told = any(is_wanted(events, name, moderation=True) for name in MODERATION_TYPES)
        return {"moderation": is_told, "moderator_id": actor.id if is_told else None}
    if named := sorted(set(MODERATION_TYPES).intersection(events)):
        raise Forbidden(f"{', '.join(named)}: moderation events need a key with the scope comments:moderate.")
    return {"moderation": False, "moderator_id": None}


def locked(session: Session, actor: Actor, webhook_id: str) -> Webhook:
    """A webhook, for a change; 404 without."""
    unlimited(actor)
    row = session.get(Webhook, webhook_id, with_for_update=True)
    if row is None:
        raise NotFound
    return row


def working(session: Session, actor: Actor, webhook_id: str) -> Webhook:
    """The same, if it is told anything."""
    row = locked(session, actor, webhook_id)
    if not row.enabled:
        raise WebhookDisabled
    return row


def create(session: Session, actor: Actor, settings: Settings, data: WebhookIn) -> str:
    """Tell somebody from now on; returns the id."""
    unlimited(actor)
    _check(data.url, settings)
    if session.execute(sa.select(sa.func.count()).select_from(WEBHOOK)).scalar_one() >= MOST:
        raise TooManyWebhooks
    moment = now()
    values = {**data.model_dump(), **_moderation_of(actor, data.events)}
    row = Webhook(id=new_id(), secret=_new_secret(), created_at=moment, updated_at=moment, **values)
    session.add(row)
    audit(session, actor, "webhook.create", "webhook", row.id, {"events": row.events})
    return row.id


def change(
    session: Session,
    actor: Actor,
    settings: Settings,
    webhook_id: str,
    data: WebhookPatch,
    versions: frozenset[int] | None,
) -> str:
    """Change a webhook; another address, or being enabled again, is a fresh start. Returns the id."""
    row = locked(session, actor, webhook_id)
    if row.moderation and not actor.may("comments:moderate"):
        raise Forbidden("This webhook receives moderation events: changing it needs the scope comments:moderate.")
    values = data.model_dump(exclude_unset=True)
    if "events" in values:
        values |= _moderation_of(actor, values["events"])
    names = sorted(name for name, value in values.items() if getattr(row, name) != value)
    etag.check(row.version, versions, names)
    if "url" in names:
        _check(data.url, settings)
    for name in names:
        setattr(row, name, values[name])
    if "url" in names or ("enabled" in names and row.enabled):
        mend(session, channel=CHANNEL, lane=row.id)
    if "enabled" in names:
        row.disabled_at = row.disabled_reason = None
        if not row.enabled:
            cancel(session, channel=CHANNEL, endpoint=row.id)
    if names:
        row.version, row.updated_at = row.version + 1, now()
        audit(session, actor, "webhook.change", "webhook", row.id, {"fields": names})
    return row.id


def delete(session: Session, actor: Actor, webhook_id: str, versions: frozenset[int] | None) -> None:
    """Tell it nothing any more, not even what waits."""
    row = locked(session, actor, webhook_id)
    etag.check(row.version, versions)
    cancel(session, channel=CHANNEL, endpoint=row.id)
    session.delete(row)
    audit(session, actor, "webhook.delete", "webhook", webhook_id, {})


def rotate(session: Session, actor: Actor, webhook_id: str, data: RotateIn, versions: frozenset[int] | None) -> str:
    """Give it a new secret; the former one signs beside it for a while. Returns the id."""
    row = locked(session, actor, webhook_id)
    etag.check(row.version, versions)
    overlap = timedelta(hours=data.overlap_hours)
    row.old_secret, row.old_secret_until = (row.secret, now() + overlap) if overlap else (None, None)
    row.secret = _new_secret()
    row.version, row.updated_at = row.version + 1, now()
    audit(session, actor, "webhook.rotate", "webhook", row.id, {"overlap_hours": data.overlap_hours})
    return row.id


def give_up(session: Session, webhook_id: str, why: str) -> None:
    """Tell it nothing until somebody enables it again."""
    row = session.get(Webhook, webhook_id, with_for_update=True)
    if row is None or not row.enabled:
        return
    row.enabled, row.disabled_at, row.disabled_reason = False, now(), why[:300]
    row.version, row.updated_at = row.version + 1, now()
    audit(session, SYSTEM, "webhook.disable", "webhook", row.id, {"reason": row.disabled_reason})
    log.warning("a webhook was disabled", id=row.id, reason=row.disabled_reason)


def message_id(*parts: object) -> str:
    """The `webhook-id` of an event: made from it, so that whoever is told again knows it again."""
    return f"msg_{blake2b('|'.join(map(str, parts)).encode(), digest_size=16).hexdigest()}"


def message(what: str, at: Any, data: dict[str, Any]) -> dict[str, Any]:
    """What a delivery keeps: the body as it is sent, the same bytes at every attempt."""
    return {"body": pydantic_core.to_json({"type": what, "timestamp": iso(at), "data": data}).decode()}


def ping(session: Session, actor: Actor, webhook_id: str) -> str:
    """Send a test message, whatever events are asked for; returns the delivery's id."""
    row = working(session, actor, webhook_id)
    event = message_id(PING, new_id())
    content = message(PING, now(), {"id": row.id})
    enqueue(session, channel=CHANNEL, endpoint=row.id, event=event, what=PING, content=content)
    sent = (DELIVERY.c.channel == CHANNEL, DELIVERY.c.endpoint == row.id, DELIVERY.c.event == event)
    return str(session.execute(sa.select(DELIVERY.c.id).where(*sent)).scalar_one())


def redeliver(session: Session, actor: Actor, webhook_id: str, delivery_id: str) -> str:
    """Send a message once more; returns the delivery's id."""
    row = working(session, actor, webhook_id)
    known = (DELIVERY.c.channel == CHANNEL, DELIVERY.c.endpoint == row.id, DELIVERY.c.id == delivery_id)
    if session.execute(sa.select(DELIVERY.c.id).where(*known, shown_to(actor))).first() is None:
        raise NotFound
    if not send_again(session, channel=CHANNEL, endpoint=row.id, ids=[delivery_id]):
        raise DeliveryRunning
    audit(session, actor, "webhook.redeliver", "webhook", row.id, {"delivery": delivery_id})
    return delivery_id
