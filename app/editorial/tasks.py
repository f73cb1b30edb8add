"""Tasks: what is to be done, by whom and until when, for an article or not."""

from datetime import UTC, datetime
from typing import Final, TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.projection import lock_article
from app.articles.tables import Article
from app.core.clock import format_rfc3339, now, start_of
from app.core.ids import is_id, new_id
from app.core.problems import Forbidden, InvalidParameter, NotFound
from app.db.columns import table_of
from app.db.rows import JsonObject, fetch_rows
from app.editorial.callers import is_same_caller, name_doer, parse_assignee, require_assignee
from app.editorial.schemas import TaskIn, TaskPatch, TaskQuery
from app.editorial.tables import Task
from app.events.base import EventBase
from app.events.log import emit, emit_all
from app.events.staff_events import TaskChanged, TaskCreated, TaskDeleted, TaskDue
from app.identity.audit import record_action
from app.identity.permissions import require_in
from app.identity.schemas import Actor
from app.publication.references import resolve_references
from app.web import etag
from app.web.paging import Page, Sort, fetch_page, map_page

TASK, ARTICLE = table_of(Task), table_of(Article)
NEVER: Final = datetime(9999, 12, 31, tzinfo=UTC)  # sorts tasks that are not due at any time last
SOONEST_FIRST = Sort("due_order")
Versions = frozenset[int] | None
MAX_TOLD_AT_ONCE: Final = 100
NEXT_DEADLINE = sa.select(sa.func.min(TASK.c.remind_at)).where(TASK.c.remind_at.is_not(None))
"""Selects when the next deadline comes of which nobody was told."""
_STORED_AS: Final = {"title": "title", "assignee": "assignee_id", "due_at": "due_at", "done": "done"}


class TaskRow(TypedDict):
    """A task as it is stored, with its article."""

    id: str
    title: str
    article_id: str | None
    assignee_id: str | None
    due_at: datetime | None
    due_order: datetime
    done: bool
    done_at: datetime | None
    done_by: str | None
    actor_name: str
    created_at: datetime
    version: int
    article_slug: str | None
    article_title: str | None


_OWN = [TASK.c[name] for name in TaskRow.__annotations__ if not name.startswith("article_") or name == "article_id"]
_SELECT = sa.select(*_OWN, ARTICLE.c.slug.label("article_slug"), ARTICLE.c.title.label("article_title")).select_from(
    TASK.outerjoin(ARTICLE, ARTICLE.c.id == TASK.c.article_id)
)


def _present(row: TaskRow) -> JsonObject:
    """Shape a task as `TaskOut`."""
    article = row["article_id"] and {
        "id": row["article_id"],
        "slug": row["article_slug"],
        "title": row["article_title"],
    }
    out: JsonObject = {**row, "article": article, "assignee": row["assignee_id"], "by": row["actor_name"]}
    return out


def read_task(connection: sa.Connection, task_id: str) -> JsonObject:
    """Return a task."""
    (row,) = fetch_rows(connection, _SELECT.where(TASK.c.id == task_id), TaskRow)
    return _present(row)


def list_tasks(connection: sa.Connection, actor: Actor, query: TaskQuery, zone: str) -> Page[JsonObject]:
    """List the tasks of articles whose drafts the caller reads, and of none; the soonest first."""
    statement = _SELECT
    if actor.draft_sections is not None:
        reads = ARTICLE.c.section_id.in_(sorted(actor.draft_sections)) | TASK.c.article_id.is_(None)
        statement = statement.where(reads)
    if query.assignee is not None:
        statement = statement.where(TASK.c.assignee_id == parse_assignee(actor, query.assignee))
    if query.done is not None:
        statement = statement.where(TASK.c.done == query.done)
    if query.due_before is not None:
        statement = statement.where(TASK.c.due_order < start_of(query.due_before, zone))
    if query.article is not None:
        statement = statement.where((ARTICLE.c.id if is_id(query.article) else ARTICLE.c.slug) == query.article)
    if query.section is not None:
        sections = resolve_references(connection, {"section": [query.section]})
        if ("section", query.section) not in sections:
            raise InvalidParameter("section", "section: there is no such section.")
        statement = statement.where(ARTICLE.c.section_id.in_(sections["section", query.section].ids))
    page = fetch_page(connection, statement, SOONEST_FIRST, TASK.c.due_order, query, TaskRow)
    return map_page(page, _present)


def create_task(session: Session, actor: Actor, data: TaskIn) -> str:
    """Create a task; returns its id."""
    article_id = section_id = None
    if data.article is not None:
        article = lock_article(session, actor, data.article, None, [], scope="content:write")
        article_id, section_id = article.id, article.section_id
    task = Task(
        id=new_id(),
        title=data.title,
        article_id=article_id,
        assignee_id=require_assignee(session, actor, data.assignee),
        due_at=data.due_at,
        due_order=data.due_at or NEVER,
        remind_at=data.due_at,
        actor_id=actor.id,
        actor_name=actor.name,
        person_id=actor.person,
        created_at=now(),
    )
    session.add(task)
    session.flush()
    record_action(session, actor, "task.create", "task", task.id, {"article": article_id})
    about = _describe(task, section_id)
    emit(session, TaskCreated(**about, assignee=task.assignee_id, due_at=_format_due(task)))
    return task.id


class _EventSubject(TypedDict):
    subject_id: str
    article_id: str | None
    section_id: str | None


def _describe(task: Task, section_id: str | None) -> _EventSubject:
    return {"subject_id": task.id, "article_id": task.article_id, "section_id": section_id}


def _format_due(task: Task) -> str | None:
    return None if task.due_at is None else format_rfc3339(task.due_at)


def _find_section(session: Session, task: Task) -> str | None:
    """Find the section of a task's article."""
    query = sa.select(ARTICLE.c.section_id).where(ARTICLE.c.id == task.article_id)
    section_id: str | None = session.execute(query).scalar_one_or_none()
    return section_id


def _lock_task(session: Session, actor: Actor, task_id: str, versions: Versions, fields: list[str]) -> Task:
    """Lock a task; 404 and 403 as for its article, 412 if it has another version.

    Tasks of no article are for whoever made them, or is to see to them, and for those who write everywhere.
    """
    task = session.get(Task, task_id, with_for_update=True) if is_id(task_id) else None
    if task is None:
        raise NotFound
    if task.article_id is not None:
        section_id = _find_section(session, task)
        if not actor.may_in("content:write", section_id):
            raise Forbidden if actor.reads_drafts_in(section_id) else NotFound
    elif not (is_same_caller(actor, task) or (actor.person and actor.person == task.assignee_id)):
        require_in(actor, "content:write", None)
    etag.check_version(task.version, versions, fields)
    return task


def update_task(session: Session, actor: Actor, task_id: str, data: TaskPatch, versions: Versions) -> str:
    """Change a task. Without a difference the version stays."""
    sent = data.model_fields_set
    task = _lock_task(session, actor, task_id, versions, sorted(sent))
    values: JsonObject = {name: getattr(data, name) for name in ("title", "due_at") if name in sent}
    if "assignee" in sent:
        values["assignee_id"] = require_assignee(session, actor, data.assignee)
    if "due_at" in sent:
        values["due_order"] = data.due_at or NEVER
    if "done" in sent and data.done != task.done:
        values |= {"done": data.done, **name_doer(actor, done=data.done)}
    changed = {name: value for name, value in values.items() if getattr(task, name) != value}
    for name, value in changed.items():
        setattr(task, name, value)
    if changed:
        is_new_deadline = "due_at" in changed or (task.due_at is not None and task.due_at > now())
        task.remind_at = task.due_at if is_new_deadline and not task.done else None
        task.version += 1
        record_action(session, actor, "task.change", "task", task.id, {"fields": sorted(sent)})
        emit(
            session,
            TaskChanged(
                **_describe(task, _find_section(session, task)),
                fields=[name for name, column in _STORED_AS.items() if column in changed],
                assignee=task.assignee_id,
                due_at=_format_due(task),
                done=task.done,
            ),
        )
    session.flush()
    return task.id


def delete_task(session: Session, actor: Actor, task_id: str, versions: Versions) -> None:
    """Delete a task."""
    task = _lock_task(session, actor, task_id, versions, [])
    record_action(session, actor, "task.delete", "task", task.id, {"article": task.article_id})
    about = _describe(task, _find_section(session, task))
    session.delete(task)
    emit(session, TaskDeleted(**about))


def tell_due_tasks(session: Session) -> int:
    """Emit that the deadlines of tasks have come which are not done; return their number."""
    is_due = TASK.c.remind_at <= now()
    query = sa.select(Task, ARTICLE.c.section_id).outerjoin(ARTICLE, ARTICLE.c.id == TASK.c.article_id).where(is_due)
    query = query.order_by(TASK.c.remind_at, TASK.c.id).limit(MAX_TOLD_AT_ONCE)
    events: list[EventBase] = []
    for task, section_id in session.execute(query.with_for_update(skip_locked=True, of=Task)):
        task.remind_at = None
        due = _format_due(task)
        events.append(TaskDue(**_describe(task, section_id), assignee=task.assignee_id, due_at=due))
    emit_all(session, events)
    return len(events)
