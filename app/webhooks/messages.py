"""Messages of webhooks: which events are sent to which webhooks, and the content of their messages."""

from collections.abc import Iterator, Sequence

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.reading import is_visible
from app.articles.rendering import find_cached, render_articles, retry_on_change
from app.comments import reading as comments
from app.comments.schemas import SingleCommentOut
from app.comments.visibility import Visibility, read_event_visibility
from app.core.problems import NotFound
from app.db.rows import JsonObject
from app.deliveries.outbox import enqueue_deliveries
from app.deliveries.schemas import NewDelivery
from app.events.catalog import (
    ArticlePurged,
    ArticleRetracted,
    ArticleUnpublished,
    CommentRemoved,
    LoggedEvent,
    NoticeEvent,
)
from app.events.staff_events import CommentHeld, CommentPending, EditorialEvent, ModerationEvent
from app.identity.schemas import ANONYMOUS
from app.publication.site import Site
from app.web import etag
from app.web.fields import dump_json
from app.webhooks.schemas import EVENT_TYPES, PAYLOAD_MEMBERS, includes_type
from app.webhooks.webhooks import (
    CHANNEL,
    EnabledWebhook,
    MessageContent,
    build_message,
    create_message_id,
    list_enabled,
    wants,
)

_Withdrawal = ArticleUnpublished | ArticleRetracted | ArticlePurged | CommentRemoved


def _ordering_article(entry: LoggedEvent) -> str | None:
    """Return the article whose messages this one keeps its order with; notices have an order of their own."""
    return None if isinstance(entry.event, NoticeEvent) else entry.article_id


def _topic_of(entry: LoggedEvent) -> str | None:
    """Return what the messages of an event keep their order with.

    What moderators hear of a comment waits for no other comment: under one article many may wait for a decision.
    """
    return (
        entry.subject_id if isinstance(entry.event, ModerationEvent) else _ordering_article(entry) or entry.subject_id
    )


def _article_tag(connection: sa.Connection, article_id: str, site: Site) -> str | None:
    """Return the ETag that anonymous readers get for an article, or None if it is not public."""

    def find(connection: sa.Connection) -> str | None:
        row = find_cached(connection, article_id, site, ("html",))
        if row is None or not is_visible(row, ANONYMOUS):
            return None
        (article,) = render_articles(connection, [row], site, ("html",))
        return etag.make_etag(article.json, article.version)

    return retry_on_change(find)(connection)


def _comment_tag(connection: sa.Connection, comment_id: str) -> str | None:
    """Return the ETag that anonymous readers get for a comment, or None if it is not public."""
    try:
        _, comment = comments.get_comment(connection, comment_id, ANONYMOUS)
    except NotFound:
        return None
    return etag.make_etag(dump_json(SingleCommentOut, comment))


def changes_nothing_public(entry: LoggedEvent) -> bool:
    """Whether no public resource has changed, so that messages about an event need no ETag of one."""
    return isinstance(entry.event, CommentPending | CommentHeld | EditorialEvent)


def _build_data(connection: sa.Connection, entry: LoggedEvent, visibility: Visibility, site: Site) -> JsonObject | None:
    """Return the data of an event's messages; None if it is not sent, because readers do not see its article now.

    Messages contain ids, the members that `PAYLOAD_MEMBERS` names, and what caches need: ETag, position, cache groups.
    """
    event = entry.event
    if entry.type not in EVENT_TYPES or event is None:
        return None
    kind, payload = entry.type.partition(".")[0], event.payload()
    article_id, tag = _ordering_article(entry), None
    is_always_sent = article_id is None or isinstance(event, _Withdrawal | ModerationEvent | EditorialEvent)
    if not is_always_sent and not visibility.has_article(str(article_id)):
        return None
    if changes_nothing_public(entry):
        pass
    elif kind == "comment":
        tag = _comment_tag(connection, event.subject_id)
    elif article_id is not None and visibility.has_article(article_id):
        tag = _article_tag(connection, article_id, site)
    names = PAYLOAD_MEMBERS.get(entry.type, PAYLOAD_MEMBERS[kind])
    data = {"id": entry.subject_id, **{name: payload[name] for name in names if name in payload}}
    state = {"etag": tag and f'"{tag}"', "position": str(entry.position), "cache_groups": entry.groups}
    return data | state


def _build_content(entry: LoggedEvent, data: JsonObject) -> MessageContent:
    content = build_message(entry.type, entry.at, data)
    if entry.request_id is not None:
        content["request_id"] = entry.request_id
    return content


def build_deliveries(
    session: Session, entries: Sequence[tuple[LoggedEvent, Sequence[EnabledWebhook]]], site: Site
) -> Iterator[NewDelivery]:
    """Yield the deliveries of events to webhooks; events that readers do not see are left out.

    The webhooks of administrators are told which person of the staff caused an event.
    """
    connection = session.connection()
    visibility = read_event_visibility(connection, (entry for entry, _ in entries))
    for entry, webhooks in entries:
        data = _build_data(connection, entry, visibility, site)
        if data is None:
            continue
        contents = {
            False: _build_content(entry, data),
            True: _build_content(entry, data | {"person_id": entry.person_id}),
        }
        event = create_message_id(entry.position, entry.at, entry.type, entry.subject_id)
        for webhook in webhooks:
            yield NewDelivery(
                channel=CHANNEL,
                endpoint=webhook["id"],
                event=event,
                what=entry.type,
                content=contents[webhook["names_people"]],
                topic=_topic_of(entry),
                position=entry.position,
            )


def list_wanted_types(connection: sa.Connection) -> frozenset[str]:
    """List the types of events that any enabled webhook wants."""
    webhooks = list_enabled(connection)
    return frozenset(
        name
        for name in (EVENT_TYPES if webhooks else ())
        if any(includes_type(webhook["events"], name) for webhook in webhooks)
    )


def enqueue_events(session: Session, entries: Sequence[LoggedEvent], *, site: Site) -> None:
    """Enqueue messages to every enabled webhook that wants the type of an event, and is older than the event."""
    webhooks = list_enabled(session.connection())
    wanted = []
    for entry in entries:
        recipients = [row for row in webhooks if wants(row, entry) and row["created_at"] <= entry.at]
        if recipients:
            wanted.append((entry, recipients))
    if wanted:
        enqueue_deliveries(session, build_deliveries(session, wanted, site))
