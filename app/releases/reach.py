"""Who may see and change a release: by the sections in which its items change something."""

from collections.abc import Collection
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.reading import ARTICLE, REVISION
from app.db.columns import table_of
from app.db.rows import Store
from app.identity.permissions import require_in
from app.identity.schemas import Actor, Scope
from app.publication.tables import Notice
from app.releases.items import ITEM, SHARED_OPS, find_section_of_notice
from app.releases.tables import Release

RELEASE: Final = table_of(Release)
_NOTICE: Final = table_of(Notice)
_PINNED: Final = (REVISION.c.article_id == ITEM.c.article_id) & (REVISION.c.n == ITEM.c.revision)
_CHANGED_NOTICE: Final = _NOTICE.c.id == sa.case(  # the targets of other items are no ids
    (ITEM.c.op.in_(("change_notice", "delete_notice")), sa.cast(ITEM.c.target, _NOTICE.c.id.type))
)
_SECTION_OF_NOTICE: Final = sa.case(
    (_NOTICE.c.scope == "section", _NOTICE.c.target_id),
    (
        _NOTICE.c.scope == "article",
        sa.select(ARTICLE.c.section_id).where(ARTICLE.c.id == _NOTICE.c.target_id).scalar_subquery(),
    ),
)


def list_sections(store: Store, release_id: str, items: Collection[str] | None = None) -> list[str | None]:
    """List the sections in which a release changes something; None is among them if it changes what all share.

    `items` are the ids of those of its items that count; by default all of them do.
    """
    is_counted = ITEM.c.release_id == release_id
    if items is not None:
        is_counted &= ITEM.c.id.in_(sorted(items))
    shared = sa.select(sa.cast(sa.null(), ARTICLE.c.section_id.type)).where(
        sa.exists().where(is_counted, ITEM.c.op.in_(SHARED_OPS))
    )
    present = sa.select(ARTICLE.c.section_id).join(ITEM, ITEM.c.article_id == ARTICLE.c.id).where(is_counted)
    future = sa.select(REVISION.c.section_id).join(ITEM, _PINNED).where(is_counted)
    noticed = sa.select(_SECTION_OF_NOTICE).select_from(ITEM.join(_NOTICE, _CHANGED_NOTICE)).where(is_counted)
    sections = set(store.execute(sa.union(shared, present, future, noticed)).scalars())
    new = sa.select(ITEM.c.body).where(is_counted, ITEM.c.op == "create_notice")
    for body in store.execute(new).scalars():
        sections.add(find_section_of_notice(store, str(body["scope"]), body.get("target_id")))
    return sorted(sections, key=str)


def require_release(
    session: Session, actor: Actor, release_id: str, scope: Scope, items: Collection[str] | None = None
) -> None:
    """Raise 403 unless the caller has a scope in all sections of a release, or of those of its items.

    Anybody who may write changes a release that has none.
    """
    for section_id in list_sections(session, release_id, items):
        require_in(actor, scope, section_id)


def is_visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """Build the SQL condition for releases that the caller may read.

    These are their own, those without items, and those that change something where the caller reads drafts.
    """
    if actor.draft_sections is None:
        return sa.true()
    sections = sorted(actor.draft_sections)
    is_of_release = ITEM.c.release_id == RELEASE.c.id
    present = ITEM.join(ARTICLE, ARTICLE.c.id == ITEM.c.article_id)
    future = ITEM.join(REVISION, _PINNED)
    noticed = ITEM.join(_NOTICE, _CHANGED_NOTICE)
    return sa.or_(
        RELEASE.c.actor_id == actor.id,
        ~sa.exists().where(is_of_release),
        sa.exists().select_from(present).where(is_of_release, ARTICLE.c.section_id.in_(sections)),
        sa.exists().select_from(future).where(is_of_release, REVISION.c.section_id.in_(sections)),
        sa.exists().select_from(noticed).where(is_of_release, _SECTION_OF_NOTICE.in_(sections)),
    )
