"""Anchors: passages of an article that comments refer to, their texts, and their creation."""

import re
from bisect import bisect_left
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import TypedDict, TypeVar, cast

import sqlalchemy as sa
from sqlmodel import Session

from app.anchors.resolution import (
    MAX_PLACES,
    Pair,
    Passage,
    Resolution,
    Text,
    find_occurrences,
    resolve_passage,
    trim_passage,
)
from app.anchors.schemas import AnchorIn, AnchorQuery
from app.anchors.tables import Anchor, AnchorResolution
from app.articles.reading import ARTICLE, REVISION
from app.blocks.flatten import map_blocks
from app.core.clock import now
from app.core.ids import is_id, new_id
from app.core.problems import Conflict, Invalid, NotFound
from app.db.columns import table_of
from app.db.prepared import Prepared
from app.db.row_lists import ROWS, select_rows
from app.db.rows import JsonObject, Statement, fetch_row, insert_into
from app.web.paging import Page, Sort, fetch_page, map_page

ANCHOR = table_of(Anchor)


class AnchorRow(TypedDict):
    """An anchor in the shape of `AnchorOut`."""

    id: str
    kind: str
    exact: str | None
    question: str | None
    state: str
    revision: int
    block_id: str | None
    start: int | None
    end: int | None


class PassageRow(AnchorRow):
    """An anchor in the shape of `PassageOut`, with its version."""

    article_id: str
    prefix: str | None
    suffix: str | None
    redacted: bool
    comments: int
    created_at: datetime
    version: int


class PublicArticle(TypedDict):
    """A locked article and its public revision."""

    id: str
    revision: int


class PlaceColumns(TypedDict):
    """The columns of a place."""

    state: str
    block_id: str | None
    start: int | None
    end: int | None


A = TypeVar("A", bound=AnchorRow)
_OUT_COLUMNS = tuple(AnchorRow.__annotations__)
COLUMNS = [ANCHOR.c[name].label(f"anchor_{name}") for name in _OUT_COLUMNS]
"""Columns of `ANCHOR` for `present_anchor`; `anchor_id` is null without an anchor."""
_STATES_WITHOUT_PLACE = {"orphaned", "detached"}
_COLUMNS = [ANCHOR.c[name] for name in PassageRow.__annotations__]
_SELECT_BY_ID = sa.select(*_COLUMNS).where(ANCHOR.c.id == sa.bindparam("id", type_=ANCHOR.c.id.type))
_TEXT_ORDER = Sort("start", kind=int)


def _hide_former_place(anchor: A) -> A:
    """Hide the last place of an anchor that is orphaned or detached."""
    if anchor["state"] in _STATES_WITHOUT_PLACE:
        anchor["block_id"] = anchor["start"] = anchor["end"] = None
    return anchor


def present_anchor(row: Mapping[str, object]) -> AnchorRow | None:
    """Return the anchor of a comment's row with `COLUMNS` in the shape of `AnchorOut`, or None."""
    if row["anchor_kind"] is None:
        return None
    return _hide_former_place(cast(AnchorRow, {name: row[f"anchor_{name}"] for name in _OUT_COLUMNS}))


def find_anchor(connection: sa.Connection, anchor_id: str) -> PassageRow | None:
    """Return an anchor or None, without checking access to its article."""
    row = fetch_row(connection, _SELECT_BY_ID, PassageRow, {"id": anchor_id}) if is_id(anchor_id) else None
    return None if row is None else _hide_former_place(row)


@lru_cache(8)
def _select_of_article(kind: str | None) -> Statement:
    query = sa.select(*_COLUMNS).where(ANCHOR.c.article_id == sa.bindparam("article_id", type_=ANCHOR.c.id.type))
    query = query.where((ANCHOR.c.comments > 0) | (ANCHOR.c.kind == "prompt"))
    return query.where(ANCHOR.c.kind == kind) if kind else query


def list_anchors(connection: sa.Connection, article_id: str, filters: AnchorQuery) -> Page[PassageRow]:
    """List an article's prompts and commented passages, in the order of the text."""
    query = _select_of_article(filters.kind).params(article_id=article_id)
    page = fetch_page(connection, query, _TEXT_ORDER, ANCHOR.c.start, filters, PassageRow, within=article_id)
    return map_page(page, _hide_former_place)


def read_texts(connection: sa.Connection, article_id: str, revisions: set[int]) -> dict[int, Text]:
    """Read the texts of some revisions of an article."""
    query = sa.select(REVISION.c.n, REVISION.c.text, REVISION.c.blocks).where(
        REVISION.c.article_id == article_id, REVISION.c.n.in_(sorted(revisions))
    )
    return {row.n: Text(row.text, tuple(map_blocks(row.blocks))) for row in connection.execute(query)}


_SPACE = re.compile(r"\s+")
_SPACES = re.compile(r"\s{2,}")
MAX_ANCHORS = 2_000  # per article: all of them are relocated at once when its text changes
HISTORY = table_of(AnchorResolution)
_LOCK_ARTICLE = (
    sa.select(ARTICLE.c.id, ARTICLE.c.revision)
    .where(ARTICLE.c.id == sa.bindparam("id", type_=ARTICLE.c.id.type), ARTICLE.c.public)
    .with_for_update(read=True, key_share=True)
)
_ADJUST_COUNT = (
    sa.update(ANCHOR)
    .where(ANCHOR.c.id == sa.bindparam("anchor", type_=ANCHOR.c.id.type))
    .values(comments=ANCHOR.c.comments + sa.bindparam("delta", type_=sa.Integer()))
)
_SELECT_USABLE = sa.select(ANCHOR.c.id).where(
    ANCHOR.c.id == sa.bindparam("anchor", type_=ANCHOR.c.id.type),
    ANCHOR.c.article_id == sa.bindparam("article", type_=ANCHOR.c.id.type),
    ANCHOR.c.state != "detached",
)
_SELECT_PUBLISHED_AT = sa.select(REVISION.c.published_at).where(
    REVISION.c.article_id == sa.bindparam("article", type_=ARTICLE.c.id.type),
    REVISION.c.n == sa.bindparam("n", type_=sa.Integer()),
)


class QuoteNotFound(Invalid, code="quote_not_found", title="The quote was not found in the text"):
    """The quote is not in the text, or occurs several times without enough context to choose one."""


class StaleRevision(Conflict, code="stale_revision", title="The article has changed since the passage was selected"):
    """The passage is from an earlier revision and is not in the current one; load the article again."""


class TooManyAnchors(Conflict, code="too_many_anchors", title="The article has too many anchors"):
    """The article has the maximum number of anchors; use an existing one."""


def _quote_not_found(pointer: str) -> QuoteNotFound:
    detail = "The quote was not found, or it is ambiguous. Send a longer quote, or `start` and `end`."
    return QuoteNotFound(detail, pointer=f"{pointer}/exact", code="quote_not_found")


def _from_utf16(text: str, offset: int) -> int | None:
    """Convert an offset in UTF-16 units to code points; None inside a character."""
    head = text.encode("utf-16-le")[: offset * 2]
    try:
        return len(head.decode("utf-16-le")) if len(head) == offset * 2 else None
    except UnicodeDecodeError:
        return None


def _without_spaces(text: str) -> str:
    return "".join(text.split())


def locate_quote(text: str, data: AnchorIn) -> Passage | None:
    """Locate a quote in a text: at the given range, or at its only occurrence; None if not found or ambiguous.

    White space counts as one space. Context is used only for ambiguous quotes: what a browser shows between blocks
    differs from the plain text.
    """
    if data.start is not None and data.end is not None:
        return _check_range(text, data, data.start, data.end)
    places = _find_quote(text, data.exact)
    if len(places) > 1:
        places = _match_context(text, places, data.prefix or "", data.suffix or "")
    return trim_passage(text, places[0]) if len(places) == 1 else None


def _check_range(text: str, data: AnchorIn, start: int, end: int) -> Passage | None:
    first, last = start, end
    if data.unit == "utf16":
        units = _from_utf16(text, start), _from_utf16(text, end)
        if units[0] is None or units[1] is None:
            return None
        first, last = units[0], units[1]
    is_there = _SPACE.sub(" ", text[first:last]) == _SPACE.sub(" ", data.exact)
    return trim_passage(text, Passage(first, last)) if is_there else None


def _find_quote(text: str, quote: str) -> list[Passage]:
    """Find all occurrences of a quote, including overlapping ones.

    Without a regular expression of the quote, which takes longer to compile than the text to search.
    """
    quote_folded, folded = " ".join(quote.split()), _SPACE.sub(" ", text)
    spaces, shifts = [0], [0]  # where white space was folded, and the resulting shift
    for space in _SPACES.finditer(text):
        spaces.append(space.start() - shifts[-1])
        shifts.append(shifts[-1] + len(space.group()) - 1)

    def unfolded(position: int) -> int:
        return position + shifts[bisect_left(spaces, position, 1) - 1]

    starts = find_occurrences(folded, quote_folded, MAX_PLACES)
    return [Passage(unfolded(at), unfolded(at + len(quote_folded) - 1) + 1) for at in starts]


def _match_context(text: str, places: list[Passage], prefix: str, suffix: str) -> list[Passage]:
    """Choose the only place with this prefix and suffix, or else with one of them, ignoring white space."""
    before, after = _without_spaces(prefix), _without_spaces(suffix)
    follows = [
        place for place in places if _without_spaces(text[max(0, place.start - 400) : place.start]).endswith(before)
    ]
    precedes = [place for place in places if _without_spaces(text[place.end : place.end + 400]).startswith(after)]
    in_both = [place for place in follows if place in precedes]
    sides = (in_both, follows if before else [], precedes if after else [])
    return next((matches for matches in sides if len(matches) == 1), [])


def find_passage(
    session: Session, article: PublicArticle, data: AnchorIn, pointer: str
) -> tuple[int, Text, Passage, Resolution]:
    """Find a passage in the revision it names, and resolve it in the public one."""
    current = article["revision"]
    named = current if data.revision is None else data.revision
    if named != current:
        # Revisions that were never public do not exist for readers.
        published_at = session.execute(
            _SELECT_PUBLISHED_AT, {"article": article["id"], "n": named}
        ).scalar_one_or_none()
        if published_at is None:
            raise _quote_not_found(pointer)
    texts = read_texts(session.connection(), article["id"], {named, current})
    text = texts[named]
    if (passage := locate_quote(text.text, data)) is None:
        raise _quote_not_found(pointer)
    if named == current:
        return named, text, passage, Resolution("anchored", "none", 1.0, *passage, text.block_id(passage.start))
    place = resolve_passage(Pair(text, texts[current]), passage)
    if place.state == "orphaned" or _has_redacted(session, article["id"]):
        raise StaleRevision
    return named, text, passage, place


def _has_redacted(session: Session, article_id: str) -> bool:
    """Tell whether the article has redacted anchors, whose words must not come back as quotes of earlier texts."""
    query = sa.select(ANCHOR.c.id).where(ANCHOR.c.article_id == article_id, ANCHOR.c.redacted).limit(1)
    return session.execute(query).first() is not None


def _find_same_passage(
    session: Session, article: PublicArticle, named: int, passage: Passage, place: Resolution
) -> str | None:
    """Return the id of an existing anchor of the same passage, as quoted or at its current place, or None."""
    quoted = (
        (ANCHOR.c.quote_revision == named)
        & (ANCHOR.c.quote_start == passage.start)
        & (ANCHOR.c.quote_end == passage.end)
    )
    is_same_place = (
        (ANCHOR.c.revision == article["revision"])
        & (ANCHOR.c.start == place.start)
        & (ANCHOR.c.end == place.end)
        & ANCHOR.c.state.in_(["anchored", "moved"])
        & ~ANCHOR.c.redacted
    )
    is_of_article = ANCHOR.c.article_id == article["id"]
    query = (
        sa.select(ANCHOR.c.id, quoted.label("quoted"))
        .where(is_of_article, quoted | is_same_place)
        .order_by(ANCHOR.c.id)
    )
    rows = session.execute(query).all()
    return next((row.id for row in rows if row.quoted), None) or (rows[0].id if rows else None)


def lock_public_article(session: Session, article_id: str) -> PublicArticle:
    """Lock a public article's text for this transaction; 404 if it is not public."""
    article = fetch_row(session, _LOCK_ARTICLE, PublicArticle, {"id": article_id})
    if article is None:
        raise NotFound
    return article


def create_anchor(
    session: Session, article_id: str, data: AnchorIn, made_by: str | None, *, pointer: str = "/anchor"
) -> str:
    """Create an anchor on a public article, or reuse the one of the same passage. Return its id."""
    article = lock_public_article(session, article_id)
    named, text, passage, resolution = find_passage(session, article, data, pointer)
    if same := _find_same_passage(session, article, named, passage, resolution):
        return same
    count = sa.select(sa.func.count()).select_from(ANCHOR).where(ANCHOR.c.article_id == article_id)
    if session.execute(count).scalar_one() >= MAX_ANCHORS:
        raise TooManyAnchors
    anchor_id = new_id()
    values: JsonObject = {
        "id": anchor_id,
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
        **place_columns(resolution),
    }
    insert = insert_into(session, ANCHOR).on_conflict_do_nothing().returning(ANCHOR.c.id)
    if session.execute(insert, values).first() is None:  # created concurrently
        same = _find_same_passage(session, article, named, passage, resolution)
        if same is None:
            raise Conflict
        return same
    add_history(session, anchor_id, article["revision"], resolution, method="quote", by=made_by)
    return anchor_id


def place_columns(resolution: Resolution) -> PlaceColumns:
    """Return the place of a resolution as columns."""
    return {
        "state": resolution.state,
        "block_id": resolution.block_id,
        "start": resolution.start,
        "end": resolution.end,
    }


def add_history(
    session: Session, anchor_id: str, revision: int, resolution: Resolution, *, method: str, by: str | None
) -> None:
    """Add the current place of an anchor to its history."""
    session.execute(sa.insert(HISTORY), [history_row(anchor_id, revision, resolution, method=method, by=by)])


def history_row(anchor_id: str, revision: int, resolution: Resolution, *, method: str, by: str | None) -> JsonObject:
    """Return a row of the history."""
    head = {"id": new_id(), "anchor_id": anchor_id, "revision": revision, "at": now()}
    return {**head, **place_columns(resolution), "method": method, "score": resolution.score, "by": by}


def require_anchor(session: Session, article_id: str, anchor_id: str) -> None:
    """Raise 422 unless the anchor belongs to the article and is not detached."""
    if (
        not is_id(anchor_id)
        or session.execute(_SELECT_USABLE, {"anchor": anchor_id, "article": article_id}).first() is None
    ):
        raise Invalid("The anchor does not exist.", pointer="/anchor_id", code="not_found")


def adjust_count(session: Session, anchor_id: str, delta: int) -> None:
    """Adjust the number of listed comments of an anchor."""
    session.execute(_ADJUST_COUNT, {"anchor": anchor_id, "delta": delta})


def _adjust_all(dialect: str) -> sa.Update:
    rows = select_rows(dialect, id=ANCHOR.c.id.type, delta=sa.Integer())
    return sa.update(ANCHOR).where(ANCHOR.c.id == rows.c.id).values(comments=ANCHOR.c.comments + rows.c.delta)


_ADJUST_ALL: Prepared[JsonObject] = Prepared(_adjust_all)


def adjust_counts(session: Session, deltas: Mapping[str, int]) -> None:
    """Adjust the numbers of listed comments of many anchors, by their ids."""
    if deltas:
        _ADJUST_ALL.run(session, {ROWS: [{"id": one, "delta": delta} for one, delta in sorted(deltas.items())]})


def erase_author(session: Session, made_by: str) -> None:
    """Remove the author from anchors and their history; the anchors stay for their comments."""
    # only these can have history entries by them
    anchor_ids = sa.select(ANCHOR.c.id).where(ANCHOR.c.made_by == made_by)
    session.execute(
        sa.update(HISTORY).where(HISTORY.c.anchor_id.in_(anchor_ids), HISTORY.c.by == made_by).values(by=None)
    )
    session.execute(sa.update(ANCHOR).where(ANCHOR.c.made_by == made_by).values(made_by=None))
