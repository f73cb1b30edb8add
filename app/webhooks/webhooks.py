"""Reading, changing and disabling webhooks, and their deliveries."""

import base64
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from hashlib import blake2b
from typing import Final, NamedTuple, NotRequired, TypedDict, cast

import pydantic_core
import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import Session

from app.core.clock import format_rfc3339, now
from app.core.ids import new_id
from app.core.logs import get_logger
from app.core.network_addresses import Guard
from app.core.problems import Conflict, Forbidden, Invalid, NotFound
from app.core.settings import Settings
from app.db.columns import table_of
from app.db.prepared import Prepared
from app.db.rows import JsonObject, fetch_row, get_row, lock_row
from app.deliveries.outbox import cancel_deliveries, enqueue, resend_deliveries, reset_lane
from app.deliveries.schemas import NewDelivery, State
from app.deliveries.tables import Delivery, DeliveryLane
from app.events.catalog import EVENTS, LoggedEvent
from app.events.staff_events import EDITORIAL_TYPES, MODERATION_TYPES, EditorialEvent
from app.identity.audit import record_action as audit
from app.identity.schemas import SYSTEM, Actor, Grant, Scope, Sections, join_sections, limit_grants
from app.identity.tables import ApiKey
from app.net.outgoing import TargetRefused, check_target
from app.people.grants import find_grants_of_owner, find_person
from app.publication.section_tree import find_descendants
from app.publication.terms import require_all_sections
from app.web import etag
from app.web.paging import Page, PageQuery, Sort, fetch_page, map_page
from app.webhooks.schemas import TEST_EVENT, DeliveryQuery, RotateIn, WebhookIn, WebhookPatch, includes_type
from app.webhooks.tables import Webhook

CHANNEL = "webhook"
NO_SECTIONS: Final = frozenset[str]()
WEBHOOK, DELIVERY, LANE = table_of(Webhook), table_of(Delivery), table_of(DeliveryLane)
NEWEST = Sort("-created_at", descending=True)
_HEALTH_COLUMNS = [LANE.c.failing_since, LANE.c.succeeded_at, LANE.c.failed_at]
_SECRET_COLUMNS = {"secret", "old_secret"}
_KEY = table_of(ApiKey)
_MODERATOR_COLUMNS = ("scopes", "sections", "revoked_at", "expires_at", "person_id")
_KEY_COLUMNS = [_KEY.c[name].label(f"key_{name}") for name in _MODERATOR_COLUMNS]
_WEBHOOK_WITH_KEY = WEBHOOK.outerjoin(_KEY, _KEY.c.id == WEBHOOK.c.moderator_id)
# The name of a lane is the text of the webhook's id, which PostgreSQL stores as a UUID.
_IS_OWN_LANE = (LANE.c.channel == CHANNEL) & (LANE.c.name == sa.cast(WEBHOOK.c.id, sa.String))
_SELECT_WEBHOOKS = sa.select(
    *(column for column in WEBHOOK.c if column.key not in _SECRET_COLUMNS),
    sa.func.coalesce(LANE.c.failures, 0).label("failures"),
    *_HEALTH_COLUMNS,
    *_KEY_COLUMNS,
).select_from(_WEBHOOK_WITH_KEY.outerjoin(LANE, _IS_OWN_LANE))


class _Setter(TypedDict):
    """The key or person that set the events of a webhook, if they may moderate or are an administrator."""

    moderator_id: str | None
    key_scopes: list[str] | None
    key_sections: list[str] | None
    key_revoked_at: datetime | None
    key_expires_at: datetime | None
    key_person_id: str | None


class WebhookJson(TypedDict):
    """A webhook in the shape of `WebhookOut`."""

    id: str
    url: str
    events: list[str]
    description: str
    moderation: bool
    editorial: bool
    enabled: bool
    disabled_at: datetime | None
    disabled_reason: str | None
    old_secret_until: datetime | None
    failures: int
    failing_since: datetime | None
    succeeded_at: datetime | None
    failed_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime


class _WebhookRow(WebhookJson, _Setter):
    """A row of `_SELECT_WEBHOOKS`."""


class EnabledWebhook(TypedDict):
    """What decides which events are sent to a webhook."""

    id: str
    events: list[str]
    moderation: bool
    draft_sections: Sections  # whose editorial events are sent; None: all
    names_people: bool
    created_at: datetime


class _EnabledRow(_Setter):
    """A row of an enabled webhook."""

    id: str
    events: list[str]
    moderation: bool
    editorial: bool
    created_at: datetime


class SigningWebhook(TypedDict):
    """The columns that are needed to send a message."""

    url: str
    enabled: bool
    secret: str
    old_secret: str | None
    old_secret_until: datetime | None


class MessageContent(TypedDict):
    """Content of a delivery: the body of its message, the same bytes at every attempt, and the request behind it."""

    body: str
    request_id: NotRequired[str]


class _DeliveryRow(TypedDict):
    """A row of `_SELECT_DELIVERIES`."""

    id: str
    event: str
    type: str
    state: State
    attempts: int
    status: int | None
    error: str
    answer: str
    content: MessageContent
    created_at: datetime
    attempted_at: datetime | None
    due_at: datetime | None
    finished_at: datetime | None


_SELECT_DELIVERIES = sa.select(
    *(DELIVERY.c[name] for name in _DeliveryRow.__annotations__ if name != "type"), DELIVERY.c.what.label("type")
)


def _find_setter_grants(connection: sa.Connection, row: _Setter) -> tuple[Grant, ...]:
    """Return what the key or person that set a webhook's events may do now."""
    if row["key_scopes"] is None:  # it is no key
        person = find_person(connection, row["moderator_id"]) if row["moderator_id"] else None
        return () if person is None else person.grants
    is_expired = row["key_expires_at"] is not None and row["key_expires_at"] <= now()
    if row["key_revoked_at"] is not None or is_expired:
        return ()
    sections: Sections = None
    if row["key_sections"] is not None:
        sections = frozenset(find_descendants(connection, row["key_sections"]))
    own = Grant(frozenset(row["key_scopes"]), sections)
    if row["key_person_id"] is None:
        return (own,)
    return limit_grants(own, find_grants_of_owner(connection, row["key_person_id"]) or ())


def _allows_everywhere(grants: Sequence[Grant], scope: Scope) -> bool:
    return any(grant.sections is None and grant.allows(scope) for grant in grants)


class _Permissions(NamedTuple):
    """Which events for the staff may be sent to a webhook now."""

    moderation: bool
    draft_sections: Sections
    names_people: bool


def _find_permissions(connection: sa.Connection, row: _WebhookRow | _EnabledRow) -> _Permissions:
    """Return what may be sent to a webhook, by what its setter may do now."""
    grants = _find_setter_grants(connection, row)
    may_moderate = row["moderation"] and _allows_everywhere(grants, "comments:moderate")
    draft_sections = join_sections(grant for grant in grants if grant.reads_drafts and row["editorial"])
    return _Permissions(may_moderate, draft_sections, _allows_everywhere(grants, "admin"))


def wants(webhook: EnabledWebhook, entry: LoggedEvent) -> bool:
    """Whether a webhook is to be told of an event, and may be."""
    event = entry.event
    if isinstance(event, EditorialEvent) and not event.is_open_to(webhook["draft_sections"]):
        return False
    if entry.type in MODERATION_TYPES and not webhook["moderation"]:
        return False
    return includes_type(webhook["events"], entry.type)


def _present_webhook(connection: sa.Connection, row: _WebhookRow) -> WebhookJson:
    """Shape a row as `WebhookOut`."""
    members = {name: value for name, value in row.items() if not name.startswith("key_") and name != "moderator_id"}
    may = _find_permissions(connection, row)
    return cast(WebhookJson, members | {"moderation": may.moderation, "editorial": may.draft_sections != NO_SECTIONS})


def list_webhooks(connection: sa.Connection, actor: Actor, query: PageQuery) -> Page[WebhookJson]:
    """List webhooks, newest first; 403 for callers who manage them in some sections only."""
    require_all_sections(actor, "webhooks:manage")
    page = fetch_page(connection, _SELECT_WEBHOOKS, NEWEST, WEBHOOK.c.created_at, query, _WebhookRow)
    return map_page(page, partial(_present_webhook, connection))


def get_webhook(connection: sa.Connection, webhook_id: str) -> WebhookJson:
    """Return a webhook; 404 if missing."""
    row = fetch_row(connection, _SELECT_WEBHOOKS.where(WEBHOOK.c.id == webhook_id), _WebhookRow)
    if row is None:
        raise NotFound
    return _present_webhook(connection, row)


def read_webhook(connection: sa.Connection, actor: Actor, webhook_id: str) -> WebhookJson:
    """Return a webhook to a caller; 403 for those who manage them in some sections only."""
    require_all_sections(actor, "webhooks:manage")
    return get_webhook(connection, webhook_id)


def get_webhook_with_secret(connection: sa.Connection, webhook_id: str) -> JsonObject:
    """Return a webhook with its secret, in the shape of `NewWebhookOut`."""
    secret = connection.execute(sa.select(WEBHOOK.c.secret).where(WEBHOOK.c.id == webhook_id)).scalar_one()
    return {**get_webhook(connection, webhook_id), "secret": secret}


_IS_NAMED = WEBHOOK.c.id == sa.bindparam("webhook_id", type_=WEBHOOK.c.id.type)
_SIGNING: Prepared[SigningWebhook] = Prepared(
    sa.select(*(WEBHOOK.c[name] for name in SigningWebhook.__annotations__)).where(_IS_NAMED)
)
_SELECT_ENABLED = (
    sa.select(
        *(WEBHOOK.c[name] for name in ("id", "events", "moderation", "editorial", "created_at", "moderator_id")),
        *_KEY_COLUMNS,
    )
    .select_from(_WEBHOOK_WITH_KEY)
    .where(WEBHOOK.c.enabled)
)
_ENABLED: Prepared[_EnabledRow] = Prepared(_SELECT_ENABLED)
_ENABLED_ONE: Prepared[_EnabledRow] = Prepared(_SELECT_ENABLED.where(_IS_NAMED))


def find_webhook(connection: sa.Connection, webhook_id: str) -> SigningWebhook | None:
    """Return the URL and the secrets of a webhook, or None."""
    return _SIGNING.row(connection, {"webhook_id": webhook_id})


def list_enabled(connection: sa.Connection, webhook_id: str | None = None) -> list[EnabledWebhook]:
    """List enabled webhooks, or the one with this id if it is enabled."""
    statement = _ENABLED if webhook_id is None else _ENABLED_ONE
    enabled: list[EnabledWebhook] = []
    for row in statement.rows(connection, {"webhook_id": webhook_id}):
        may = _find_permissions(connection, row)
        enabled.append(
            {
                "id": row["id"],
                "events": row["events"],
                "moderation": may.moderation,
                "draft_sections": may.draft_sections,
                "names_people": may.names_people,
                "created_at": row["created_at"],
            }
        )
    return enabled


def may_send(connection: sa.Connection, webhook_id: str, event_type: str, body: str) -> bool:
    """Whether the message of an event for the staff may still be sent: its webhook may have lost the permission."""
    webhook = next(iter(list_enabled(connection, webhook_id)), None)
    if webhook is None or event_type in MODERATION_TYPES:
        return webhook is not None and webhook["moderation"]
    data = pydantic_core.from_json(body)["data"]
    if data.keys().isdisjoint(("section_id", "section_ids")):  # its article was erased meanwhile
        return webhook["draft_sections"] is None
    event = EVENTS[event_type].from_payload(data["id"], data)
    return isinstance(event, EditorialEvent) and event.is_open_to(webhook["draft_sections"])


def _present_delivery(row: _DeliveryRow) -> JsonObject:
    """Shape a row as `DeliveryOut`."""
    return {
        **row,
        "payload": pydantic_core.from_json(row["content"]["body"]),
        "next_attempt_at": row["due_at"] if row["state"] == "waiting" else None,
    }


def is_visible_to(actor: Actor) -> ColumnElement[bool]:
    """Build the SQL condition for deliveries that a caller may see: those of moderation events need
    `comments:moderate` for all sections, editorial ones the right to read the drafts of all.
    """
    hidden = () if actor.may_in("comments:moderate", None) else MODERATION_TYPES
    return DELIVERY.c.what.not_in((*hidden, *(() if actor.reads_drafts_in(None) else EDITORIAL_TYPES)))


def list_deliveries(connection: sa.Connection, actor: Actor, webhook_id: str, query: DeliveryQuery) -> Page[JsonObject]:
    """List a webhook's deliveries, newest first."""
    read_webhook(connection, actor, webhook_id)
    statement = _SELECT_DELIVERIES.where(
        DELIVERY.c.channel == CHANNEL, DELIVERY.c.endpoint == webhook_id, is_visible_to(actor)
    )
    if query.state is not None:
        statement = statement.where(DELIVERY.c.state == query.state)
    page = fetch_page(connection, statement, NEWEST, DELIVERY.c.created_at, query, _DeliveryRow, within=webhook_id)
    return map_page(page, _present_delivery)


def get_delivery(connection: sa.Connection, delivery_id: str) -> JsonObject:
    """Return a delivery that exists."""
    return _present_delivery(get_row(connection, _SELECT_DELIVERIES.where(DELIVERY.c.id == delivery_id), _DeliveryRow))


MAX_WEBHOOKS: Final = 100
log = get_logger("broadsheet.webhooks")


class TooManyWebhooks(Conflict, code="too_many_webhooks", title="There are too many webhooks"):
    """The publication has reached the maximum number of webhooks."""


class WebhookDisabled(Conflict, code="webhook_disabled", title="The webhook is disabled"):
    """The webhook is disabled; enable it first."""


class DeliveryRunning(Conflict, code="delivery_running", title="The delivery is being sent"):
    """The delivery is being sent; try again later."""


def _create_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def _check_url(url: str, settings: Settings) -> None:
    try:
        check_target(url, Guard(settings.outgoing_allow))
    except TargetRefused as error:
        raise Invalid(f"The URL is {error}.", pointer="/url", code="url_refused") from None


def _permit_events(actor: Actor, events: Sequence[str]) -> JsonObject:
    """Return the columns that allow events for the staff among these, and say who set them.

    403 if the caller may not request such events.
    """
    may_moderate = actor.may_in("comments:moderate", None)
    if not may_moderate and (denied := sorted(set(MODERATION_TYPES).intersection(events))):
        raise Forbidden(f"{', '.join(denied)}: moderation events need the scope comments:moderate.")
    if not actor.reads_drafts and (denied := sorted(set(EDITORIAL_TYPES).intersection(events))):
        raise Forbidden(f"{', '.join(denied)}: editorial events need the scope content:read.")
    moderation = may_moderate and any(includes_type(events, name) for name in MODERATION_TYPES)
    editorial = actor.reads_drafts and any(includes_type(events, name) for name in EDITORIAL_TYPES)
    is_named = moderation or editorial or actor.may_in("admin", None)
    return {"moderation": moderation, "editorial": editorial, "moderator_id": actor.id if is_named else None}


def lock_webhook(session: Session, actor: Actor, webhook_id: str) -> Webhook:
    """Lock a webhook for a change; 404 if missing."""
    require_all_sections(actor, "webhooks:manage")
    return lock_row(session, Webhook, webhook_id)


def lock_enabled_webhook(session: Session, actor: Actor, webhook_id: str) -> Webhook:
    """Lock an enabled webhook; 409 if it is disabled."""
    row = lock_webhook(session, actor, webhook_id)
    if not row.enabled:
        raise WebhookDisabled
    return row


def create_webhook(session: Session, actor: Actor, settings: Settings, data: WebhookIn) -> str:
    """Create a webhook and return its id."""
    require_all_sections(actor, "webhooks:manage")
    _check_url(data.url, settings)
    if session.execute(sa.select(sa.func.count()).select_from(WEBHOOK)).scalar_one() >= MAX_WEBHOOKS:
        raise TooManyWebhooks
    moment = now()
    values = {**data.model_dump(), **_permit_events(actor, data.events)}
    row = Webhook(id=new_id(), secret=_create_secret(), created_at=moment, updated_at=moment, **values)
    session.add(row)
    audit(session, actor, "webhook.create", "webhook", row.id, {"events": row.events})
    return row.id


def update_webhook(
    session: Session,
    actor: Actor,
    settings: Settings,
    webhook_id: str,
    data: WebhookPatch,
    versions: frozenset[int] | None,
) -> str:
    """Update a webhook and return its id. A new URL, or enabling it again, resets its circuit breaker.

    Who sets the URL or the events is asked what may be sent there: else a webhook that an administrator made would
    tell the person behind each event to any address that others put in.
    """
    row = lock_webhook(session, actor, webhook_id)
    if row.moderation and not actor.may_in("comments:moderate", None):
        raise Forbidden("This webhook receives moderation events. Changing it requires the scope comments:moderate.")
    if row.editorial and row.moderator_id != actor.id and not actor.reads_drafts_in(None):
        raise Forbidden("This webhook receives editorial events. Changing it requires content:read for all sections.")
    values = data.model_dump(exclude_unset=True)
    if "events" in values or values.get("url", row.url) != row.url:
        values |= _permit_events(actor, values.get("events", row.events))  # of whoever says where messages go
    names = sorted(name for name, value in values.items() if getattr(row, name) != value)
    etag.check_version(row.version, versions, names)
    if "url" in names:
        _check_url(data.url, settings)
    for name in names:
        setattr(row, name, values[name])
    if "url" in names or ("enabled" in names and row.enabled):
        reset_lane(session, channel=CHANNEL, lane=row.id)
    if "enabled" in names:
        row.disabled_at = row.disabled_reason = None
        if not row.enabled:
            cancel_deliveries(session, channel=CHANNEL, endpoint=row.id)
    if names:
        row.version, row.updated_at = row.version + 1, now()
        audit(session, actor, "webhook.change", "webhook", row.id, {"fields": names})
    return row.id


def delete_webhook(session: Session, actor: Actor, webhook_id: str, versions: frozenset[int] | None) -> None:
    """Delete a webhook and cancel its waiting deliveries."""
    row = lock_webhook(session, actor, webhook_id)
    etag.check_version(row.version, versions)
    cancel_deliveries(session, channel=CHANNEL, endpoint=row.id)
    session.delete(row)
    audit(session, actor, "webhook.delete", "webhook", webhook_id, {})


def rotate_secret(
    session: Session, actor: Actor, webhook_id: str, data: RotateIn, versions: frozenset[int] | None
) -> str:
    """Rotate the secret and return the id. Messages are signed with both secrets during the overlap."""
    row = lock_webhook(session, actor, webhook_id)
    etag.check_version(row.version, versions)
    overlap = timedelta(hours=data.overlap_hours)
    row.old_secret, row.old_secret_until = (row.secret, now() + overlap) if overlap else (None, None)
    row.secret = _create_secret()
    row.version, row.updated_at = row.version + 1, now()
    audit(session, actor, "webhook.rotate", "webhook", row.id, {"overlap_hours": data.overlap_hours})
    return row.id


def disable_webhook(session: Session, webhook_id: str, reason: str) -> None:
    """Disable a webhook because of failures."""
    row = session.get(Webhook, webhook_id, with_for_update=True)
    if row is None or not row.enabled:
        return
    row.enabled, row.disabled_at, row.disabled_reason = False, now(), reason[:300]
    row.version, row.updated_at = row.version + 1, now()
    audit(session, SYSTEM, "webhook.disable", "webhook", row.id, {"reason": row.disabled_reason})
    log.warning("a webhook was disabled", id=row.id, reason=row.disabled_reason)


def create_message_id(*parts: object) -> str:
    """Return the `webhook-id` of an event, derived from it so that receivers recognize repetitions."""
    return f"msg_{blake2b('|'.join(map(str, parts)).encode(), digest_size=16).hexdigest()}"


def build_message(event_type: str, at: datetime, data: JsonObject) -> MessageContent:
    """Build the message of an event as Standard Webhooks has it."""
    return {"body": pydantic_core.to_json({"type": event_type, "timestamp": format_rfc3339(at), "data": data}).decode()}


def send_test(session: Session, actor: Actor, webhook_id: str) -> str:
    """Enqueue a test message, regardless of the webhook's events, and return the delivery's id."""
    row = lock_enabled_webhook(session, actor, webhook_id)
    event = create_message_id(TEST_EVENT, new_id())
    content = build_message(TEST_EVENT, now(), {"id": row.id})
    enqueue(session, NewDelivery(channel=CHANNEL, endpoint=row.id, event=event, what=TEST_EVENT, content=content))
    is_delivery = (DELIVERY.c.channel == CHANNEL, DELIVERY.c.endpoint == row.id, DELIVERY.c.event == event)
    return str(session.execute(sa.select(DELIVERY.c.id).where(*is_delivery)).scalar_one())


def redeliver_message(session: Session, actor: Actor, webhook_id: str, delivery_id: str) -> str:
    """Send a delivery again and return its id."""
    row = lock_enabled_webhook(session, actor, webhook_id)
    is_delivery = (DELIVERY.c.channel == CHANNEL, DELIVERY.c.endpoint == row.id, DELIVERY.c.id == delivery_id)
    if session.execute(sa.select(DELIVERY.c.id).where(*is_delivery, is_visible_to(actor))).first() is None:
        raise NotFound
    if not resend_deliveries(session, channel=CHANNEL, endpoint=row.id, ids=[delivery_id]):
        raise DeliveryRunning
    audit(session, actor, "webhook.redeliver", "webhook", row.id, {"delivery": delivery_id})
    return delivery_id
