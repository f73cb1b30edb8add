"""Reading the log as the public may know it.

Facts are stated when something is public; by the time they are read it may no longer be. So what is to be read again
is told only while readers can see it: whatever hid it stands later in the log, and whatever shows it again as well.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from app.articles.discussion_settings import RULE_COLUMNS, join_discussion
from app.articles.reading import ARTICLE, AUTHOR, MEDIA
from app.articles.tables import SITE_ID
from app.changes.schemas import EXPORT, MEANINGS, CursorExpired, decode, encode
from app.comments.reading import C
from app.core.problems import InvalidParameter, Unavailable
from app.db.columns import Row, table_of
from app.events.log import forgotten, settled, stretch
from app.events.schemas import Position
from app.events.tables import Event

MOST_READ = 1000  # facts that one page looks through for what was asked for
MOST_BYTES = 262_144  # of one page: reasons can be long
_EVENT = table_of(Event)
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
    found = sa.select(_EVENT.c.xid, _EVENT.c.seq, _EVENT.c.type, _EVENT.c.subject_id, _EVENT.c.at, _EVENT.c.payload)
    found = found.where(here > _place("from"), here <= _place("to"), _EVENT.c.type.in_(kinds))
    return found.order_by(_EVENT.c.xid, _EVENT.c.seq).limit(sa.bindparam("most", type_=sa.BigInteger()))


class _Seen(NamedTuple):
    """What of the things that a page speaks of readers see right now."""

    articles: set[str]
    discussions: set[str]  # of these articles, those whose comments are shown
    comments: set[str]
    pictures: set[str]


def _article_of(fact: Row) -> str | None:
    """The article that a fact is about, if it is about one."""
    payload, kind = fact["payload"], fact["type"].partition(".")[0]
    if kind in ("comment", "anchor"):
        return str(payload["article_id"])
    if kind == "article" or payload.get("scope") == "article":
        return str(payload["target_id"] if kind == "notice" else fact["subject_id"])
    return None


def _find(connection: sa.Connection, query: sa.Select[Any], ids: Iterable[str | None]) -> Sequence[Any]:
    wanted = sorted({found for found in ids if found is not None})
    return connection.execute(query, {"ids": wanted}).all() if wanted else []


def _seen(connection: sa.Connection, facts: Sequence[Row]) -> _Seen:
    """One statement for each kind of thing that the page speaks of."""

    def subjects(kind: str) -> Iterator[str | None]:
        return (fact["subject_id"] for fact in facts if fact["type"].startswith(kind))

    articles = _find(connection, _ARTICLES, map(_article_of, facts))
    comments = _find(connection, _COMMENTS, subjects("comment."))
    pictures = _find(connection, _PICTURES, subjects("media."))
    return _Seen(
        {row.id for row in articles},
        {row.id for row in articles if row.set_state != "hidden"},
        {row.id for row in comments},
        {row.id for row in pictures},
    )


def _may_be_told(fact: Row, seen: _Seen) -> bool:
    meaning, article = MEANINGS[fact["type"]], _article_of(fact)
    if meaning.op == "withdraw" or fact["type"] == "article.purged":
        return True
    if article is not None and article not in seen.articles:
        return False
    if meaning.type in ("comment", "votes"):
        return article in seen.discussions and (meaning.op == "delete" or fact["subject_id"] in seen.comments)
    if meaning.type == "media":
        return meaning.op == "delete" or fact["subject_id"] in seen.pictures
    return True


def _parent(fact: Row) -> dict[str, Any] | None:
    payload = fact["payload"]
    if fact["type"].startswith("notice."):
        return {"type": payload["scope"], "id": payload["target_id"]}
    if fact["type"] == "discussion.changed":
        return {"type": payload["scope"], "id": None if fact["subject_id"] == SITE_ID else fact["subject_id"]}
    article = _article_of(fact)
    return {"type": "article", "id": article} if article and not fact["type"].startswith("article.") else None


def present(fact: Row) -> dict[str, Any]:
    """A fact of the log in the shape of `ChangeOut`."""
    meaning, payload, parent = MEANINGS[fact["type"]], fact["payload"], _parent(fact)
    subject = fact["subject_id"]
    if meaning.type == "discussion":
        subject = parent["id"] if parent else subject
        parent = parent or {"type": "article", "id": subject}
    withdrawn = meaning.op == "withdraw"
    legal = payload.get("legal")
    return {
        "position": str(Position(fact["xid"], fact["seq"])),
        "type": meaning.type,
        "op": meaning.op,
        "id": subject,
        "of": parent,
        "revision": payload.get("revision") if meaning.type == "article" else None,
        "at": fact["at"],
        "reason": payload["reason"] if withdrawn else None,
        "status": {None: 404, False: 410, True: 451}[legal] if withdrawn else None,
    }


def start(connection: sa.Connection, log: str, cursor: str | None, *, is_replica: bool = False) -> Position:
    """Where a follower goes on: 410 if what comes next has been pruned, 400 for a place that this log has not reached.

    A replica may not have come so far yet: 503.
    """
    kept = forgotten(connection)
    if cursor is None:
        return kept
    position = decode(log, cursor)
    if position < kept:
        detail = f"What came next is no longer kept: read {EXPORT} and go on from the cursor in its first line."
        raise CursorExpired(detail, headers={"Link": f'<{EXPORT}>; rel="alternate"'})
    if position > settled(connection):
        if is_replica:
            raise Unavailable("That position is not visible here yet.")
        raise InvalidParameter("cursor", f"This log has not come so far; begin with {EXPORT}.")
    return position


def page(connection: sa.Connection, begin: Position, log: str, types: frozenset[str], limit: int) -> dict[str, Any]:
    """A page of the changes after a position, in the shape of `ChangesOut`."""
    end, more = stretch(connection, begin, MOST_READ)
    places = {"from_xid": begin.xid, "from_seq": begin.seq, "to_xid": end.xid, "to_seq": end.seq}
    facts = connection.execute(_facts(types), {**places, "most": limit + 1}).mappings().all()
    seen, size = _seen(connection, facts), 0
    told: list[dict[str, Any]] = []
    for fact in facts[:limit]:
        if _may_be_told(fact, seen):
            size += 400 + 4 * len(fact["payload"].get("reason") or "")
            if told and size > MOST_BYTES:
                break
            told.append(present(fact))
        begin = Position(fact["xid"], fact["seq"])
    else:
        begin = begin if len(facts) > limit else end
    next_ = encode(log, begin)
    more = more or begin < end
    return {"data": told, "page": {"next": next_, "limit": limit, "total": None, "more": more}}
