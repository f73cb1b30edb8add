"""Adding, changing, withdrawing and listing corrections."""

from collections.abc import Mapping
from datetime import datetime
from typing import TypedDict, cast

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.editorial_schemas import CorrectionIn, CorrectionPatch
from app.articles.projection import (
    IndexArticle,
    WrongState,
    build_event_fields,
    lock_article,
    refresh_visibility,
    take_snapshot,
)
from app.articles.tables import Article, CorrectionVersion
from app.core.clock import format_rfc3339, now
from app.core.ids import new_id
from app.core.problems import NotFound
from app.db.columns import table_of
from app.events.catalog import ArticleCorrected, ArticleCorrectionChanged, ArticleCorrectionWithdrawn
from app.events.log import emit
from app.identity.audit import record_action
from app.identity.schemas import Actor
from app.web.paging import Page, PageQuery, Sort, fetch_page

MAX_CORRECTIONS = 200
MAX_CORRECTION_VERSIONS = 1000  # former versions kept for one article
_VERSION = table_of(CorrectionVersion)


class Correction(TypedDict):
    """A correction as stored with its article; times are RFC 3339."""

    n: int
    at: str
    kind: str
    text: str
    changed_at: str | None


def add_correction(
    session: Session,
    actor: Actor,
    index_article: IndexArticle,
    ref: str,
    data: CorrectionIn,
    versions: frozenset[int] | None,
) -> str:
    """Add a correction to an article that was published."""
    article = lock_article(session, actor, ref, versions, [], scope="content:publish")
    if article.published_revision is None or article.state == "retracted":
        raise WrongState("Only an article that was published can be corrected.")
    if len(article.corrections) >= MAX_CORRECTIONS:
        raise WrongState(f"An article holds at most {MAX_CORRECTIONS} corrections.")
    before = take_snapshot(session, article)
    n = _next_number(session, article)
    correction = {"n": n, "at": format_rfc3339(now()), "kind": data.kind, "text": data.text, "changed_at": None}
    article.corrections = [*article.corrections, correction]
    refresh_visibility(session, actor, index_article, article, before, ["corrections"], emits_own_event=True)
    if article.public:
        emit(session, ArticleCorrected(**build_event_fields(session, article), n=n, kind=data.kind, text=data.text))
    record_action(session, actor, "article.correct", "article", article.id, {"n": n, "kind": data.kind})
    return article.id


def _next_number(session: Session, article: Article) -> int:
    """Return the number of the article's next correction; numbers are never reused."""
    last = sa.select(sa.func.max(_VERSION.c.n)).where(_VERSION.c.article_id == article.id)
    numbers = [correction["n"] for correction in _corrections_of(article)]
    return max([session.execute(last).scalar_one() or 0, *numbers]) + 1


def change_correction(
    session: Session,
    actor: Actor,
    index_article: IndexArticle,
    ref: str,
    n: int,
    data: CorrectionPatch,
    versions: frozenset[int] | None,
) -> str:
    """Change a correction and archive its former text. Without a difference the version stays."""
    article = lock_article(session, actor, ref, versions, ["corrections"], scope="content:publish")
    old = _get_correction(article, n)
    values = data.model_dump(exclude_unset=True)
    stored: Mapping[str, object] = old
    if all(stored[name] == value for name, value in values.items()):
        return article.id
    new = cast(Correction, {**old, **values, "changed_at": format_rfc3339(now())})
    before = take_snapshot(session, article)
    _archive_version(session, actor, article, old, "changed")
    article.corrections = [dict(new) if correction["n"] == n else correction for correction in article.corrections]
    refresh_visibility(session, actor, index_article, article, before, ["corrections"], emits_own_event=True)
    if article.public:
        emit(
            session,
            ArticleCorrectionChanged(**build_event_fields(session, article), n=n, kind=new["kind"], text=new["text"]),
        )
    record_action(
        session, actor, "article.correction_change", "article", article.id, {"n": n, "fields": sorted(values)}
    )
    return article.id


def withdraw_correction(
    session: Session, actor: Actor, index_article: IndexArticle, ref: str, n: int, versions: frozenset[int] | None
) -> str:
    """Withdraw a correction: readers no longer see it, editors find it in the history."""
    article = lock_article(session, actor, ref, versions, ["corrections"], scope="content:publish")
    old = _get_correction(article, n)
    before = take_snapshot(session, article)
    _archive_version(session, actor, article, old, "withdrawn")
    article.corrections = [correction for correction in article.corrections if correction["n"] != n]
    refresh_visibility(session, actor, index_article, article, before, ["corrections"], emits_own_event=True)
    if article.public:
        emit(session, ArticleCorrectionWithdrawn(**build_event_fields(session, article), n=n))
    record_action(session, actor, "article.correction_withdraw", "article", article.id, {"n": n})
    return article.id


def _corrections_of(article: Article) -> list[Correction]:
    return cast(list[Correction], article.corrections)


def _get_correction(article: Article, n: int) -> Correction:
    if article.state == "retracted":
        raise WrongState("The corrections of a retracted article cannot be changed.")
    correction = next((entry for entry in _corrections_of(article) if entry["n"] == n), None)
    if correction is None:
        raise NotFound("The article has no correction with this number, or it was withdrawn.")
    return correction


def _archive_version(session: Session, actor: Actor, article: Article, old: Correction, change: str) -> None:
    count = sa.select(sa.func.count()).select_from(_VERSION).where(_VERSION.c.article_id == article.id)
    if session.execute(count).scalar_one() >= MAX_CORRECTION_VERSIONS:
        raise WrongState(f"The corrections of an article can be changed at most {MAX_CORRECTION_VERSIONS} times.")
    session.add(
        CorrectionVersion(
            id=new_id(),
            article_id=article.id,
            n=old["n"],
            kind=old["kind"],
            text=old["text"],
            replaced_at=now(),
            change=change,
            actor_id=actor.id,
            actor_name=actor.name,
            person_id=actor.person,
        )
    )


NEWEST_FIRST = Sort("-replaced_at", descending=True)


class CorrectionVersionRow(TypedDict):
    """A former version of a correction."""

    id: str
    article_id: str
    n: int
    kind: str
    text: str
    replaced_at: datetime
    change: str
    actor_id: str | None
    actor_name: str
    person_id: str | None


def list_versions(connection: sa.Connection, article_id: str, query: PageQuery) -> Page[CorrectionVersionRow]:
    """List the former versions of an article's corrections, the last replaced first."""
    statement = sa.select(_VERSION).where(_VERSION.c.article_id == article_id)
    at = _VERSION.c.replaced_at
    return fetch_page(connection, statement, NEWEST_FIRST, at, query, CorrectionVersionRow, within=article_id)
