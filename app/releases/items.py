"""Items of releases: what they name is resolved and pinned when they are put in."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypedDict, cast

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.reading import ARTICLE, REVISION, select_visible_ids
from app.core.ids import is_id, new_id
from app.core.problems import Invalid
from app.db.columns import table_of
from app.db.rows import JsonObject, Store
from app.fronts.fronts import FRONT
from app.identity.permissions import require_in
from app.identity.schemas import Actor
from app.publication.references import resolve_reference
from app.publication.tables import Notice
from app.publication.terms import require_all_sections
from app.releases.schemas import (
    MAX_ITEMS,
    AnyItem,
    ChangeNoticeItem,
    ChangeRedirectItem,
    CreateNoticeItem,
    CreateRedirectItem,
    DeleteNoticeItem,
    DeleteRedirectItem,
    FrontItem,
    PublishItem,
    UnpublishItem,
)
from app.releases.tables import ReleaseItem
from app.site.redirects import REDIRECT
from app.text.inputs import is_slug

ITEM, _NOTICE = table_of(ReleaseItem), table_of(Notice)
ARTICLE_OPS: Final = ("publish", "unpublish")
SHARED_OPS: Final = ("front", "create_redirect", "change_redirect", "delete_redirect")  # change what all sections share
_BATCH_SIZE: Final = 500  # references in one statement


class _Named(TypedDict):
    """An article that an item names."""

    id: str
    section_id: str | None
    latest_revision: int
    latest_section: str | None


def _split(refs: Sequence[str]) -> Iterator[list[str]]:
    for at in range(0, len(refs), _BATCH_SIZE):
        yield list(refs[at : at + _BATCH_SIZE])


def _find_articles(session: Session, actor: Actor, refs: Sequence[str]) -> dict[str, _Named]:
    """Find the articles that the caller may see, by the ids and slugs that were sent."""
    newest = (REVISION.c.article_id == ARTICLE.c.id) & (REVISION.c.n == ARTICLE.c.latest_revision)
    query = (
        select_visible_ids(actor)
        .add_columns(ARTICLE.c.slug, ARTICLE.c.section_id, ARTICLE.c.latest_revision)
        .add_columns(REVISION.c.section_id.label("latest_section"))
        .join(REVISION, newest)
    )
    named: dict[str, _Named] = {}
    for batch in _split(refs):
        ids, slugs = [ref for ref in batch if is_id(ref)], [ref for ref in batch if not is_id(ref)]
        for row in session.execute(query.where(ARTICLE.c.id.in_(ids) | ARTICLE.c.slug.in_(slugs))).mappings():
            article = cast(_Named, {name: row[name] for name in _Named.__annotations__})
            named[row["id"]] = named[row["slug"]] = article
    return named


def _find_revisions(session: Session, pins: Sequence[tuple[str, int]]) -> dict[tuple[str, int], str | None]:
    """Return the sections of the revisions that exist, by article and number."""
    sections: dict[tuple[str, int], str | None] = {}
    for at in range(0, len(pins), _BATCH_SIZE // 2):
        pairs = sa.tuple_(REVISION.c.article_id, REVISION.c.n).in_(pins[at : at + _BATCH_SIZE // 2])
        query = sa.select(REVISION.c.article_id, REVISION.c.n, REVISION.c.section_id).where(pairs)
        sections |= {(row.article_id, row.n): row.section_id for row in session.execute(query)}
    return sections


class _Pinned(TypedDict):
    """The columns of an item that depend on what it names."""

    subject: str
    article_id: str | None
    revision: int | None
    target: str | None


def _pin_articles(session: Session, actor: Actor, items: Sequence[AnyItem]) -> dict[int, _Pinned]:
    """Pin the revisions of the articles to publish; 422 for what does not exist, 403 outside of the key's sections."""
    named = {at: item for at, item in enumerate(items) if isinstance(item, PublishItem | UnpublishItem)}
    articles = _find_articles(session, actor, [item.article for item in named.values()])
    pinned: dict[int, _Pinned] = {}
    sections: dict[int, list[str | None]] = {}
    for at, item in named.items():
        article = articles.get(item.article)
        if article is None:
            raise Invalid("The article does not exist.", pointer=f"/items/{at}/article", code="not_found")
        n = (item.revision or article["latest_revision"]) if isinstance(item, PublishItem) else None
        pinned[at] = {"subject": f"article:{article['id']}", "article_id": article["id"], "revision": n, "target": None}
        sections[at] = [article["section_id"]]
    pins = [(str(each["article_id"]), each["revision"]) for each in pinned.values() if each["revision"]]
    found = _find_revisions(session, pins)
    for at, each in pinned.items():
        pin = (str(each["article_id"]), each["revision"] or 0)
        if each["revision"] and pin not in found:
            detail = "The article has no revision with this number."
            raise Invalid(detail, pointer=f"/items/{at}/revision", code="not_found")
        for section_id in (*sections[at], *([found[pin]] if pin in found else [])):
            require_in(actor, "content:write", section_id)
    return pinned


def find_section_of_notice(store: Store, scope: str, ref: str | None) -> str | None:
    """Return the section of what a notice stands with; None for what all sections share, or is not there."""
    if scope == "article" and ref is not None:
        is_it = ARTICLE.c.id == ref if is_id(ref) else ARTICLE.c.slug == ref
        section_id: str | None = store.execute(sa.select(ARTICLE.c.section_id).where(is_it)).scalar_one_or_none()
        return section_id
    reference = resolve_reference(store, "section", ref) if scope == "section" and ref is not None else None
    return reference.id if reference else None


def _require_notice(session: Session, actor: Actor, ref: str, pointer: str) -> str:
    """Return the id of a notice that the caller may change; 422 without it, 403 for one of other sections."""
    notice_id = _require_target(session, _NOTICE, ref, pointer)
    scope, target = session.execute(sa.select(_NOTICE.c.scope, _NOTICE.c.target_id).where(_NOTICE.c.id == ref)).one()
    require_in(actor, "content:write", find_section_of_notice(session, scope, target))
    return notice_id


def _require_target(session: Session, table: sa.Table, ref: str, pointer: str) -> str:
    known = sa.select(table.c.id).where(table.c.id == ref)
    if not is_id(ref) or session.execute(known).first() is None:
        raise Invalid("There is none with this id.", pointer=pointer, code="not_found")
    return ref


def _pin_other(session: Session, actor: Actor, item: AnyItem, at: int) -> _Pinned:
    """Resolve what an item names that is not about an article."""
    kind, target = "", ""
    match item:
        case FrontItem():
            require_all_sections(actor, "content:write")
            column = FRONT.c.id if is_id(item.front) else FRONT.c.slug
            row_id = session.execute(sa.select(FRONT.c.id).where(column == item.front)).scalar_one_or_none()
            if row_id is None and (is_id(item.front) or not is_slug(item.front)):
                raise Invalid("There is no such front.", pointer=f"/items/{at}/front", code="not_found")
            kind, target = "front", row_id or item.front
        case ChangeNoticeItem() | DeleteNoticeItem():
            kind, target = "notice", _require_notice(session, actor, item.notice, f"/items/{at}/notice")
        case ChangeRedirectItem() | DeleteRedirectItem():
            require_all_sections(actor, "content:write")
            kind, target = "redirect", _require_target(session, REDIRECT, item.redirect, f"/items/{at}/redirect")
        case CreateRedirectItem():
            require_all_sections(actor, "content:write")
            return {"subject": f"source:{item.body.source}", "article_id": None, "revision": None, "target": None}
        case CreateNoticeItem():
            section_id = find_section_of_notice(session, item.body.scope, item.body.target_id)
            require_in(actor, "content:write", section_id)
            return {"subject": f"new:{new_id()}", "article_id": None, "revision": None, "target": None}
        case _:
            raise AssertionError(f"{item.op} is about an article")
    return {"subject": f"{kind}:{target}", "article_id": None, "revision": None, "target": target}


def build_items(session: Session, actor: Actor, release_id: str, items: Sequence[AnyItem]) -> list[ReleaseItem]:
    """Return rows for the items; 422 for what does not exist, or where two change the same."""
    pinned = _pin_articles(session, actor, items)
    rows: dict[str, ReleaseItem] = {}
    for at, item in enumerate(items):
        columns = pinned.get(at) or _pin_other(session, actor, item, at)
        if columns["subject"] in rows:
            raise Invalid("Another item changes the same.", pointer=f"/items/{at}", code="duplicate")
        body = cast("JsonObject | None", item.model_dump(mode="json", exclude_unset=True).get("body"))
        rows[columns["subject"]] = ReleaseItem(
            id=new_id(),
            release_id=release_id,
            position=at,
            op=item.op,
            body=body,
            before=None,
            after=None,
            **columns,
        )
    return list(rows.values())


def replace_items(session: Session, actor: Actor, release_id: str, items: Sequence[AnyItem]) -> None:
    """Replace all items of a release."""
    rows = build_items(session, actor, release_id, items)
    session.execute(sa.delete(ITEM).where(ITEM.c.release_id == release_id))
    session.add_all(rows)


def add_items(session: Session, actor: Actor, release_id: str, items: Sequence[AnyItem]) -> None:
    """Add items after the others; those that changed the same before are replaced."""
    rows = build_items(session, actor, release_id, items)
    subjects = [row.subject for row in rows]
    for batch in _split(subjects):
        session.execute(sa.delete(ITEM).where(ITEM.c.release_id == release_id, ITEM.c.subject.in_(batch)))
    of_release = ITEM.c.release_id == release_id
    number, last = session.execute(
        sa.select(sa.func.count(), sa.func.coalesce(sa.func.max(ITEM.c.position), -1)).where(of_release)
    ).one()
    if number + len(rows) > MAX_ITEMS:
        raise Invalid(f"A release has at most {MAX_ITEMS:,} items.", pointer="/items", code="too_long")
    for row in rows:
        row.position += last + 1
    session.add_all(rows)


def count_items(store: Store, release_id: str) -> int:
    """Count the items of a release."""
    query = sa.select(sa.func.count()).where(ITEM.c.release_id == release_id)
    return store.execute(query).scalar_one()


def present_item(row: Mapping[str, object], actor: Actor) -> JsonObject:
    """Return a row of `select_items` as `ReleaseItemOut`."""
    op, target = str(row["op"]), row["target"]
    reads = actor.reads_drafts_in(cast("str | None", row["section_id"]))
    return {
        **{name: row[name] for name in ("id", "op", "revision")},
        "body": row["body"] if actor.reads_drafts_in(None) else None,
        "article": row["article_id"],
        "title": row["title"] if reads else None,
        "front": target if op == "front" else None,
        "notice": target if op.endswith("_notice") else None,
        "redirect": target if op.endswith("_redirect") else None,
    }
