"""What facts of the log cause here: a delivery to every webhook that asked for them."""

from collections.abc import Callable

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.reading import is_visible
from app.articles.rendering import find_cached, render_articles, retry_on_change
from app.articles.site import Site
from app.comments import reading as comments
from app.comments.schemas import SingleCommentOut
from app.core.problems import NotFound
from app.deliveries.outbox import enqueue_deliveries
from app.deliveries.schemas import NewDelivery
from app.events.catalog import (
    ArticlePurged,
    ArticleRetracted,
    ArticleUnpublished,
    CommentRemoved,
    Event,
    LoggedEvent,
    ModerationEvent,
    NoticeEvent,
)
from app.identity.schemas import ANONYMOUS
from app.web import etag
from app.web.responses import dump_json
from app.webhooks.schemas import EVENT_TYPES, PAYLOAD_MEMBERS, is_wanted
from app.webhooks.webhooks import CHANNEL, MessageContent, build_message, create_message_id, list_enabled

_Withdrawal = ArticleUnpublished | ArticleRetracted | ArticlePurged | CommentRemoved


def _ordering_article(event: Event) -> str | None:
    """Return the article whose messages this one keeps its order with; notices have an order of their own."""
    return None if isinstance(event, NoticeEvent) else event.about_article


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


def build_content(session: Session, entry: LoggedEvent, site: Site) -> MessageContent | None:
    """What is sent of a fact; None for one that is not told: its article is not public now, or it is of another kind.

    Nothing but ids, the members that `TOLD` names, and what tells a reader of the API what to fetch and to forget.
    """
    event = entry.event
    if entry.type not in EVENT_TYPES or event is None:
        return None
    connection, kind, payload = session.connection(), entry.type.partition(".")[0], event.payload()
    article_id, tag = _ordering_article(event), None
    if article_id is not None:
        tag = _article_tag(connection, article_id, site)
        if tag is None and not isinstance(event, _Withdrawal | ModerationEvent):
            return None
    if kind == "comment":
        tag = _comment_tag(connection, event.subject_id)
    names = PAYLOAD_MEMBERS.get(entry.type, PAYLOAD_MEMBERS[kind])
    data = {"id": entry.subject_id, **{name: payload[name] for name in names if name in payload}}
    state = {"etag": tag and f'"{tag}"', "position": str(entry.position), "cache_groups": entry.groups}
    return build_message(entry.type, entry.at, data | state)


def prepare_delivery(session: Session, entry: LoggedEvent, site: Site) -> Callable[[str], NewDelivery] | None:
    """What makes the delivery of a fact to a webhook; None for a fact that is not told."""
    content = build_content(session, entry, site)
    if content is None:
        return None
    event = create_message_id(entry.position, entry.at, entry.type, entry.subject_id)
    topic = (entry.event and _ordering_article(entry.event)) or entry.subject_id
    return lambda webhook_id: NewDelivery(
        channel=CHANNEL,
        endpoint=webhook_id,
        event=event,
        what=entry.type,
        content=content,
        topic=topic,
        position=entry.position,
    )


def enqueue_event(session: Session, entry: LoggedEvent, *, site: Site) -> None:
    """Have every enabled webhook told that wants this type and was there when it happened."""
    webhook_ids = [
        row["id"]
        for row in list_enabled(session)
        if is_wanted(row["events"], entry.type, moderation=row["moderation"]) and row["created_at"] <= entry.at
    ]
    if webhook_ids and (prepare := prepare_delivery(session, entry, site)):
        enqueue_deliveries(session, [prepare(webhook_id) for webhook_id in webhook_ids])
