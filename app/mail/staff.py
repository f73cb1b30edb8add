"""Mails to the staff: a text waits for approval, was approved or returned; a task or a note is somebody's, or is due;
an article or a release was not published at its time.

They carry a title at most, and that only if the recipient may read it when the mail is sent. People turn them off.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple
from urllib.parse import quote

import sqlalchemy as sa
from sqlmodel import Session

from app.articles import approval
from app.articles.approving import list_sections
from app.articles.tables import ApprovalStep, Article, Revision
from app.db.columns import table_of
from app.db.rows import JsonObject, Statement
from app.deliveries.outbox import enqueue_deliveries
from app.deliveries.schemas import NewDelivery
from app.editorial.tables import Note, Task
from app.events.catalog import LoggedEvent
from app.events.staff_events import (
    ArticleApproved,
    ArticleHeld,
    ArticleReturned,
    ArticleSubmitted,
    NoteChanged,
    NoteCreated,
    ReleaseFailed,
    TaskChanged,
    TaskCreated,
    TaskDue,
)
from app.identity.schemas import Actor, Scope
from app.identity.tables import ApiKey
from app.mail.schemas import CHANNEL, LANE, Content, Letter
from app.people.grants import find_grants, list_holders
from app.people.roles import ADMIN
from app.people.tables import Person
from app.releases import reach
from app.releases.reach import RELEASE

TEMPLATE: Final = "staff"
LIST_ID: Final = "staff"
MAX_RECIPIENTS: Final = 200  # of one event
_PERSON, _ARTICLE, _REVISION = table_of(Person), table_of(Article), table_of(Revision)
_STEP, _NOTE, _TASK, _KEY = table_of(ApprovalStep), table_of(Note), table_of(Task), table_of(ApiKey)
_STATES: Final = {"staff.submitted": "submitted", "staff.approved": "approved", "staff.returned": "returned"}
STAFF_MAILS: Final = frozenset((*_STATES, "staff.task", "staff.note", "staff.due", "staff.held", "staff.failed"))


def tell_staff(session: Session, entry: LoggedEvent) -> None:
    """Enqueue the mails of an editorial event. Nobody is told of what they did themselves."""
    match entry.event:
        case ArticleSubmitted(subject_id=article_id, revision=n):
            people = _list_approvers(session, article_id, n)
            _enqueue(session, entry, "staff.submitted", people, {"article": article_id, "revision": n})
        case ArticleApproved(subject_id=article_id, revision=n):
            people = _list_writers(session, article_id, n)
            _enqueue(session, entry, "staff.approved", people, {"article": article_id, "revision": n})
        case ArticleReturned(subject_id=article_id, revision=n):
            is_held = _was_returned_by_nobody(session, article_id, n)  # `ArticleHeld` tells of it
            people = [] if is_held else _list_writers(session, article_id, n)
            _enqueue(session, entry, "staff.returned", people, {"article": article_id, "revision": n})
        case ArticleHeld(subject_id=article_id, section_id=section_id, revision=n, detail=detail):
            people = [*_list_writers(session, article_id, n), *_list_publishers(session, [section_id])]
            _enqueue(session, entry, "staff.held", people, {"article": article_id, "revision": n, "detail": detail})
        case ReleaseFailed(subject_id=release_id, by=by, detail=detail):
            sections = reach.list_sections(session, release_id) or [None]
            people = [*_list_makers(session, release_id, by), *_list_publishers(session, sections)]
            _enqueue(session, entry, "staff.failed", people, {"release": release_id, "detail": detail})
        case NoteCreated(subject_id=note_id, assignee=str(person_id)):
            _enqueue(session, entry, "staff.note", [person_id], {"note": note_id})
        case NoteChanged(subject_id=note_id, assignee=str(person_id), fields=fields) if "assignee" in fields:
            _enqueue(session, entry, "staff.note", [person_id], {"note": note_id})
        case TaskCreated(subject_id=task_id, assignee=str(person_id)):
            _enqueue(session, entry, "staff.task", [person_id], {"task": task_id})
        case TaskChanged(subject_id=task_id, assignee=str(person_id), fields=fields) if "assignee" in fields:
            _enqueue(session, entry, "staff.task", [person_id], {"task": task_id})
        case TaskDue(subject_id=task_id, assignee=str(person_id)):
            _enqueue(session, entry, "staff.due", [person_id], {"task": task_id})


def _list_approvers(session: Session, article_id: str, n: int) -> list[str]:
    """List the people whose approval of a revision would count.

    Administrators are asked only where nobody else could approve it.
    """
    article, revision = session.get(Article, article_id), session.get(Revision, (article_id, n))
    if article is None or revision is None:
        return []
    sections = list_sections(article, revision)
    holders = _list_holders(session, "content:approve", sections)
    for rule in approval.find_rules(session, sections):
        if rule.roles is not None:
            holders = {person_id: roles for person_id, roles in holders.items() if not rule.roles.isdisjoint(roles)}
        if rule.four_eyes:
            holders = {
                person_id: roles
                for person_id, roles in holders.items()
                if not approval.wrote_part(session, Actor("person", person_id, person=person_id), article, n)
            }
    return [person_id for person_id, roles in holders.items() if roles != {ADMIN}] or list(holders)


def _list_writers(session: Session, article_id: str, n: int) -> list[str]:
    """List who saved a revision, and who submitted it."""
    saved = sa.select(_REVISION.c.person_id).where(_REVISION.c.article_id == article_id, _REVISION.c.n == n)
    is_submission = (_STEP.c.article_id == article_id) & (_STEP.c.n == n) & (_STEP.c.action == "submitted")
    people = saved.union(sa.select(_STEP.c.person_id).where(is_submission))
    return [person_id for person_id in session.execute(people).scalars() if person_id is not None]


def _was_returned_by_nobody(session: Session, article_id: str, n: int) -> bool:
    """Whether the last step of a revision was made by neither a person nor a key: it was held at its time."""
    steps = sa.select(_STEP.c.actor_id).where(_STEP.c.article_id == article_id, _STEP.c.n == n)
    return session.execute(steps.order_by(_STEP.c.id.desc()).limit(1)).scalar_one_or_none() is None


def _list_publishers(session: Session, section_ids: Iterable[str | None]) -> list[str]:
    """List the people who may publish in all of these sections; administrators only where nobody else may."""
    holders = _list_holders(session, "content:publish", section_ids)
    return [person_id for person_id, roles in holders.items() if roles != {ADMIN}] or list(holders)


def _list_holders(session: Session, scope: Scope, section_ids: Iterable[str | None]) -> dict[str, set[str]]:
    """Return who has a scope in all of these sections, with the roles that give it in all of them."""
    first, *others = (list_holders(session, scope, section_id) for section_id in section_ids)
    return {
        person_id: roles.intersection(*(more[person_id] for more in others))
        for person_id, roles in first.items()
        if all(person_id in more for more in others)
    }


def _list_makers(session: Session, release_id: str, scheduler_id: str | None) -> list[str]:
    """List who made a release and who scheduled it; those to whom the keys belong that did."""
    maker_id = session.execute(sa.select(RELEASE.c.actor_id).where(RELEASE.c.id == release_id)).scalar_one_or_none()
    ids = [caller_id for caller_id in (maker_id, scheduler_id) if caller_id is not None]
    owners = sa.select(_KEY.c.person_id).where(_KEY.c.id.in_(ids), _KEY.c.person_id.is_not(None))
    return [*ids, *session.execute(owners).scalars()]


def _enqueue(session: Session, entry: LoggedEvent, what: str, people: Iterable[str], content: Content) -> None:
    """Enqueue a mail to those of some people who want mails, but for whoever caused the event."""
    ids = sorted({*people} - {entry.person_id})[:MAX_RECIPIENTS]
    wants = sa.select(_PERSON.c.id).where(_PERSON.c.id.in_(ids), _PERSON.c.mails, _PERSON.c.email.is_not(None))
    deliveries = [
        NewDelivery(
            channel=CHANNEL,
            lane=LANE,
            endpoint=person_id,
            event=f"{what}:{entry.subject_id}:{entry.position}",
            what=what,
            content=content,
            position=entry.position,
        )
        for person_id in session.execute(wants.order_by(_PERSON.c.id)).scalars()
    ]
    if deliveries:
        enqueue_deliveries(session, deliveries)


def find_staff_letter(
    connection: sa.Connection, what: str, person_id: str, content: Content, editor_page: str
) -> Letter | None:
    """Return the letter to somebody of the staff; None if it says what is no longer so, or they may not read it."""
    person = _find_recipient(connection, person_id)
    found = _find_subject(connection, what, person[1], content) if person is not None else None
    if person is None or found is None:
        return None
    email, actor = person
    is_for_all_editors = found.article_id is None  # a task of no article, or a release that they see
    if not (actor.reads_drafts if is_for_all_editors else actor.reads_drafts_in(found.section_id)):
        return None
    url = None if found.article_id is None else editor_page.replace("{id}", quote(found.article_id))
    values: JsonObject = {
        "kind": what.partition(".")[2],
        "title": found.title,
        "due_at": found.due_at,
        "detail": content.get("detail"),
        "url": url,
        "name": actor.name,
    }
    return Letter(email, person_id, TEMPLATE, values, LIST_ID)


class _Subject(NamedTuple):
    """What a mail is about."""

    article_id: str | None
    section_id: str | None
    title: str
    due_at: datetime | None


def _find_recipient(connection: sa.Connection, person_id: str) -> tuple[str, Actor] | None:
    """Find the address of a person who may sign in and wants mails, and what they may do now."""
    is_refused = _PERSON.c.suspended_at.is_not(None) | _PERSON.c.deleted_at.is_not(None)
    wants = _PERSON.c.mails & _PERSON.c.accepted_at.is_not(None) & _PERSON.c.email.is_not(None)
    query = sa.select(_PERSON.c.name, _PERSON.c.email).where(_PERSON.c.id == person_id, wants, ~is_refused)
    row = connection.execute(query).first()
    if row is None:
        return None
    return row.email, Actor("person", person_id, row.name, find_grants(connection, person_id), person_id)


def _find_subject(connection: sa.Connection, what: str, actor: Actor, content: Content) -> _Subject | None:
    """Return the title and the article of what a mail is about, unless it is no longer as the mail says."""
    if what in _STATES:
        query = _select_text(content, _STATES[what])
    elif what == "staff.note":
        query = _select_note(content, str(actor.id))
    elif what == "staff.held":
        query = _select_held(content)
    elif what == "staff.failed":
        is_so = (RELEASE.c.id == content["release"]) & (RELEASE.c.state == "failed") & reach.is_visible_to(actor)
        query = sa.select(sa.null(), sa.null(), RELEASE.c.name, sa.null()).where(is_so)
    else:
        query = _select_task(content, str(actor.id))
    row = connection.execute(query).first()
    return None if row is None else _Subject._make(row)


def _select_text(content: Content, state: str) -> Statement:
    n = content["revision"]
    is_it = (_REVISION.c.article_id == _ARTICLE.c.id) & (_REVISION.c.n == n)
    steps = sa.select(_STEP.c.action).where(_STEP.c.article_id == _ARTICLE.c.id, _STEP.c.n == n)
    is_so = steps.order_by(_STEP.c.id.desc()).limit(1).scalar_subquery() == state  # the last one of this revision
    columns = _ARTICLE.c.id, _ARTICLE.c.section_id, _REVISION.c.title, sa.null()
    query = sa.select(*columns).join_from(_ARTICLE, _REVISION, is_it)
    return query.where(_ARTICLE.c.id == content["article"], is_so)


def _select_held(content: Content) -> Statement:
    is_it = (_REVISION.c.article_id == _ARTICLE.c.id) & (_REVISION.c.n == content["revision"])
    columns = _ARTICLE.c.id, _ARTICLE.c.section_id, _REVISION.c.title, sa.null()
    query = sa.select(*columns).join_from(_ARTICLE, _REVISION, is_it)
    return query.where(_ARTICLE.c.id == content["article"], _ARTICLE.c.state.in_(("draft", "unpublished")))


def _select_note(content: Content, person_id: str) -> Statement:
    is_open = (_NOTE.c.assignee_id == person_id) & _NOTE.c.done_at.is_(None)
    is_newest = (_REVISION.c.article_id == _ARTICLE.c.id) & (_REVISION.c.n == _ARTICLE.c.latest_revision)
    article = _NOTE.join(_ARTICLE, _ARTICLE.c.id == _NOTE.c.article_id).join(_REVISION, is_newest)
    query = sa.select(_ARTICLE.c.id, _ARTICLE.c.section_id, _REVISION.c.title, sa.null()).select_from(article)
    return query.where(_NOTE.c.id == content["note"], is_open)


def _select_task(content: Content, person_id: str) -> Statement:
    is_open = (_TASK.c.assignee_id == person_id) & ~_TASK.c.done
    article = _TASK.outerjoin(_ARTICLE, _ARTICLE.c.id == _TASK.c.article_id)
    query = sa.select(_TASK.c.article_id, _ARTICLE.c.section_id, _TASK.c.title, _TASK.c.due_at).select_from(article)
    return query.where(_TASK.c.id == content["task"], is_open)
