"""What facts of the log cause here: the feeds that they change are noted, to be looked at when things are quiet.

A feed is sent as it is when it is sent. So what changes within some seconds is told together: at the end of each such
span, which is still to come when a fact is read, so that nothing is told too early. Who subscribes is found out then.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlmodel import Session

from app.articles.actions import linked
from app.articles.tables import Article, ArticleAuthor, ArticleTag
from app.deliveries.actions import enqueue_all
from app.deliveries.schemas import NewDelivery
from app.events.schemas import Entry
from app.kit.clock import now
from app.publication.events import EVERYTHING
from app.publication.sections.closure import find_ancestors
from app.syndication.hub.actions import CHANNEL
from app.syndication.hub.queries import has_subscribers, subscribed
from app.syndication.hub.schemas import TERMS, Feeds, name_of

SPAN: Final = 5  # seconds
GRACE: Final = 1  # second that the clocks of a worker and of a courier may differ by
_SITE: Final = Feeds("site")
_ARTICLES: Final = frozenset(
    f"article.{what}"
    for what in "published updated corrected correction_changed correction_withdrawn unpublished retracted".split()
)
_COMMENTS: Final = frozenset(f"comment.{what}" for what in "published edited removed".split())
_LINKS: Final = {"section": "section", "tags": "tag", "authors": "author"}  # fields of an article, and kinds of feeds


def _of_article(session: Session, entry: Entry) -> Iterator[Feeds]:
    article = session.get(Article, entry.subject_id)
    if article is None:
        return
    yield _SITE
    yield Feeds("comments", article.id)
    if article.section_id:
        yield from (Feeds("section", section_id) for section_id in find_ancestors(session, article.section_id))
    yield from (Feeds("tag", tag) for tag in linked(session, ArticleTag, article.id))
    yield from (Feeds("author", author) for author in linked(session, ArticleAuthor, article.id))


def _of_former(entry: Entry) -> Iterator[Feeds]:
    """Where an article stood before is not remembered: what it may have left is all of a kind."""
    for field, kind in _LINKS.items():
        if field in entry.payload.get("fields", ()):
            yield Feeds(kind)  # type: ignore[arg-type]


def _changed(session: Session, entry: Entry) -> Iterator[Feeds]:
    """The feeds that a fact may change; who has it as it is now is not sent it again."""
    subject, kind = entry.subject_id, entry.type.partition(".")[0]
    if entry.type in _COMMENTS:
        yield Feeds("comments", entry.payload["article_id"])
    elif entry.type in _ARTICLES:
        yield from _of_article(session, entry)
        yield from _of_former(entry)
    elif entry.type == "discussion.changed":
        if entry.payload["scope"] == "article":
            yield from _of_article(session, entry)
        else:
            yield from (_SITE, Feeds("comments"), *(Feeds(term) for term in TERMS))
    elif EVERYTHING in entry.groups:
        if kind in TERMS:
            yield Feeds(kind, subject)  # type: ignore[arg-type]
        yield from (_SITE, *(Feeds(term) for term in TERMS))


def tell(session: Session, entry: Entry, hubs: Sequence[str]) -> None:
    """Have subscribers of the feeds that may have changed, and other hubs, told of it at the end of this span."""
    connection = session.connection()
    if not hubs and not has_subscribers(connection):
        return
    feeds = list(_changed(session, entry))
    span = int(now().timestamp()) // SPAN + 1
    due_at = datetime.fromtimestamp(span * SPAN, UTC) + timedelta(seconds=GRACE)
    own = [(one.name, "spread") for one in subscribed(connection, feeds)]
    places = [one.name for one in feeds if one.kind != "comments" and (one.target_id or one == _SITE)]
    other = [(name_of(hub), f"publish {place}") for hub in hubs for place in places]
    enqueue_all(
        session,
        [
            NewDelivery(
                channel=CHANNEL,
                endpoint=endpoint,
                event=f"{what}:{span}",
                what=what.partition(" ")[0],
                content={"feeds": what.partition(" ")[2] or endpoint},
                due_at=due_at,
                lane="spread" if what == "spread" else None,
            )
            for endpoint, what in own + other
        ],
    )
