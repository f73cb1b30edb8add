"""Saving, listing, comparing and restoring revisions."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import NamedTuple, TypedDict, cast

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.approval import forget_approval
from app.articles.media_addresses import list_file_keys
from app.articles.projection import (
    IndexArticle,
    apply_revision,
    get_newest_revision,
    lock_article,
    refresh_visibility,
    take_snapshot,
)
from app.articles.reading import (
    ARTICLE,
    AUTHOR,
    MEDIA,
    REVISION,
    REVISION_MEDIA,
    SECTION,
    SERIES,
    TAG,
    FullArticleRow,
    select_text_pictures,
)
from app.articles.tables import META_COLUMNS, TEXT_COLUMNS, Address, Article, Revision
from app.blocks.convert import Body
from app.blocks.schemas import Block
from app.core.clock import now
from app.core.ids import is_id
from app.core.problems import NotFound
from app.db.columns import table_of
from app.db.rows import JsonObject, Statement, fetch_row
from app.identity.audit import record_action
from app.identity.schemas import Actor
from app.publication.media_library import find_ids_by_keys
from app.publication.media_uses import select_uses
from app.publication.term_queries import ancestors_of, syndication_of
from app.publication.terms import find_merge_targets, follow_merges
from app.text.inputs import reading_minutes
from app.web.paging import PageQuery, Sort, fetch_page


class RevisionChanges(TypedDict, total=False):
    """Columns of the next revision that differ from the newest one."""

    title: str
    dek: str | None
    type: str
    language: str
    section_id: str | None
    series_id: str | None
    image_id: str | None
    authors: list[str]
    tags: list[str]
    html: str
    markdown: str
    text: str
    blocks: list[Block]
    excerpt: str
    word_count: int
    reading_minutes: int


def body_columns_of(body: Body) -> RevisionChanges:
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
    session: Session, actor: Actor, article: Article, changes: Mapping[str, object], restored_from: int | None = None
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
        person_id=actor.person,
        restored_from=restored_from,
        **{**values, **changes},
    )
    session.add(revision)
    article.edited_at = revision.created_at
    forget_approval(article)
    session.flush()
    if keys := list_file_keys(revision.html):
        _link_pictures(session, revision, find_ids_by_keys(session, keys))
    return revision


def _link_pictures(session: Session, revision: Revision, media_ids: Sequence[str]) -> None:
    """Note which stored pictures are in the text of a revision."""
    if media_ids:
        links = [{"article_id": revision.article_id, "n": revision.n, "media_id": each} for each in media_ids]
        session.execute(sa.insert(REVISION_MEDIA), links)


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
    article = lock_article(session, actor, ref, versions, [], scope="content:write")
    old = session.get(Revision, (article.id, n))
    if old is None or not actor.may_in("content:write", old.section_id):
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
_LISTED_COLUMNS = [
    "n",
    "created_at",
    "actor_id",
    "actor_name",
    "person_id",
    "restored_from",
    *META_COLUMNS,
    "word_count",
]


_TERM_TABLES = {"section": SECTION, "series": SERIES, "authors": AUTHOR, "tags": TAG}


class FiledUnder(TypedDict):
    """The terms of a revision, by id."""

    section_id: str | None
    series_id: str | None
    authors: list[str]
    tags: list[str]


def select_media_uses() -> tuple[Statement, ...]:
    """Select where articles use pictures: as their own, for networks, and in the texts shown, scheduled or newest."""
    present = (ARTICLE.c.revision, ARTICLE.c.latest_revision, ARTICLE.c.scheduled_revision)
    of_text = select_uses("article", "text", REVISION_MEDIA.c.media_id, ARTICLE.c.id, ARTICLE.c.title).distinct()
    linked = REVISION_MEDIA.join(ARTICLE, ARTICLE.c.id == REVISION_MEDIA.c.article_id)
    return (
        select_uses("article", "image", ARTICLE.c.image_id, ARTICLE.c.id, ARTICLE.c.title),
        select_uses("article", "seo", ARTICLE.c.seo_image_id, ARTICLE.c.id, ARTICLE.c.title),
        of_text.select_from(linked).where(REVISION_MEDIA.c.n.in_(present)),
    )


class RevisionRow(FiledUnder):
    """A revision with all columns."""

    article_id: str
    n: int
    created_at: datetime
    actor_id: str | None
    actor_name: str
    person_id: str | None
    restored_from: int | None
    published_at: datetime | None
    title: str
    dek: str | None
    type: str
    language: str
    image_id: str | None
    html: str
    markdown: str
    text: str
    blocks: list[JsonObject]
    excerpt: str
    word_count: int
    reading_minutes: int


class ListedRevision(FiledUnder):
    """A revision without its texts; its id is that of the article."""

    id: str
    n: int
    created_at: datetime
    actor_id: str | None
    actor_name: str
    person_id: str | None
    restored_from: int | None
    title: str
    dek: str | None
    type: str
    language: str
    image_id: str | None
    word_count: int


class NamedTerm(TypedDict):
    """A term as an article names it."""

    id: str
    slug: str
    name: str


class RevisionTerms(TypedDict):
    """The terms of a revision with their present names."""

    section: NamedTerm | None
    series: NamedTerm | None
    authors: list[NamedTerm]
    tags: list[NamedTerm]


def _ids_of(revision: FiledUnder) -> dict[str, list[str]]:
    """Return the ids of a revision's terms by field."""
    return {
        "section": [revision["section_id"]] if revision["section_id"] else [],
        "series": [revision["series_id"]] if revision["series_id"] else [],
        "authors": revision["authors"],
        "tags": revision["tags"],
    }


def _name_terms(connection: sa.Connection, revisions: Sequence[FiledUnder]) -> list[RevisionTerms]:
    """Return the present names of each revision's section, series, authors and tags, under the ids saved.

    A merged term has the name of its target; a deleted one is left out.
    """
    filed = [_ids_of(revision) for revision in revisions]
    names: dict[str, NamedTerm] = {}
    for field, table in _TERM_TABLES.items():
        ids = sorted({term_id for ids in filed for term_id in ids[field]})
        moved = find_merge_targets(connection, ids)
        present = {term_id: moved.get(term_id, term_id) for term_id in ids}
        present_ids = sorted({term_id for term_id in present.values() if term_id})
        rows = connection.execute(sa.select(table.c.id, table.c.slug, table.c.name).where(table.c.id.in_(present_ids)))
        terms = {row.id: row for row in rows} if present_ids else {}
        for own, term_id in present.items():
            if term := terms.get(term_id):
                names[own] = {"id": own, "slug": term.slug, "name": term.name}
    return [_pick_terms(ids, names) for ids in filed]


def _pick_terms(ids: dict[str, list[str]], names: dict[str, NamedTerm]) -> RevisionTerms:
    terms = {field: [names[term_id] for term_id in ids[field] if term_id in names] for field in _TERM_TABLES}
    return {
        "section": next(iter(terms["section"]), None),
        "series": next(iter(terms["series"]), None),
        "authors": terms["authors"],
        "tags": terms["tags"],
    }


def list_revisions(
    connection: sa.Connection, actor: Actor, article_id: str, published: int | None, query: PageQuery
) -> JsonObject:
    """List an article's revisions in sections that the caller may read, newest first, without their texts."""
    columns = [REVISION.c[name] for name in _LISTED_COLUMNS]
    statement = sa.select(*columns, REVISION.c.article_id.label("id")).where(REVISION.c.article_id == article_id)
    if (sections := actor.draft_sections) is not None:
        statement = statement.where(REVISION.c.section_id.in_(sorted(sections)))
    page = fetch_page(connection, statement, NEWEST_FIRST, REVISION.c.n, query, ListedRevision, within=article_id)
    terms = _name_terms(connection, page["data"])
    rows = zip(page["data"], terms, strict=True)
    return {**page, "data": [{**row, "terms": named, "published": row["n"] == published} for row, named in rows]}


class RevisionWithTerms(RevisionRow):
    """A revision with all columns and the names of its terms."""

    terms: RevisionTerms


def find_revision_with_terms(connection: sa.Connection, article_id: str, n: int) -> RevisionWithTerms | None:
    """Find one revision with all columns and the names of its terms."""
    row = find_revision(connection, article_id, n)
    return {**row, "terms": _name_terms(connection, [row])[0]} if row is not None else None


def find_revision(connection: sa.Connection, article_id: str, n: int) -> RevisionRow | None:
    """Find one revision with all columns."""
    is_revision = (REVISION.c.article_id == article_id) & (REVISION.c.n == n)
    return fetch_row(connection, sa.select(REVISION).where(is_revision), RevisionRow)


class NewestBlocks(NamedTuple):
    """Number and blocks of an article's newest revision; the next one keeps the ids of unchanged blocks."""

    n: int
    blocks: list[Block]


def find_newest_blocks(connection: sa.Connection, ref: str) -> NewestBlocks | None:
    """Find the blocks of an article's newest revision by id, slug or former slug."""
    is_newest = (REVISION.c.article_id == ARTICLE.c.id) & (REVISION.c.n == ARTICLE.c.latest_revision)
    former = sa.select(_ADDRESS.c.article_id).where(_ADDRESS.c.address == ref).scalar_subquery()
    is_article = ARTICLE.c.id == ref if is_id(ref) else (ARTICLE.c.slug == ref) | (ARTICLE.c.id == former)
    row = connection.execute(
        sa.select(REVISION.c.n, REVISION.c.blocks).join(ARTICLE, is_newest).where(is_article)
    ).one_or_none()
    return None if row is None else NewestBlocks(row.n, row.blocks)


def _list_by_ids(connection: sa.Connection, table: sa.Table, ids: list[str], *names: str) -> list[JsonObject]:
    """List rows of a table in the order of the ids; deleted ones are left out."""
    rows = connection.execute(sa.select(*(table.c[name] for name in names), table.c.id).where(table.c.id.in_(ids)))
    by_id = {row["id"]: {name: row[name] for name in names} for row in rows.mappings()} if ids else {}
    return [by_id[row_id] for row_id in ids if row_id in by_id]


SECTION_COLUMNS = (
    SECTION.c.id.label("section_id"),
    ancestors_of(SECTION.c.id).label("sections"),
    syndication_of(SECTION.c.id).label("section_syndication"),
)
"""The columns of a row of `select_articles` that tell its section."""
_SELECT_SECTION: Statement = sa.select(*SECTION_COLUMNS).where(
    SECTION.c.id == sa.bindparam("id", type_=SECTION.c.id.type)
)


def overlay_revision(
    connection: sa.Connection, row: FullArticleRow, n: int, formats: tuple[str, ...]
) -> FullArticleRow | None:
    """Return a row of `select_articles` as if revision `n` were published; None without such a revision."""
    revision = find_revision(connection, row["id"], n)
    if revision is None:
        return None
    columns: Mapping[str, object] = revision
    out: JsonObject = {**row, **{name: columns[name] for name in ("title", "dek", "type", "language", "excerpt")}}
    out |= {"revision": n, "word_count": revision["word_count"], "reading_minutes": revision["reading_minutes"]}
    filed = _ids_of(revision)
    section_id = next(iter(filed["section"]), None)
    section = connection.execute(_SELECT_SECTION, {"id": section_id}).mappings().first() if section_id else None
    out |= section or dict.fromkeys(_SELECT_SECTION.selected_columns.keys())
    series = _list_by_ids(connection, SERIES, follow_merges(connection, filed["series"]), "id", "slug", "name")
    out |= {f"series_{name}": series[0][name] if series else None for name in ("id", "slug", "name")}
    names = [column.key for column in MEDIA.c]
    ids = [revision["image_id"]] if revision["image_id"] else []
    image = next(iter(_list_by_ids(connection, MEDIA, ids, *names)), dict.fromkeys(names))
    out |= {f"image_{name}": value for name, value in image.items()}
    pictures = select_text_pictures(sa.bindparam("id", type_=ARTICLE.c.id.type), sa.bindparam("n", type_=sa.Integer))
    out["pictures"] = connection.execute(pictures, {"id": row["id"], "n": n}).scalar_one_or_none()
    out["authors"] = _list_by_ids(
        connection, AUTHOR, follow_merges(connection, revision["authors"]), "id", "slug", "name"
    )
    out["tags"] = _list_by_ids(connection, TAG, follow_merges(connection, revision["tags"]), "slug", "name")
    return cast(FullArticleRow, out | {f"body_{name}": columns[name] for name in formats})


def _block_changes(old: list[JsonObject], new: list[JsonObject]) -> Iterator[JsonObject]:
    def key(block: JsonObject) -> str:
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
) -> JsonObject | None:
    """Return what changed from revision `old` to `new`, as `DiffOut`; None if the caller may not read both."""
    left, right = find_revision(connection, article_id, old), find_revision(connection, article_id, new)
    if left is None or right is None:
        return None
    if not (actor.reads_drafts_in(left["section_id"]) and actor.reads_drafts_in(right["section_id"])):
        return None
    before: Mapping[str, object] = left
    after: Mapping[str, object] = right
    changed = [name for name in META_COLUMNS if before[name] != after[name]]
    changed_terms = {name.removesuffix("_id") for name in changed} & set(_TERM_TABLES)
    named = _name_terms(connection, [left, right])
    terms = [{field: term if field in changed_terms else None for field, term in side.items()} for side in named]
    return {
        "old": old,
        "new": new,
        "fields": [{"field": name, "old": before[name], "new": after[name]} for name in changed],
        "old_terms": terms[0],
        "new_terms": terms[1],
        "blocks": list(_block_changes(left["blocks"], right["blocks"])),
    }


class VersionRow(TypedDict):
    """The state and version numbers of an article."""

    id: str
    version: int
    public: bool
    section_id: str | None
    published_revision: int | None


def find_version(connection: sa.Connection, article_id: str) -> VersionRow | None:
    """Find the state and version numbers of one article."""
    columns = (ARTICLE.c.id, ARTICLE.c.version, ARTICLE.c.public, ARTICLE.c.section_id, ARTICLE.c.published_revision)
    return fetch_row(connection, sa.select(*columns).where(ARTICLE.c.id == article_id), VersionRow)
