"""Releases: making, filling, checking, publishing and rolling them back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.reading import REVISION
from app.core.clock import now
from app.core.ids import new_id
from app.core.problems import Conflict, NotFound
from app.db.rows import JsonObject, Statement, fetch_row, get_row, lock_row
from app.events.catalog import ReleasePublished, ReleaseRolledBack
from app.events.log import emit
from app.identity.audit import record_action
from app.identity.schemas import Actor
from app.releases import items as release_items
from app.releases.applying import Tools, apply_items, list_items, restore_items
from app.releases.items import ITEM, present_item
from app.releases.reach import RELEASE, is_visible_to, require_release
from app.releases.schemas import AnyItem, ReleaseIn, ReleasePatch, ReleaseQuery
from app.releases.tables import Release
from app.web import etag
from app.web.paging import Page, PageQuery, Sort, fetch_page, map_page

Versions = frozenset[int] | None
NEWEST_FIRST = Sort("-created_at", descending=True)
BY_POSITION = Sort("position", kind=int)
EDITABLE_STATES: Final = ("open", "failed", "rolled_back")


class ReleaseState(Conflict, code="release_state", title="The release's state does not allow this"):
    """The release's state does not allow this."""


# ---- reading

_COUNT = sa.select(sa.func.count()).where(ITEM.c.release_id == RELEASE.c.id).correlate(RELEASE).scalar_subquery()
_SELECT_RELEASES: Statement = sa.select(*RELEASE.c, _COUNT.label("items"))


class ReleaseRow(TypedDict):
    """A release with the number of its items."""

    id: str
    name: str
    note: str | None
    state: str
    version: int
    created_at: datetime
    updated_at: datetime
    actor_id: str | None
    actor_name: str
    scheduled_at: datetime | None
    scheduled_by: JsonObject | None
    due_at: datetime | None
    published_at: datetime | None
    rolled_back_at: datetime | None
    failure: JsonObject | None
    items: int


def present_release(row: ReleaseRow) -> JsonObject:
    """Return a row as `ReleaseOut`."""
    return {**row, "scheduled_by": (row["scheduled_by"] or {}).get("name")}


def find_release(connection: sa.Connection, actor: Actor, release_id: str) -> ReleaseRow | None:
    """Find a release that the caller may read, by its id."""
    statement = _SELECT_RELEASES.where(RELEASE.c.id == release_id, is_visible_to(actor))
    return fetch_row(connection, statement, ReleaseRow)


def get_release(connection: sa.Connection, release_id: str) -> JsonObject:
    """Return a release that exists, as `ReleaseOut`."""
    return present_release(get_row(connection, _SELECT_RELEASES.where(RELEASE.c.id == release_id), ReleaseRow))


def list_releases(connection: sa.Connection, actor: Actor, query: ReleaseQuery) -> Page[JsonObject]:
    """Return a page of the releases that the caller may read, newest first."""
    statement = _SELECT_RELEASES.where(is_visible_to(actor))
    if query.state is not None:
        statement = statement.where(RELEASE.c.state == query.state)
    if query.article is not None:
        changing = sa.select(ITEM.c.release_id).where(ITEM.c.subject == f"article:{query.article}")
        statement = statement.where(RELEASE.c.id.in_(changing))
    page = fetch_page(connection, statement, NEWEST_FIRST, RELEASE.c.created_at, query, ReleaseRow)
    return map_page(page, present_release)


class ItemRow(TypedDict):
    """An item with the title and section of its pinned revision."""

    id: str
    release_id: str
    position: int
    op: str
    article_id: str | None
    revision: int | None
    target: str | None
    body: JsonObject | None
    title: str | None
    section_id: str | None


_ITEM_COLUMNS = [ITEM.c[name] for name in ItemRow.__annotations__ if name in ITEM.c]
_PINNED = (REVISION.c.article_id == ITEM.c.article_id) & (REVISION.c.n == ITEM.c.revision)


def list_release_items(connection: sa.Connection, actor: Actor, release_id: str, query: PageQuery) -> Page[JsonObject]:
    """Return a page of the items of a release, in their order; 404 without the release."""
    if find_release(connection, actor, release_id) is None:
        raise NotFound
    statement = (
        sa.select(*_ITEM_COLUMNS, REVISION.c.title, REVISION.c.section_id)
        .select_from(ITEM.outerjoin(REVISION, _PINNED))
        .where(ITEM.c.release_id == release_id)
    )
    page = fetch_page(connection, statement, BY_POSITION, ITEM.c.position, query, ItemRow, within=release_id)
    return map_page(page, lambda row: present_item(row, actor))


# ---- making


def lock_release(session: Session, release_id: str, versions: Versions, *states: str) -> Release:
    """Lock a release; 412 if it has another version, 409 if it is in none of the states."""
    row = lock_row(session, Release, release_id)
    etag.check_version(row.version, versions)
    if states and row.state not in states:
        raise ReleaseState(f"The release is {row.state.replace('_', ' ')}.")
    return row


def touch(row: Release) -> None:
    """Give a changed release its next version."""
    row.version, row.updated_at = row.version + 1, now()


def create_release(session: Session, actor: Actor, data: ReleaseIn) -> str:
    """Create a release without items; return its id."""
    moment = now()
    row = Release(
        id=new_id(),
        name=data.name,
        note=data.note,
        state="open",
        scheduled_by=None,
        failure=None,
        created_at=moment,
        updated_at=moment,
        actor_id=actor.id,
        actor_name=actor.name,
    )
    session.add(row)
    record_action(session, actor, "release.create", "release", row.id, {})
    return row.id


def update_release(session: Session, actor: Actor, release_id: str, data: ReleasePatch, versions: Versions) -> str:
    """Change the name or the note of a release; return its id."""
    row = lock_release(session, release_id, versions)
    require_release(session, actor, row.id, "content:write")
    values = data.model_dump(exclude_unset=True)
    changed = sorted(name for name, value in values.items() if getattr(row, name) != value)
    if changed:
        row.sqlmodel_update(values)
        touch(row)
        record_action(session, actor, "release.change", "release", row.id, {"fields": changed})
    return row.id


def delete_release(session: Session, actor: Actor, release_id: str, versions: Versions) -> None:
    """Delete a release that is neither published nor scheduled."""
    row = lock_release(session, release_id, versions, *EDITABLE_STATES)
    require_release(session, actor, row.id, "content:write")
    record_action(session, actor, "release.delete", "release", row.id, {})
    session.delete(row)


def put_items(
    session: Session, actor: Actor, release_id: str, items: Sequence[AnyItem], versions: Versions, *, keep: bool
) -> str:
    """Replace the items of a release, or add to them with `keep`; return its id."""
    row = lock_release(session, release_id, versions, *EDITABLE_STATES)
    if not keep:
        require_release(session, actor, row.id, "content:write")  # for what is taken out
    change = release_items.add_items if keep else release_items.replace_items
    change(session, actor, row.id, items)
    reopen(row)
    record_action(session, actor, "release.fill", "release", row.id, {"items": len(items)})
    return row.id


def remove_item(session: Session, actor: Actor, release_id: str, item_id: str, versions: Versions) -> None:
    """Take an item out of a release."""
    row = lock_release(session, release_id, versions, *EDITABLE_STATES)
    require_release(session, actor, row.id, "content:write", [item_id])
    removed = sa.delete(ITEM).where(ITEM.c.id == item_id, ITEM.c.release_id == row.id).returning(ITEM.c.id)
    if session.execute(removed).first() is None:
        raise NotFound
    reopen(row)
    record_action(session, actor, "release.empty", "release", row.id, {"items": 1})


def reopen(row: Release) -> None:
    """Let a release be published again after a change."""
    row.state, row.failure = "open", None
    touch(row)


# ---- publishing


def publish_release(session: Session, actor: Actor, tools: Tools, release_id: str, versions: Versions) -> str:
    """Publish a release now: all of its items or none; return its id."""
    row = lock_release(session, release_id, versions, *EDITABLE_STATES, "scheduled")
    carry_out(session, actor, tools, row)
    return row.id


def carry_out(session: Session, actor: Actor, tools: Tools, row: Release) -> None:
    """Publish a locked release in the caller's transaction."""
    items = list_items(session, row.id)
    if not items:
        raise ReleaseState("The release has no items.")
    apply_items(session, actor, tools, items)
    row.state, row.published_at, row.rolled_back_at = "published", now(), None
    row.scheduled_at, row.scheduled_by, row.due_at, row.failure = None, None, None, None
    touch(row)
    record_action(session, actor, "release.publish", "release", row.id, {"items": len(items)})
    emit(session, ReleasePublished(subject_id=row.id, items=len(items)))


def roll_back_release(
    session: Session, actor: Actor, tools: Tools, release_id: str, versions: Versions, skip_changed: bool
) -> str:
    """Undo a published release: all of its items or none, but those that were changed since with `skip_changed`."""
    row = lock_release(session, release_id, versions, "published")
    items = list_items(session, row.id)
    skipped = restore_items(session, actor, tools, items, skip_changed=skip_changed)
    row.state, row.rolled_back_at = "rolled_back", now()
    touch(row)
    done = len(items) - len(skipped)
    record_action(session, actor, "release.roll_back", "release", row.id, {"items": done, "skipped": len(skipped)})
    emit(session, ReleaseRolledBack(subject_id=row.id, items=done))
    return row.id
