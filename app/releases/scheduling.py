"""Publishing a release at a set time."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, Protocol, cast

import sqlalchemy as sa
from sqlmodel import Session, select

from app.core.clock import format_rfc3339, now
from app.core.logs import get_logger
from app.core.problems import Forbidden, Invalid, Problem
from app.events.log import emit
from app.events.staff_events import ReleaseFailed
from app.identity.audit import record_action
from app.identity.permissions import require_publish
from app.identity.schemas import SYSTEM, Actor
from app.releases.applying import Tools
from app.releases.items import count_items
from app.releases.reach import RELEASE, list_sections
from app.releases.releases import (
    EDITABLE_STATES,
    ReleaseState,
    Versions,
    carry_out,
    lock_release,
    reopen,
    touch,
)
from app.releases.tables import Release

RETRY_DELAY: Final = timedelta(minutes=1)
MAX_DELAY: Final = timedelta(minutes=15)  # of a release that is tried again; then it is not published any more
NEXT_RELEASE = sa.select(sa.func.min(RELEASE.c.due_at))
"""Selects when the next release is due."""
log = get_logger("broadsheet.releases")


class FindCaller(Protocol):
    """Finds who scheduled a release, with their present permissions; the rooms of identity and people know them."""

    def __call__(self, connection: sa.Connection, kind: str, caller_id: str, /) -> Actor | None: ...


def schedule_release(session: Session, actor: Actor, release_id: str, at: datetime, versions: Versions) -> str:
    """Publish a release at a future time, with the permissions that the caller has then; return its id."""
    row = lock_release(session, release_id, versions, *EDITABLE_STATES, "scheduled")
    if at <= now():
        raise Invalid("at must be in the future. To publish now, use POST …/publish.", pointer="/at")
    if not count_items(session, row.id):
        raise ReleaseState("The release has no items.")
    row.state, row.scheduled_at, row.due_at, row.failure = "scheduled", at, at, None
    require_publish(actor, *list_sections(session, row.id))
    row.scheduled_by = {"kind": actor.kind, "id": actor.id, "name": actor.name}
    touch(row)
    record_action(session, actor, "release.schedule", "release", row.id, {"at": format_rfc3339(at)})
    return row.id


def unschedule_release(session: Session, actor: Actor, release_id: str, versions: Versions) -> str:
    """Cancel the schedule of a release; return its id."""
    row = lock_release(session, release_id, versions, "scheduled")
    require_publish(actor, *list_sections(session, row.id))
    row.scheduled_at, row.scheduled_by, row.due_at = None, None, None
    reopen(row)
    record_action(session, actor, "release.unschedule", "release", row.id, {})
    return row.id


def publish_due_release(session: Session, tools: Tools, find_caller: FindCaller) -> int:
    """Publish the next release that is due; return 1, or 0 without one.

    One that cannot be published becomes `failed`: what keeps it back does not go away by itself, and readers must not
    be surprised later. After any other error, such as a lost connection, it is tried again after `RETRY_DELAY`, until
    it is late by `MAX_DELAY`.
    """
    due = select(Release).where(RELEASE.c.due_at <= now()).order_by(RELEASE.c.due_at).limit(1)
    row = session.exec(due.with_for_update(skip_locked=True)).first()
    if row is None:
        return 0
    release_id = row.id
    try:
        with session.begin_nested():
            carry_out(session, _find_scheduler(session, row, find_caller), tools, row)
    except Exception as error:
        row = session.get_one(Release, release_id, populate_existing=True)
        if isinstance(error, Problem) and error.status < 500:
            _fail(session, row, error)
            return 1
        log.exception("publishing a release failed", release=release_id)
        if row.scheduled_at is not None and row.scheduled_at < now() - MAX_DELAY:
            _fail(session, row, Problem("An error that the log of the server tells of."))
            return 1
        later = sa.update(RELEASE).where(RELEASE.c.id == release_id).values(due_at=now() + RETRY_DELAY)
        session.execute(later)
    return 1


def _find_scheduler(session: Session, row: Release, find_caller: FindCaller) -> Actor:
    by = row.scheduled_by or {}
    actor = find_caller(session.connection(), str(by.get("kind")), str(by.get("id")))
    if actor is None:
        raise Forbidden("Who scheduled the release is not there any more, or the key was revoked.")
    return actor


def _fail(session: Session, row: Release, error: Problem) -> None:
    item = cast("Mapping[str, str] | None", error.members.get("item"))
    sections = [section_id for section_id in list_sections(session, row.id) if section_id is not None]
    failed = ReleaseFailed(
        subject_id=row.id,
        section_ids=sections,
        by=cast("str | None", (row.scheduled_by or {}).get("id")),
        at=format_rfc3339(row.scheduled_at or now()),
        item=item["id"] if item else None,
        code=error.code,
        detail=error.detail,
    )
    row.failure = {"at": format_rfc3339(now()), "item": failed.item, "code": failed.code, "detail": failed.detail}
    row.state = "failed"
    row.due_at, row.scheduled_at, row.scheduled_by = None, None, None
    touch(row)
    record_action(session, SYSTEM, "release.fail", "release", row.id, {"code": error.code})
    emit(session, failed)
    log.warning("a release was not published at its time", release=row.id, code=error.code)
