"""Putting up, changing and taking down notices."""

from typing import cast

import sqlalchemy as sa
from sqlmodel import Session

from app.core.clock import now
from app.core.ids import is_id, new_id
from app.core.problems import Forbidden, Invalid, NotFound
from app.db.columns import table_of
from app.events.catalog import NoticeChanged, NoticeDeleted
from app.events.log import emit
from app.identity.audit import record_action
from app.identity.permissions import require_publish
from app.identity.schemas import Actor
from app.publication import terms
from app.publication.generations import bump_generation
from app.publication.notice_targets import NoticeArticles, find_target
from app.publication.references import TERM_TABLES, Kind, resolve_reference
from app.publication.schemas import NoticeIn, NoticePatch
from app.publication.tables import Notice
from app.publication.term_queries import is_section_shown

_NOTICE = table_of(Notice)


def _find_target(
    session: Session, actor: Actor, articles: NoticeArticles, scope: str, ref: str | None
) -> sa.RowMapping | None:
    """What a notice stands with; None for the site. 422 when it is not there, or is a draft that is not to be known."""
    if scope == "site":
        if ref is not None:
            raise Invalid("A notice of the site has no target.", pointer="/target_id", code="not_wanted")
        return None
    if ref is None:
        raise Invalid(f"The id or slug of the {scope} is needed.", pointer="/target_id", code="missing")
    target = find_target(session.connection(), articles, scope, ref)
    if target is None and scope in TERM_TABLES and (former := resolve_reference(session, cast(Kind, scope), ref)):
        target = find_target(session.connection(), articles, scope, former.id)
    if target is None or (scope == "article" and not actor.may_in(target["section_id"])):
        raise Invalid(f"There is no such {scope}.", pointer="/target_id", code="not_found")
    return target


def _check_sections(actor: Actor, scope: str, target: sa.RowMapping | None) -> None:
    """A key that is limited to sections writes only the notices of these and of their articles."""
    column = {"section": "id", "article": "section_id"}.get(scope)
    if not actor.may_in(target[column] if target and column else None):
        raise Forbidden("The key is limited to other sections.")


def _check_shown(session: Session, actor: Actor, scope: str, target: sa.RowMapping | None) -> None:
    """A notice stands with its articles at once: where readers see any of them, it needs `content:publish`."""
    if target is None:
        require_publish(actor)
    elif scope == "section" and is_section_shown(session.connection(), target["id"]):
        require_publish(actor, target["id"])
    elif scope == "article" and target["shown"]:
        require_publish(actor, target["section_id"])
    elif scope in {"series", "author"} and target["shown"]:
        require_publish(actor)


def _render_words(html: str | None, text: str | None) -> tuple[str, str]:
    words = terms.render_note(html, text)
    if not words[1]:
        raise Invalid("A notice must say something.", pointer="/html" if text is None else "/text", code="empty")
    return words


def create_notice(session: Session, actor: Actor, articles: NoticeArticles, data: NoticeIn) -> str:
    """Put up a notice; returns its id."""
    target = _find_target(session, actor, articles, data.scope, data.target_id)
    _check_sections(actor, data.scope, target)
    _check_shown(session, actor, data.scope, target)
    html, text = _render_words(data.html, data.text)
    moment = now()
    row = Notice(
        id=new_id(),
        scope=data.scope,
        target_id=target["id"] if target else None,
        placement=data.placement,
        html=html,
        text=text,
        position=data.position,
        created_at=moment,
        updated_at=moment,
    )
    session.add(row)
    bump_generation(session)
    emit(session, NoticeChanged(subject_id=row.id, scope=row.scope, target_id=row.target_id))
    record_action(session, actor, "notice.create", "notice", row.id, {"scope": row.scope, "target_id": row.target_id})
    return row.id


def _lock_notice(
    session: Session, actor: Actor, articles: NoticeArticles, notice_id: str
) -> tuple[Notice, sa.RowMapping | None]:
    row = session.get(Notice, notice_id, with_for_update=True) if is_id(notice_id) else None
    if row is None:
        raise NotFound
    target = _find_target(session, actor, articles, row.scope, row.target_id)
    _check_sections(actor, row.scope, target)
    return row, target


def update_notice(
    session: Session,
    actor: Actor,
    articles: NoticeArticles,
    notice_id: str,
    data: NoticePatch,
    versions: frozenset[int] | None,
) -> str:
    """Change a notice; returns its id."""
    row, target = _lock_notice(session, actor, articles, notice_id)
    values = data.model_dump(exclude_unset=True)
    if "html" in values or "text" in values:
        values["html"], values["text"] = _render_words(values.get("html"), values.get("text"))
    if fields := terms.update_row(actor, row, versions, values, shown=False):
        _check_shown(session, actor, row.scope, target)
        emit(session, NoticeChanged(subject_id=row.id, scope=row.scope, target_id=row.target_id))
        record_action(session, actor, "notice.change", "notice", row.id, {"fields": fields})
    return row.id


def delete_notice(
    session: Session, actor: Actor, articles: NoticeArticles, notice_id: str, versions: frozenset[int] | None
) -> None:
    """Take down a notice."""
    row, target = _lock_notice(session, actor, articles, notice_id)
    terms.delete_row(session, row, versions)
    _check_shown(session, actor, row.scope, target)
    bump_generation(session)
    emit(session, NoticeDeleted(subject_id=row.id, scope=row.scope, target_id=row.target_id))
    record_action(session, actor, "notice.delete", "notice", row.id, {"scope": row.scope, "target_id": row.target_id})


def delete_notices_of(session: Session, scope: str, target_id: str) -> None:
    """Take down all notices of something that is being deleted; its own fact tells of it."""
    session.execute(sa.delete(_NOTICE).where(_NOTICE.c.scope == scope, _NOTICE.c.target_id == target_id))


def move_notices(session: Session, scope: str, target_id: str, new_target_id: str) -> None:
    """Let the notices of something that is merged stand with the other."""
    is_target = (_NOTICE.c.scope == scope) & (_NOTICE.c.target_id == target_id)
    session.execute(sa.update(_NOTICE).where(is_target).values(target_id=new_target_id))
