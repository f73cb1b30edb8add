"""What facts of the log cause here: a delivery to every subscriber of a feed that they change.

A feed is sent as it is when it is sent. So what changes within some seconds is told together: at the end of each such
span, which is still to come when a fact is read, so that nothing is told too early.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

from sqlmodel import Session

from app.articles.actions import linked
from app.articles.tables import Article, ArticleAuthor, ArticleTag
from app.deliveries.actions import enqueue_all
from app.deliveries.schemas import NewDelivery
from app.events.schemas import Entry
from app.kit.clock import now
from app.syndication.hub.actions import CHANNEL
from app.syndication.hub.queries import told

SPAN: Final = 5  # seconds
_ARTICLES: Final = frozenset(f"article.{what}" for what in "published updated corrected unpublished retracted".split())
_COMMENTS: Final = frozenset(f"comment.{what}" for what in "published edited removed".split())


def name_of(hub: str) -> str:
    """What another hub is called in deliveries."""
    return f"hub-{sha256(hub.encode()).hexdigest()[:40]}"


def _topics(session: Session, entry: Entry) -> dict[str, list[str | None]]:
    """The feeds that a fact changes."""
    if entry.type in _COMMENTS:
        return {"comments": [entry.payload["article_id"]]}
    article = session.get(Article, entry.subject_id) if entry.type in _ARTICLES else None
    if article is None:
        return {}
    return {
        "site": [None],
        "section": [article.section_id] if article.section_id else [],
        "tag": [*linked(session, ArticleTag, article.id)],
        "author": [*linked(session, ArticleAuthor, article.id)],
    }


def tell(session: Session, entry: Entry, hubs: Sequence[str]) -> None:
    """Have subscribers of the feeds that have changed, and other hubs, told of it."""
    topics = _topics(session, entry)
    if not topics:
        return
    span = int(now().timestamp()) // SPAN + 1
    due_at = datetime.fromtimestamp(span * SPAN, UTC) + timedelta(seconds=0.5)
    what = [(endpoint, "feed.changed") for endpoint in told(session.connection(), topics)]
    what += [(name_of(hub), "publish") for hub in hubs] if "site" in topics else []
    enqueue_all(
        session,
        [
            NewDelivery(
                channel=CHANNEL, endpoint=endpoint, event=f"{kind}:{span}", what=kind, content={}, due_at=due_at
            )
            for endpoint, kind in what
        ],
    )
