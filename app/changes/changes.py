"""Reading the log as the public may know it.

Facts are stated when something is public; by the time they are read it may no longer be. So what is to be read again
is told only while readers can see it: whatever hid it stands later in the log, and whatever shows it again as well.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from types import UnionType
from typing import Any, NamedTuple

import sqlalchemy as sa

from app.articles.discussion_settings import RULE_COLUMNS, join_discussion
from app.articles.reading import ARTICLE, AUTHOR, MEDIA
from app.articles.tables import SITE_ID
from app.changes.schemas import EXPORT, MEANINGS, CursorExpired, decode, encode
from app.comments.reading import C
from app.core.problems import InvalidParameter, Unavailable
from app.db.columns import table_of
from app.events.catalog import (
    AnchorChanged,
    AnchorsResolved,
    ArticleEvent,
    ArticlePurged,
    ArticleRetracted,
    ArticleUnpublished,
    CommentEdited,
    CommentEvent,
    CommentPublished,
    CommentRemoved,
    CommentVoted,
    DiscussionChanged,
    Event,
    LoggedEvent,
    MediaChanged,
    MediaDeleted,
    NoticeChanged,
    NoticeDeleted,
)
from app.events.log import find_batch_end, logged_events, pruned_position, settled_position
from app.events.schemas import Position
from app.events.tables import Event as EventRow

MOST_READ = 1000  # facts that one page looks through for what was asked for
MOST_BYTES = 262_144  # of one page: reasons can be long
_EVENT = table_of(EventRow)
_IDS = sa.bindparam("ids", expanding=True, type_=ARTICLE.c.id.type)
_STATE = next(column for column in RULE_COLUMNS if column.key == "set_state")
_ARTICLES = (
    sa.select(ARTICLE.c.id, _STATE)
    .select_from(join_discussion(ARTICLE, tally=False))
    .where(ARTICLE.c.id.in_(_IDS), ARTICLE.c.public)
)
_COMMENTS = sa.select(C.c.id).where(C.c.id.in_(_IDS), C.c.state == "published")
SHOWN = sa.exists().where(ARTICLE.c.image_id == MEDIA.c.id, ARTICLE.c.public) | sa.exists().where(
    AUTHOR.c.image_id == MEDIA.c.id
)
_PICTURES = sa.select(MEDIA.c.id).where(MEDIA.c.id.in_(_IDS), SHOWN)


def _place(name: str) -> Any:
    return sa.tuple_(*(sa.bindparam(f"{name}_{part}", type_=sa.BigInteger()) for part in ("xid", "seq")))


@lru_cache(64)
def _facts(types: frozenset[str]) -> sa.Select[Any]:
    here = sa.tuple_(_EVENT.c.xid, _EVENT.c.seq)
    kinds = sorted(name for name, meaning in MEANINGS.items() if meaning.type in types)
    found = sa.select(_EVENT).where(here > _place("from"), here <= _place("to"), _EVENT.c.type.in_(kinds))
    return found.order_by(_EVENT.c.xid, _EVENT.c.seq).limit(sa.bindparam("most", type_=sa.BigInteger()))


class _Seen(NamedTuple):
    """What of the things that a page speaks of readers see right now."""

    articles: set[str]
    discussions: set[str]  # of these articles, those whose comments are shown
    comments: set[str]
    pictures: set[str]


def _find(connection: sa.Connection, query: sa.Select[Any], ids: Iterable[str | None]) -> Sequence[Any]:
    wanted = sorted({found for found in ids if found is not None})
    return connection.execute(query, {"ids": wanted}).all() if wanted else []


def _seen(connection: sa.Connection, events: Sequence[LoggedEvent]) -> _Seen:
    """Read what readers see of the subjects of these events, with one statement for each kind."""

    def subjects(kind: type[Event] | UnionType) -> Iterator[str | None]:
        return (each.subject_id for each in events if isinstance(each.event, kind))

    articles = _find(connection, _ARTICLES, (each.about_article for each in events))
    comments = _find(connection, _COMMENTS, subjects(CommentEvent))
    pictures = _find(connection, _PICTURES, subjects(MediaChanged | MediaDeleted))
    return _Seen(
        {row.id for row in articles},
        {row.id for row in articles if row.set_state != "hidden"},
        {row.id for row in comments},
        {row.id for row in pictures},
    )


def _is_still_visible(event: Event, seen: _Seen) -> bool:
    """Return whether readers see now what the event reports; what takes something away may always be told."""
    match event:
        case ArticleUnpublished() | ArticleRetracted() | ArticlePurged():
            return True
        case CommentRemoved(article_id=article_id):
            return article_id in seen.articles and article_id in seen.discussions
        case CommentPublished() | CommentEdited() | CommentVoted():
            is_shown = event.article_id in seen.articles and event.article_id in seen.discussions
            return is_shown and event.subject_id in seen.comments
        case MediaChanged(subject_id=picture):
            return picture in seen.pictures
        case _:
            return event.about_article is None or event.about_article in seen.articles


def _parent(event: Event) -> dict[str, Any] | None:
    """Return what the subject belongs to, in the shape of `ChangeParentOut`."""
    match event:
        case NoticeChanged() | NoticeDeleted():
            return {"type": event.scope, "id": event.target_id}
        case DiscussionChanged():
            return {"type": event.scope, "id": None if event.subject_id == SITE_ID else event.subject_id}
        case AnchorChanged() | AnchorsResolved() | CommentPublished() | CommentEdited() | CommentRemoved():
            return {"type": "article", "id": event.about_article}
        case CommentVoted():
            return {"type": "article", "id": event.article_id}
        case _:
            return None


def present(logged: LoggedEvent, event: Event) -> dict[str, Any]:
    """Return an event in the shape of `ChangeOut`."""
    meaning, parent = MEANINGS[logged.type], _parent(event)
    change: dict[str, Any] = {
        "position": str(logged.position),
        "type": meaning.type,
        "op": meaning.op,
        "id": parent["id"] if parent and meaning.type == "discussion" else event.subject_id,
        "of": parent,
        "revision": None,
        "at": logged.at,
        "reason": None,
        "status": None,
    }
    match event:
        case ArticleUnpublished():
            change |= {"reason": event.reason, "status": 404}
        case ArticleRetracted():
            change |= {"reason": event.reason, "status": 451 if event.legal else 410}
    if isinstance(event, ArticleEvent):
        change["revision"] = event.revision
    return change


def start(connection: sa.Connection, log: str, cursor: str | None, *, is_replica: bool = False) -> Position:
    """Where a follower goes on: 410 if what comes next has been pruned, 400 for a place that this log has not reached.

    A replica may not have come so far yet: 503.
    """
    kept = pruned_position(connection)
    if cursor is None:
        return kept
    position = decode(log, cursor)
    if position < kept:
        detail = f"What came next is no longer kept: read {EXPORT} and go on from the cursor in its first line."
        raise CursorExpired(detail, headers={"Link": f'<{EXPORT}>; rel="alternate"'})
    if position > settled_position(connection):
        if is_replica:
            raise Unavailable("That position is not visible here yet.")
        raise InvalidParameter("cursor", f"This log has not come so far; begin with {EXPORT}.")
    return position


def page(connection: sa.Connection, begin: Position, log: str, types: frozenset[str], limit: int) -> dict[str, Any]:
    """A page of the changes after a position, in the shape of `ChangesOut`."""
    end, more = find_batch_end(connection, begin, MOST_READ)
    places = {"from_xid": begin.xid, "from_seq": begin.seq, "to_xid": end.xid, "to_seq": end.seq}
    facts = logged_events(connection.execute(_facts(types), {**places, "most": limit + 1}))
    seen, size = _seen(connection, facts), 0
    told: list[dict[str, Any]] = []
    for fact in facts[:limit]:
        if fact.event is not None and _is_still_visible(fact.event, seen):
            change = present(fact, fact.event)
            size += 400 + 4 * len(change["reason"] or "")
            if told and size > MOST_BYTES:
                break
            told.append(change)
        begin = fact.position
    else:
        begin = begin if len(facts) > limit else end
    next_ = encode(log, begin)
    more = more or begin < end
    return {"data": told, "page": {"next": next_, "limit": limit, "total": None, "more": more}}
