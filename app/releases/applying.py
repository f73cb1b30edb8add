"""Carrying out the items of a release by the actions of the rooms below, and undoing them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Final, NamedTuple, cast

import sqlalchemy as sa
from sqlmodel import Session, select

from app.articles import publishing, restoring
from app.articles.effects import gather_effects
from app.articles.projection import IndexArticle, WrongState, read_links
from app.articles.reading import ARTICLE, REVISION
from app.articles.restoring import ArticleState
from app.articles.tables import Article, Revision
from app.core.clock import now
from app.core.problems import Conflict, NotFound, Problem
from app.db.rows import JsonObject
from app.fronts import fronts
from app.fronts.schemas import FrontContent
from app.identity.permissions import require_publish
from app.identity.schemas import Actor
from app.publication import notices
from app.publication.notice_targets import NoticeArticles
from app.publication.schemas import NoticeIn, NoticePatch
from app.publication.site import Site
from app.releases.items import ARTICLE_OPS
from app.releases.tables import ReleaseItem
from app.site import redirects
from app.site.schemas import RedirectIn, RedirectPatch

LOCK_BATCH_SIZE: Final = 500  # articles locked by one statement
BATCH_SIZE: Final = 100  # articles whose revisions are in memory at a time


class ItemGone(Conflict, code="item_gone", title="What an item changes is gone"):
    """The article, notice or redirect of an item does not exist any more; `item` has its id and operation."""


class ItemChanged(Conflict, code="item_changed", title="Items were changed since the release"):
    """What items changed was changed again since, so that it is not rolled back; `items` names them."""


class Tools(NamedTuple):
    """What items are carried out with."""

    index_article: IndexArticle
    articles: NoticeArticles
    site: Site


@contextmanager
def name_item(item: ReleaseItem) -> Iterator[None]:
    """Let a problem within the context name the item; what is not found is a conflict."""
    try:
        yield
    except Problem as error:
        problem = ItemGone("It was deleted since it was put into the release.") if type(error) is NotFound else error
        problem.members["item"] = {"id": item.id, "op": item.op}
        raise problem from error


def list_items(session: Session, release_id: str) -> list[ReleaseItem]:
    """List the items of a release in the order in which they are carried out: articles before what may name them."""
    rows = session.exec(select(ReleaseItem).where(ReleaseItem.release_id == release_id)).all()
    return sorted(rows, key=lambda item: (item.op not in ARTICLE_OPS, item.position, item.id))


def lock_articles(session: Session, items: Sequence[ReleaseItem]) -> list[Article]:
    """Lock the articles of the items in the order of their ids, so that two releases do not wait for each other.

    The session forgets those that the caller does not keep.
    """
    articles: list[Article] = []
    ids = sorted(item.article_id for item in items if item.article_id)
    for at in range(0, len(ids), LOCK_BATCH_SIZE):
        batch = ids[at : at + LOCK_BATCH_SIZE]
        query = select(Article).where(ARTICLE.c.id.in_(batch)).order_by(ARTICLE.c.id).with_for_update()
        articles += session.exec(query.execution_options(populate_existing=True)).all()
    return articles


def _get_article(session: Session, actor: Actor, item: ReleaseItem) -> Article:
    """Return the locked article of an item; 403 outside of the sections in which the caller may publish."""
    article = session.get(Article, item.article_id)
    if article is None:
        raise NotFound
    require_publish(actor, article.section_id)
    return article


def _apply_to_article(session: Session, actor: Actor, tools: Tools, item: ReleaseItem, moment: datetime) -> None:
    article = _get_article(session, actor, item)
    item.before = cast(JsonObject, restoring.get_article_state(article))
    if item.op == "unpublish":
        publishing.unpublish_locked(session, actor, tools.index_article, article)
    elif article.state == "retracted":
        raise WrongState("The article was retracted.")
    else:
        publishing.publish_locked(session, actor, tools.index_article, article, item.revision, moment)
    item.after = {"version": article.version, "exposure": restoring.fingerprint_exposure(article)}


def _apply_to_front(session: Session, actor: Actor, item: ReleaseItem, moment: datetime) -> None:
    ref = str(item.target)
    state = fronts.get_front_state(session, ref)
    front_id = fronts.publish_front(session, actor, ref, FrontContent.model_validate(item.body), moment)
    item.target, item.before = front_id, cast("JsonObject | None", state)
    session.flush()
    item.after = {"shown": _read_front(session, front_id)}


def _read_front(session: Session, front_id: str) -> object:
    """Return what readers see of a front."""
    state = fronts.get_front_state(session, front_id)
    return state and state["published"]


def _apply_to_notice(session: Session, actor: Actor, tools: Tools, item: ReleaseItem) -> None:
    item.before = None
    if item.op == "create_notice":
        item.target = notices.create_notice(session, actor, tools.articles, NoticeIn.model_validate(item.body))
    else:
        target = str(item.target)
        item.before = cast("JsonObject | None", notices.get_notice_state(session, target))
        if item.op == "delete_notice":
            notices.delete_notice(session, actor, tools.articles, target, None)
        else:
            data = NoticePatch.model_validate(item.body)
            notices.update_notice(session, actor, tools.articles, target, data, None)
    session.flush()
    item.after = {"shown": notices.get_notice_state(session, str(item.target))}


def _apply_to_redirect(session: Session, actor: Actor, tools: Tools, item: ReleaseItem) -> None:
    item.before = None
    if item.op == "create_redirect":
        item.target = redirects.create_redirect(session, actor, RedirectIn.model_validate(item.body), tools.site)
    else:
        target = str(item.target)
        item.before = cast("JsonObject | None", redirects.get_redirect_state(session, target))
        if item.op == "delete_redirect":
            redirects.delete_redirect(session, actor, target, None)
        else:
            data = RedirectPatch.model_validate(item.body)
            redirects.update_redirect(session, actor, target, data, None, tools.site)
    session.flush()
    item.after = {"shown": redirects.get_redirect_state(session, str(item.target))}


def apply_item(session: Session, actor: Actor, tools: Tools, item: ReleaseItem, moment: datetime) -> None:
    """Carry out an item, and note in it what was before; its problems name it."""
    with name_item(item):
        if item.op in ARTICLE_OPS:
            _apply_to_article(session, actor, tools, item, moment)
        elif item.op == "front":
            _apply_to_front(session, actor, item, moment)
        elif item.op.endswith("_notice"):
            _apply_to_notice(session, actor, tools, item)
        else:
            _apply_to_redirect(session, actor, tools, item)


def apply_items(session: Session, actor: Actor, tools: Tools, items: Sequence[ReleaseItem]) -> None:
    """Carry out all items of a release in the caller's transaction, at one moment."""
    articles = lock_articles(session, items)
    moment = now()
    for batch in _split_articles(items):
        with _batch_of_articles(session, tools, batch, moment):
            for item in batch:
                apply_item(session, actor, tools, item, moment)
    del articles
    for item in items:
        if item.op not in ARTICLE_OPS:
            apply_item(session, actor, tools, item, moment)


def _split_articles(items: Sequence[ReleaseItem]) -> Iterator[list[ReleaseItem]]:
    about_articles = [item for item in items if item.op in ARTICLE_OPS]
    for at in range(0, len(about_articles), BATCH_SIZE):
        yield about_articles[at : at + BATCH_SIZE]


@contextmanager
def _batch_of_articles(
    session: Session, tools: Tools, items: Sequence[ReleaseItem], moment: datetime
) -> Iterator[None]:
    """Read the revisions of some articles together, and write what their changes bring with them together."""
    pins: set[tuple[str | None, object]] = {(item.article_id, item.revision) for item in items if item.revision}
    pins |= {(item.article_id, item.before["revision"]) for item in items if item.before}
    for item in items:
        if article := session.get(Article, item.article_id):
            pins |= {(article.id, article.revision), (article.id, article.latest_revision)}
    query = select(Revision).where(sa.tuple_(REVISION.c.article_id, REVISION.c.n).in_(pins))
    revisions = session.exec(query).all()
    with gather_effects(session, tools.index_article, moment):
        read_links(session, [article_id for article_id, _ in pins if article_id is not None])
        yield
    del revisions  # until here the session must not forget them


# ---- rolling back


def _is_unchanged(session: Session, item: ReleaseItem) -> bool:
    """Whether readers see of what an item changed just what they saw when the release was published."""
    after = item.after or {}
    if item.op in ARTICLE_OPS:
        article = session.get(Article, item.article_id)
        return article is not None and restoring.fingerprint_exposure(article) == after.get("exposure")
    target = str(item.target)
    shown: object
    if item.op == "front":
        shown = _read_front(session, target)
    elif item.op.endswith("_notice"):
        shown = notices.get_notice_state(session, target)
    else:
        shown = redirects.get_redirect_state(session, target)
    return shown == after.get("shown")


def _restore(session: Session, actor: Actor, tools: Tools, item: ReleaseItem, moment: datetime) -> None:
    with name_item(item):
        _restore_item(session, actor, tools, item, moment)


def _restore_item(session: Session, actor: Actor, tools: Tools, item: ReleaseItem, moment: datetime) -> None:
    target = str(item.target)
    if item.op in ARTICLE_OPS:
        article = _get_article(session, actor, item)
        version = cast(int, (item.after or {})["version"])
        former = cast(ArticleState, item.before)
        restoring.restore_article(session, actor, tools.index_article, article, former, version)
    elif item.op == "front":
        fronts.restore_front(session, actor, target, cast("fronts.FrontState | None", item.before), moment)
    elif item.op.endswith("_notice"):
        state = cast("notices.NoticeState | None", item.before)
        notices.restore_notice(session, actor, tools.articles, target, state)
    else:
        former_rule = cast("redirects.RedirectState | None", item.before)
        redirects.restore_redirect(session, actor, target, former_rule, tools.site)
    if item.article_id is None and item.before is None:  # what it created is gone
        item.target = item.subject.partition(":")[2] if item.op == "front" else None


def restore_items(
    session: Session, actor: Actor, tools: Tools, items: Sequence[ReleaseItem], *, skip_changed: bool
) -> list[str]:
    """Undo the items of a release, the last first; return the ids of those that were left as they are.

    409 if what readers see of any of them was changed since, unless `skip_changed`.
    """
    articles = lock_articles(session, items)
    changed = [item for item in items if not _is_unchanged(session, item)]
    if changed and not skip_changed:
        raise ItemChanged(
            f"{len(changed):,} items were changed since. Undo that first, or send skip_changed to leave them.",
            items=[{"id": item.id, "op": item.op} for item in changed],
        )
    skipped = {item.id for item in changed}
    moment = now()
    left = [item for item in items if item.id not in skipped]
    for item in reversed(left):
        if item.op not in ARTICLE_OPS:
            _restore(session, actor, tools, item, moment)
    for batch in _split_articles(left):
        with _batch_of_articles(session, tools, batch, moment):
            for item in batch:
                _restore(session, actor, tools, item, moment)
    del articles
    return sorted(skipped)
