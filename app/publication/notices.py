"""Creating, changing and deleting notices."""

from datetime import datetime
from typing import TypedDict, cast

import sqlalchemy as sa
from sqlmodel import Session

from app.core.clock import format_rfc3339, now
from app.core.ids import new_id
from app.core.problems import Invalid, NotFound
from app.db.columns import table_of
from app.db.rows import fetch_row, lock_row
from app.events.catalog import NoticeChanged, NoticeDeleted
from app.events.log import emit
from app.identity.audit import record_action
from app.identity.permissions import require_in, require_publish
from app.identity.schemas import Actor
from app.publication import terms
from app.publication.generations import bump_generation
from app.publication.notice_targets import NoticeArticles, NoticeTarget, find_target
from app.publication.schemas import NoticeIn, NoticePatch, NoticeScope
from app.publication.tables import Notice

_NOTICE = table_of(Notice)


def _find_target(
    session: Session, actor: Actor, articles: NoticeArticles, scope: NoticeScope, ref: str | None
) -> NoticeTarget | None:
    """Return the target of a notice, None for the site; 422 if it is missing or a draft of other sections.

    403 if the key is limited to sections that the target does not belong to.
    """
    target = None
    if scope == "site":
        if ref is not None:
            detail = "A notice of the site has no target. Omit target_id."
            raise Invalid(detail, pointer="/target_id", code="not_wanted")
    else:
        if ref is None:
            raise Invalid(f"target_id must be the id or slug of the {scope}.", pointer="/target_id", code="missing")
        target = find_target(session.connection(), articles, scope, ref)
        if target is None or (scope == "article" and not actor.may_in("content:write", target["section_id"])):
            raise Invalid(f"There is no {scope} with this id or slug.", pointer="/target_id", code="not_found")
    require_in(actor, "content:write", target["section_id"] if target else None)
    return target


def _check_shown(actor: Actor, target: NoticeTarget | None) -> None:
    """Require `content:publish` where readers see any of the notice's articles."""
    if target is None:
        require_publish(actor)
    elif target["shown"]:
        require_publish(actor, target["section_id"])


def _render_words(html: str | None, text: str | None) -> tuple[str, str]:
    words = terms.render_note(html, text)
    if not words[1]:
        raise Invalid("A notice must contain text.", pointer="/html" if text is None else "/text", code="empty")
    return words


def create_notice(session: Session, actor: Actor, articles: NoticeArticles, data: NoticeIn) -> str:
    """Create a notice; returns its id."""
    target = _find_target(session, actor, articles, data.scope, data.target_id)
    _check_shown(actor, target)
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
) -> tuple[Notice, NoticeTarget | None]:
    row = lock_row(session, Notice, notice_id)
    return row, _find_target(session, actor, articles, cast(NoticeScope, row.scope), row.target_id)


def update_notice(
    session: Session,
    actor: Actor,
    articles: NoticeArticles,
    notice_id: str,
    data: NoticePatch,
    versions: frozenset[int] | None,
) -> str:
    """Update a notice; returns its id."""
    row, target = _lock_notice(session, actor, articles, notice_id)
    values = data.model_dump(exclude_unset=True)
    if "html" in values or "text" in values:
        values["html"], values["text"] = _render_words(values.get("html"), values.get("text"))
    if fields := terms.update_row(actor, row, versions, values, shown=False):
        _check_shown(actor, target)
        emit(session, NoticeChanged(subject_id=row.id, scope=row.scope, target_id=row.target_id))
        record_action(session, actor, "notice.change", "notice", row.id, {"fields": fields})
    return row.id


def delete_notice(
    session: Session, actor: Actor, articles: NoticeArticles, notice_id: str, versions: frozenset[int] | None
) -> None:
    """Delete a notice."""
    row, target = _lock_notice(session, actor, articles, notice_id)
    terms.delete_row(session, row, versions)
    _check_shown(actor, target)
    bump_generation(session)
    emit(session, NoticeDeleted(subject_id=row.id, scope=row.scope, target_id=row.target_id))
    record_action(session, actor, "notice.delete", "notice", row.id, {"scope": row.scope, "target_id": row.target_id})


class NoticeState(TypedDict):
    """The columns of a notice, to put back later; times are RFC 3339."""

    scope: str
    target_id: str | None
    placement: str
    html: str
    text: str
    position: int
    version: int
    created_at: str
    updated_at: str


def get_notice_state(session: Session, notice_id: str) -> NoticeState | None:
    """Return the columns of a notice, locked until the transaction ends; None without one."""
    row = session.get(Notice, notice_id, with_for_update=True)
    if row is None:
        return None
    return {
        "scope": row.scope,
        "target_id": row.target_id,
        "placement": row.placement,
        "html": row.html,
        "text": row.text,
        "position": row.position,
        "version": row.version,
        "created_at": format_rfc3339(row.created_at),
        "updated_at": format_rfc3339(row.updated_at),
    }


def restore_notice(
    session: Session, actor: Actor, articles: NoticeArticles, notice_id: str, state: NoticeState | None
) -> None:
    """Put a notice back into a former state: change it, create it again, or delete it."""
    row = session.get(Notice, notice_id, with_for_update=True)
    if state is None and row is None:
        raise NotFound
    there = get_notice_state(session, notice_id) or state
    assert there is not None, "a notice that is not there has a former state"
    scope, target_id = cast(NoticeScope, there["scope"]), there["target_id"]
    _check_shown(actor, _find_target(session, actor, articles, scope, target_id))
    bump_generation(session)
    if state is None:
        session.delete(row)
        emit(session, NoticeDeleted(subject_id=notice_id, scope=scope, target_id=target_id))
    else:
        session.merge(_make_notice(notice_id, state, (row.version if row is not None else state["version"]) + 1))
        emit(session, NoticeChanged(subject_id=notice_id, scope=scope, target_id=target_id))
    record_action(session, actor, "notice.restore", "notice", notice_id, {"scope": scope, "target_id": target_id})


def _make_notice(notice_id: str, state: NoticeState, version: int) -> Notice:
    return Notice(
        id=notice_id,
        scope=state["scope"],
        target_id=state["target_id"],
        placement=state["placement"],
        html=state["html"],
        text=state["text"],
        position=state["position"],
        version=version,
        created_at=datetime.fromisoformat(state["created_at"]),
        updated_at=datetime.fromisoformat(state["updated_at"]),
    )


class ShownNotice(TypedDict):
    """A notice as articles show it."""

    id: str
    scope: str
    target_id: str | None
    placement: str
    html: str
    text: str
    position: int


def preview_new(
    connection: sa.Connection, articles: NoticeArticles, notice_id: str, data: NoticeIn
) -> ShownNotice | None:
    """Return a notice as it would be shown if it were created; None if it could not be."""
    target_id = None
    if data.scope != "site":
        target = find_target(connection, articles, data.scope, data.target_id) if data.target_id else None
        if target is None:
            return None
        target_id = target["id"]
    html, text = _render_words(data.html, data.text)
    return {
        "id": notice_id,
        "scope": data.scope,
        "target_id": target_id,
        "placement": data.placement,
        "html": html,
        "text": text,
        "position": data.position,
    }


def preview_change(connection: sa.Connection, notice_id: str, data: NoticePatch) -> ShownNotice | None:
    """Return a notice as it would be shown after a change; None without it."""
    query = sa.select(*(_NOTICE.c[name] for name in ShownNotice.__annotations__)).where(_NOTICE.c.id == notice_id)
    row = fetch_row(connection, query, ShownNotice)
    if row is None:
        return None
    values = data.model_dump(exclude_unset=True)
    if "html" in values or "text" in values:
        values["html"], values["text"] = _render_words(values.get("html"), values.get("text"))
    return cast(ShownNotice, {**row, **values})


def delete_notices_of(session: Session, scope: str, target_id: str) -> None:
    """Delete all notices of something that is being deleted, whose own event covers them."""
    session.execute(sa.delete(_NOTICE).where(_NOTICE.c.scope == scope, _NOTICE.c.target_id == target_id))


def move_notices(session: Session, scope: str, target_id: str, new_target_id: str) -> None:
    """Move the notices of a merged term to the target."""
    is_target = (_NOTICE.c.scope == scope) & (_NOTICE.c.target_id == target_id)
    session.execute(sa.update(_NOTICE).where(is_target).values(target_id=new_target_id))
