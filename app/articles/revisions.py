"""Saving, listing, comparing and restoring revisions."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.projection import (
    IndexArticle,
    apply_revision,
    get_newest_revision,
    lock_article,
    refresh_visibility,
    take_snapshot,
)
from app.articles.reading import ARTICLE, AUTHOR, MEDIA, REVISION, SECTION, SERIES, TAG
from app.articles.tables import META_COLUMNS, TEXT_COLUMNS, Address, Article, Revision
from app.blocks.convert import Body
from app.core.clock import now
from app.core.ids import is_id
from app.core.problems import NotFound
from app.db.columns import Row, table_of
from app.identity.audit import record_action
from app.identity.schemas import Actor
from app.publication.terms import find_merge_targets, follow_merges
from app.text.inputs import reading_minutes
from app.web.paging import PageQuery, Sort, fetch_page


def body_columns_of(body: Body) -> dict[str, Any]:
    """Return the columns in which a revision stores a body."""
    return {
        "html": body.html,
        "markdown": body.markdown,
        "text": body.text,
        "blocks": body.blocks,
        "excerpt": body.excerpt,
        "word_count": body.words,
        "reading_minutes": reading_minutes(body.words),
    }


def save_revision(
    session: Session, actor: Actor, article: Article, changes: Mapping[str, Any], **more: Any
) -> Revision:
    """Save the newest revision with these changes as a new one."""
    base = get_newest_revision(session, article) if article.latest_revision else None
    values = {name: getattr(base, name) for name in (*META_COLUMNS, *TEXT_COLUMNS)} if base else {}
    article.latest_revision += 1
    revision = Revision(
        article_id=article.id,
        n=article.latest_revision,
        created_at=now(),
        actor_id=actor.id,
        actor_name=actor.name,
        **{**values, **changes, **more},
    )
    session.add(revision)
    article.edited_at = revision.created_at
    session.flush()
    return revision


def apply_unless_fixed(session: Session, article: Article, revision: Revision) -> list[str]:
    """Apply a new revision to the row, unless the row shows the published, retracted or scheduled one."""
    if article.state in {"published", "retracted", "scheduled"}:
        return []
    changed = apply_revision(session, article, revision)
    article.updated_at = now()
    return changed


def restore_revision(
    session: Session, actor: Actor, index_article: IndexArticle, ref: str, n: int, versions: frozenset[int] | None
) -> str:
    """Save the text of an old revision as a new one, without publishing it; returns the article's id."""
    article = lock_article(session, actor, ref, versions, [])
    old = session.get(Revision, (article.id, n))
    if old is None or not actor.may_in(old.section_id):
        raise NotFound
    before = take_snapshot(session, article)
    revision = save_revision(
        session, actor, article, {name: getattr(old, name) for name in (*META_COLUMNS, *TEXT_COLUMNS)}, restored_from=n
    )
    refresh_visibility(session, actor, index_article, article, before, apply_unless_fixed(session, article, revision))
    record_action(session, actor, "article.restore", "article", article.id, {"from": n, "revision": revision.n})
    return article.id


_ADDRESS = table_of(Address)
NEWEST_FIRST = Sort("-n", descending=True, kind=int)
_LISTED_COLUMNS = ["n", "created_at", "actor_id", "actor_name", "restored_from", *META_COLUMNS, "word_count"]


_TERM_TABLES = {"section": SECTION, "series": SERIES, "authors": AUTHOR, "tags": TAG}


def _ids_of(revision: Row, field: str) -> list[str]:
    """Return the ids of a revision's terms of one kind."""
    if field in ("authors", "tags"):
        return list(revision[field])
    return [revision[f"{field}_id"]] if revision[f"{field}_id"] else []


def _name_terms(connection: sa.Connection, revisions: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the present names of each revision's section, series, authors and tags, under the ids saved.

    A merged term has the name of its target; a deleted one is left out.
    """
    names: dict[str, dict[str, Any]] = {}
    for field, table in _TERM_TABLES.items():
        ids = sorted({term_id for revision in revisions for term_id in _ids_of(revision, field)})
        moved = find_merge_targets(connection, ids)
        present = {term_id: moved.get(term_id, term_id) for term_id in ids}
        present_ids = sorted({term_id for term_id in present.values() if term_id})
        rows = connection.execute(sa.select(table.c.id, table.c.slug, table.c.name).where(table.c.id.in_(present_ids)))
        terms = {row.id: row for row in rows} if present_ids else {}
        for own, term_id in present.items():
            if term := terms.get(term_id):
                names[own] = {"id": own, "slug": term.slug, "name": term.name}
    return [_pick_terms(revision, names) for revision in revisions]


def _pick_terms(revision: Row, names: dict[str, dict[str, Any]]) -> dict[str, Any]:
    terms = {
        field: [names[term_id] for term_id in _ids_of(revision, field) if term_id in names] for field in _TERM_TABLES
    }
    return {**terms, "section": next(iter(terms["section"]), None), "series": next(iter(terms["series"]), None)}


def list_revisions(
    connection: sa.Connection, actor: Actor, article_id: str, published: int | None, query: PageQuery
) -> dict[str, Any]:
    """List an article's revisions in sections that the caller may read, newest first, without their texts."""
    columns = [REVISION.c[name] for name in _LISTED_COLUMNS]
    statement = sa.select(*columns, REVISION.c.article_id.label("id")).where(REVISION.c.article_id == article_id)
    if actor.sections is not None:
        statement = statement.where(REVISION.c.section_id.in_(sorted(actor.sections)))
    page = fetch_page(connection, statement, NEWEST_FIRST, REVISION.c.n, query, within=article_id)
    terms = _name_terms(connection, page["data"])
    rows = zip(page["data"], terms, strict=True)
    return {**page, "data": [{**row, "terms": named, "published": row["n"] == published} for row, named in rows]}


def find_revision_with_terms(connection: sa.Connection, article_id: str, n: int) -> dict[str, Any] | None:
    """Find one revision with all columns and the names of its terms."""
    row = find_revision(connection, article_id, n)
    return {**row, "terms": _name_terms(connection, [row])[0]} if row is not None else None


def find_revision(connection: sa.Connection, article_id: str, n: int) -> sa.RowMapping | None:
    """Find one revision with all columns."""
    return (
        connection.execute(sa.select(REVISION).where(REVISION.c.article_id == article_id, REVISION.c.n == n))
        .mappings()
        .first()
    )


class NewestBlocks(NamedTuple):
    """Number and blocks of an article's newest revision; the next one keeps the ids of unchanged blocks."""

    n: int
    blocks: list[Any]


def find_newest_blocks(connection: sa.Connection, ref: str) -> NewestBlocks | None:
    """Find the blocks of an article's newest revision by id, slug or former slug."""
    is_newest = (REVISION.c.article_id == ARTICLE.c.id) & (REVISION.c.n == ARTICLE.c.latest_revision)
    former = sa.select(_ADDRESS.c.article_id).where(_ADDRESS.c.address == ref).scalar_subquery()
    is_article = ARTICLE.c.id == ref if is_id(ref) else (ARTICLE.c.slug == ref) | (ARTICLE.c.id == former)
    row = connection.execute(
        sa.select(REVISION.c.n, REVISION.c.blocks).join(ARTICLE, is_newest).where(is_article)
    ).one_or_none()
    return None if row is None else NewestBlocks(row.n, row.blocks)


def _list_by_ids(connection: sa.Connection, table: sa.Table, ids: list[str], *names: str) -> list[dict[str, Any]]:
    """List rows of a table in the order of the ids; deleted ones are left out."""
    rows = connection.execute(sa.select(*(table.c[name] for name in names), table.c.id).where(table.c.id.in_(ids)))
    by_id = {row["id"]: {name: row[name] for name in names} for row in rows.mappings()} if ids else {}
    return [by_id[row_id] for row_id in ids if row_id in by_id]


def overlay_revision(connection: sa.Connection, row: Row, n: int, formats: tuple[str, ...]) -> dict[str, Any] | None:
    """Return a row of `select_articles` as if revision `n` were published; None without such a revision."""
    revision = find_revision(connection, row["id"], n)
    if revision is None:
        return None
    out = {**row, **{name: revision[name] for name in ("title", "dek", "type", "language", "excerpt")}}
    out |= {"revision": n, "word_count": revision["word_count"], "reading_minutes": revision["reading_minutes"]}
    for prefix, table in (("section", SECTION), ("series", SERIES)):
        ids = [revision[f"{prefix}_id"]] if revision[f"{prefix}_id"] else []
        shown = ("id", "slug", "name", *(["syndication"] if table is SECTION else []))
        ids = follow_merges(connection, ids)
        term = next(iter(_list_by_ids(connection, table, ids, *shown)), dict.fromkeys(shown))
        out |= {f"{prefix}_{name}": value for name, value in term.items()}
    names = [column.key for column in MEDIA.c]
    ids = [revision["image_id"]] if revision["image_id"] else []
    image = next(iter(_list_by_ids(connection, MEDIA, ids, *names)), dict.fromkeys(names))
    out |= {f"image_{name}": value for name, value in image.items()}
    out["authors"] = _list_by_ids(
        connection, AUTHOR, follow_merges(connection, revision["authors"]), "id", "slug", "name"
    )
    out["tags"] = _list_by_ids(connection, TAG, follow_merges(connection, revision["tags"]), "slug", "name")
    return out | {f"body_{name}": revision[name] for name in formats}


def _block_changes(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    def key(block: dict[str, Any]) -> str:
        return repr({name: value for name, value in sorted(block.items()) if name != "id"})

    matcher = SequenceMatcher(None, [key(block) for block in old], [key(block) for block in new], autojunk=False)
    for op, a, b, c, d in matcher.get_opcodes():
        if op == "equal":
            continue
        for left, right in zip_longest(old[a:b], new[c:d]):
            yield {
                "op": "insert" if left is None else "delete" if right is None else "replace",
                "old_id": left and left["id"],
                "new_id": right and right["id"],
                "old": left and left["text"],
                "new": right and right["text"],
            }


def compare_revisions(
    connection: sa.Connection, actor: Actor, article_id: str, new: int, old: int
) -> dict[str, Any] | None:
    """Return what changed from revision `old` to `new`, as `DiffOut`; None if the caller may not read both."""
    left, right = find_revision(connection, article_id, old), find_revision(connection, article_id, new)
    if left is None or right is None or not (actor.may_in(left["section_id"]) and actor.may_in(right["section_id"])):
        return None
    fields = [
        {"field": name, "old": left[name], "new": right[name]} for name in META_COLUMNS if left[name] != right[name]
    ]
    changed = {change["field"].removesuffix("_id") for change in fields} & set(_TERM_TABLES)
    named = _name_terms(connection, [left, right])
    terms = [{field: side[field] if field in changed else None for field in _TERM_TABLES} for side in named]
    return {
        "old": old,
        "new": new,
        "fields": fields,
        "old_terms": terms[0],
        "new_terms": terms[1],
        "blocks": list(_block_changes(left["blocks"], right["blocks"])),
    }


def find_version(connection: sa.Connection, article_id: str) -> sa.RowMapping | None:
    """Find the state and version numbers of one article."""
    columns = (ARTICLE.c.id, ARTICLE.c.version, ARTICLE.c.public, ARTICLE.c.section_id, ARTICLE.c.published_revision)
    return connection.execute(sa.select(*columns).where(ARTICLE.c.id == article_id)).mappings().first()
