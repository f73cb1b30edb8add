"""Reading anchors: with the comments that speak of them, as the list of an article, and with the texts they are in."""

import re
from bisect import bisect_left
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from app.anchors.resolution import MOST_PLACES, Pair, Passage, Resolution, Text, occurrences, resolve, trimmed
from app.anchors.schemas import AnchorIn, AnchorQuery
from app.anchors.tables import Anchor, AnchorResolution
from app.articles.reading import ARTICLE, REVISION
from app.blocks import block_map
from app.core.clock import now
from app.core.ids import is_id, new_id
from app.core.problems import Conflict, Invalid, NotFound
from app.db.columns import Row, table_of
from app.web.paging import Sort, fetch_page

ANCHOR = table_of(Anchor)
_SHOWN = ("id", "kind", "exact", "question", "state", "revision", "block_id", "start", "end")
COLUMNS = [ANCHOR.c[name].label(f"anchor_{name}") for name in _SHOWN]
"""What a query joins to `ANCHOR` for `shown`; `anchor_id` is null where there is none."""
_PLACELESS = {"orphaned", "detached"}
_LISTED = [
    ANCHOR.c[name] for name in (*_SHOWN, *"article_id prefix suffix redacted comments created_at version".split())
]
_BY_ID = sa.select(*_LISTED).where(ANCHOR.c.id == sa.bindparam("id", type_=ANCHOR.c.id.type))
_IN_ORDER = Sort("start", kind=int)


def _placed(values: dict[str, Any]) -> dict[str, Any]:
    """Where it stood last is nobody's business while it has no place."""
    return values | {"block_id": None, "start": None, "end": None} if values["state"] in _PLACELESS else values


def shown(row: Row) -> dict[str, Any] | None:
    """The `anchor` of a comment's row with `COLUMNS`, in the shape of `AnchorOut`; None for a comment without one."""
    if row["anchor_kind"] is None:
        return None
    return _placed({name: row[f"anchor_{name}"] for name in _SHOWN})


def present(row: Row) -> dict[str, Any]:
    """A row of anchors in the shape of `PassageOut`."""
    return _placed(dict(row))


def by_id(connection: sa.Connection, anchor_id: str) -> sa.RowMapping | None:
    """One anchor, whoever may see its article."""
    return connection.execute(_BY_ID, {"id": anchor_id}).mappings().first() if is_id(anchor_id) else None


@lru_cache(8)
def _of_article(kind: str | None) -> sa.Select[Any]:
    found = sa.select(*_LISTED).where(ANCHOR.c.article_id == sa.bindparam("article_id", type_=ANCHOR.c.id.type))
    found = found.where((ANCHOR.c.comments > 0) | (ANCHOR.c.kind == "prompt"))
    return found.where(ANCHOR.c.kind == kind) if kind else found


def page(connection: sa.Connection, article_id: str, asked: AnchorQuery) -> dict[str, Any]:
    """An article's prompts and the passages that readers speak of, in the order of the text."""
    query = _of_article(asked.kind).params(article_id=article_id)
    found = fetch_page(connection, query, _IN_ORDER, ANCHOR.c.start, asked, within=article_id)
    return {**found, "data": [present(row) for row in found["data"]]}


def texts(connection: sa.Connection, article_id: str, revisions: set[int]) -> dict[int, Text]:
    """The texts of some revisions of an article."""
    query = sa.select(REVISION.c.n, REVISION.c.text, REVISION.c.blocks).where(
        REVISION.c.article_id == article_id, REVISION.c.n.in_(sorted(revisions))
    )
    return {row.n: Text(row.text, tuple(block_map(row.blocks))) for row in connection.execute(query)}


_SPACE = re.compile(r"\s+")
_SPACES = re.compile(r"\s{2,}")
MOST = 2_000  # of an article: all of them are looked for at once when its text changes
HISTORY = table_of(AnchorResolution)
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_ARTICLE = (
    sa.select(ARTICLE.c.id, ARTICLE.c.revision)
    .where(ARTICLE.c.id == sa.bindparam("id", type_=ARTICLE.c.id.type), ARTICLE.c.public)
    .with_for_update(read=True, key_share=True)
)
_COUNT = (
    sa.update(ANCHOR)
    .where(ANCHOR.c.id == sa.bindparam("anchor", type_=ANCHOR.c.id.type))
    .values(comments=ANCHOR.c.comments + sa.bindparam("delta", type_=sa.Integer()))
)
_KNOWN = sa.select(ANCHOR.c.id).where(
    ANCHOR.c.id == sa.bindparam("anchor", type_=ANCHOR.c.id.type),
    ANCHOR.c.article_id == sa.bindparam("article", type_=ANCHOR.c.id.type),
    ANCHOR.c.state != "detached",
)
_WAS_PUBLIC = sa.select(REVISION.c.published_at).where(
    REVISION.c.article_id == sa.bindparam("article", type_=ARTICLE.c.id.type),
    REVISION.c.n == sa.bindparam("n", type_=sa.Integer()),
)


class QuoteNotFound(Invalid):
    """The quoted words do not stand there, or stand in several places and nothing tells which is meant."""

    code, title = "quote_not_found", "The quoted words are not in the text"


class StaleRevision(Conflict):
    """The passage is of an earlier revision and is not found in the present one: read the article again."""

    code, title = "stale_revision", "The article has changed since the passage was marked"


class TooManyAnchors(Conflict):
    """The article has as many marked passages as it can hold; speak of one that is marked already."""

    code, title = "too_many_anchors", "The article has too many marked passages"


def _absent(pointer: str) -> QuoteNotFound:
    detail = "The quoted words are not found there, or not only once."
    return QuoteNotFound(detail, pointer=f"{pointer}/exact", code="quote_not_found")


def _from_utf16(text: str, offset: int) -> int | None:
    """A place counted in UTF-16 units, in code points; None inside a character."""
    head = text.encode("utf-16-le")[: offset * 2]
    try:
        return len(head.decode("utf-16-le")) if len(head) == offset * 2 else None
    except UnicodeDecodeError:
        return None


def _letters(text: str) -> str:
    return "".join(text.split())


def locate(text: str, data: AnchorIn) -> Passage | None:
    """Where a quote stands in a text, or None: where it is said to stand, or else in one place that nothing doubts.

    White space counts as one space. What stands around it is asked only where it stands in several places: what a
    browser shows between blocks is not what stands in the plain text.
    """
    if data.start is not None and data.end is not None:
        return _told(text, data, data.start, data.end)
    places = _places(text, data.exact)
    if len(places) > 1:
        places = _surrounded(text, places, data.prefix or "", data.suffix or "")
    return trimmed(text, places[0]) if len(places) == 1 else None


def _told(text: str, data: AnchorIn, start: int, end: int) -> Passage | None:
    first, last = start, end
    if data.unit == "utf16":
        units = _from_utf16(text, start), _from_utf16(text, end)
        if units[0] is None or units[1] is None:
            return None
        first, last = units[0], units[1]
    is_there = _SPACE.sub(" ", text[first:last]) == _SPACE.sub(" ", data.exact)
    return trimmed(text, Passage(first, last)) if is_there else None


def _places(text: str, quote: str) -> list[Passage]:
    """Find a quote wherever it stands, also where places overlap.

    Without a pattern of the quote, which takes longer to compile than the text to search.
    """
    wanted, folded = " ".join(quote.split()), _SPACE.sub(" ", text)
    spaces, shifts = [0], [0]  # where white space has been folded, and how far that has moved what follows
    for space in _SPACES.finditer(text):
        spaces.append(space.start() - shifts[-1])
        shifts.append(shifts[-1] + len(space.group()) - 1)

    def unfolded(position: int) -> int:
        return position + shifts[bisect_left(spaces, position, 1) - 1]

    starts = occurrences(folded, wanted, MOST_PLACES)
    return [Passage(unfolded(at), unfolded(at + len(wanted) - 1) + 1) for at in starts]


def _surrounded(text: str, places: list[Passage], prefix: str, suffix: str) -> list[Passage]:
    """The one place that has this before it and that behind it, or at least one of both; white space is nothing."""
    before, after = _letters(prefix), _letters(suffix)
    follows = [place for place in places if _letters(text[max(0, place.start - 400) : place.start]).endswith(before)]
    precedes = [place for place in places if _letters(text[place.end : place.end + 400]).startswith(after)]
    both = [place for place in follows if place in precedes]
    sides = (both, follows if before else [], precedes if after else [])
    return next((found for found in sides if len(found) == 1), [])


def find(session: Session, article: Row, data: AnchorIn, pointer: str) -> tuple[int, Text, Passage, Resolution]:
    """The passage in the revision that it names, and where that is in the public one."""
    current = article["revision"]
    named = current if data.revision is None else data.revision
    if named != current:
        # What readers never saw is to them as if it were not there.
        seen = session.execute(_WAS_PUBLIC, {"article": article["id"], "n": named}).scalar_one_or_none()
        if seen is None:
            raise _absent(pointer)
    found = texts(session.connection(), article["id"], {named, current})
    text = found[named]
    if (passage := locate(text.text, data)) is None:
        raise _absent(pointer)
    if named == current:
        return named, text, passage, Resolution("anchored", "none", 1.0, *passage, text.block_id(passage.start))
    place = resolve(Pair(text, found[current]), passage)
    if place.state == "orphaned" or _has_redacted(session, article["id"]):
        raise StaleRevision
    return named, text, passage, place


def _has_redacted(session: Session, article_id: str) -> bool:
    """Words that an editor has blacked out must not come back as a quote of an earlier text."""
    query = sa.select(ANCHOR.c.id).where(ANCHOR.c.article_id == article_id, ANCHOR.c.redacted).limit(1)
    return session.execute(query).first() is not None


def _same(session: Session, article: Row, named: int, passage: Passage, place: Resolution) -> str | None:
    """The anchor of this very passage, if it was marked before: as quoted, or as it stands now in the same words."""
    quoted = (
        (ANCHOR.c.quote_revision == named)
        & (ANCHOR.c.quote_start == passage.start)
        & (ANCHOR.c.quote_end == passage.end)
    )
    stands = (
        (ANCHOR.c.revision == article["revision"])
        & (ANCHOR.c.start == place.start)
        & (ANCHOR.c.end == place.end)
        & ANCHOR.c.state.in_(["anchored", "moved"])
        & ~ANCHOR.c.redacted
    )
    mine = ANCHOR.c.article_id == article["id"]
    query = sa.select(ANCHOR.c.id, quoted.label("quoted")).where(mine, quoted | stands).order_by(ANCHOR.c.id)
    rows = session.execute(query).all()
    return next((row.id for row in rows if row.quoted), None) or (rows[0].id if rows else None)


def public(session: Session, article_id: str) -> Row:
    """The article, whose text stays as it is until this transaction ends; 404 unless readers see it."""
    article = session.execute(_ARTICLE, {"id": article_id}).mappings().first()
    if article is None:
        raise NotFound
    return article


def place(session: Session, article_id: str, data: AnchorIn, made_by: str | None, *, pointer: str = "/anchor") -> str:
    """Mark a passage of a public article; returns its id, the same for all who mark the same."""
    article = public(session, article_id)
    named, text, passage, found = find(session, article, data, pointer)
    if same := _same(session, article, named, passage, found):
        return same
    held = sa.select(sa.func.count()).select_from(ANCHOR).where(ANCHOR.c.article_id == article_id)
    if session.execute(held).scalar_one() >= MOST:
        raise TooManyAnchors
    values = {
        "id": new_id(),
        "article_id": article_id,
        "kind": "passage",
        "made_by": made_by,
        "created_at": now(),
        "version": 1,
        "comments": 0,
        "quote_revision": named,
        "quote_start": passage.start,
        "quote_end": passage.end,
        "exact": text.text[passage.start : passage.end],
        "prefix": text.before(passage.start),
        "suffix": text.after(passage.end),
        "base_revision": named,
        "base_start": passage.start,
        "base_end": passage.end,
        "revision": article["revision"],
        "redacted": False,
        **columns(found),
    }
    insert = _INSERT[session.get_bind().dialect.name](ANCHOR).on_conflict_do_nothing().returning(ANCHOR.c.id)
    if session.execute(insert, values).first() is None:  # a twin was quicker
        same = _same(session, article, named, passage, found)
        if same is None:
            raise Conflict
        return same
    note(session, values["id"], article["revision"], found, method="quote", by=made_by)
    return str(values["id"])


def columns(found: Resolution) -> dict[str, Any]:
    """Where a passage was found, as its row has it."""
    return {"state": found.state, "block_id": found.block_id, "start": found.start, "end": found.end}


def note(session: Session, anchor_id: str, revision: int, found: Resolution, *, method: str, by: str | None) -> None:
    """Add to the history where an anchor stands now."""
    session.execute(sa.insert(HISTORY), [history(anchor_id, revision, found, method=method, by=by)])


def history(anchor_id: str, revision: int, found: Resolution, *, method: str, by: str | None) -> dict[str, Any]:
    """A row of the history."""
    about = {"id": new_id(), "anchor_id": anchor_id, "revision": revision, "at": now()}
    return {**about, **columns(found), "method": method, "score": found.score, "by": by}


def require(session: Session, article_id: str, anchor_id: str) -> None:
    """422 unless the anchor is one of the article that can be spoken of."""
    if not is_id(anchor_id) or session.execute(_KNOWN, {"anchor": anchor_id, "article": article_id}).first() is None:
        raise Invalid("There is no such anchor.", pointer="/anchor_id", code="not_found")


def count(session: Session, anchor_id: str, delta: int) -> None:
    """Add to the number of listed comments on a passage."""
    session.execute(_COUNT, {"anchor": anchor_id, "delta": delta})


def forget(session: Session, made_by: str) -> None:
    """Forget that someone marked passages; what they marked stays for the comments on it."""
    theirs = sa.select(ANCHOR.c.id).where(ANCHOR.c.made_by == made_by)  # a reader has no part in other passages
    session.execute(sa.update(HISTORY).where(HISTORY.c.anchor_id.in_(theirs), HISTORY.c.by == made_by).values(by=None))
    session.execute(sa.update(ANCHOR).where(ANCHOR.c.made_by == made_by).values(made_by=None))
