"""Exporting and erasing everything that is stored about a person."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple, Protocol, TypeVar, cast

import sqlalchemy as sa
from sqlmodel import Session

from app.anchors import anchors
from app.anchors.anchors import ANCHOR
from app.comments.lifecycle import erase_comment, set_state
from app.comments.reading import C, list_revisions, lock_comment
from app.core.problems import Forbidden, NotFound, Unauthorized
from app.db.columns import table_of
from app.db.rows import JsonObject, Store
from app.deliveries.lanes import DELIVERY
from app.deliveries.outbox import cancel_deliveries
from app.identity.audit import record_action
from app.identity.idempotency import delete_answers, delete_answers_naming
from app.identity.participants import (
    PARTICIPANT,
    ParticipantRow,
    clear_unconfirmed_email,
    erase_participant,
    find_caller,
    find_participant_by,
    list_by_email,
)
from app.identity.schemas import Actor, Claims
from app.identity.tables import ApiKey
from app.moderation.appeals import list_appeals_about
from app.moderation.bans import list_bans_of
from app.moderation.forgetting import erase_person as erase_moderation
from app.moderation.reports import list_reports_by
from app.ops.staff_data import erase as erase_staff_data
from app.ops.staff_data import export_staff
from app.people.erasing import find_staff
from app.publication.terms import require_all_sections
from app.reactions.reactions import erase_reactions, list_reactions, list_votes
from app.subscriptions.opt_ins import erase_requests
from app.subscriptions.subscriptions import (
    end_for_participants,
    erase_subscriber,
    find_owner,
    find_subscriber_by_email,
    list_personal,
    present_subscriptions,
)
from app.subscriptions.suppressions import find_suppression

T = TypeVar("T")
KEY = table_of(ApiKey)
MAX_ENTRIES: Final = 10_000  # of each kind in an export
BATCH_SIZE: Final = 500  # ids in one statement
_MAIL_COLUMNS = [DELIVERY.c[name] for name in ("what", "state", "created_at", "finished_at")]
_COMMENT_COLUMNS = (
    "id article_id parent_id state author_name email source html text notify address_hash created_at edited_at"
).split()
_PASSAGE_COLUMNS = [ANCHOR.c[name] for name in "id article_id exact created_at".split()]


class Person(NamedTuple):
    """The participants and the confirmed e-mail address of a person."""

    own: list[ParticipantRow]  # participants that are known to be this person
    unconfirmed: list[ParticipantRow]  # others for which the address was entered, by this person or not
    email: str | None

    @property
    def ids(self) -> list[str]:
        """The ids of the participants that are known to be this person."""
        return [row["id"] for row in self.own]


def find_person(store: Store, actor: Actor) -> Person:
    """Find the person who sends a request; 401 without a token, 403 for tokens that belong to no person.

    The holder of a guest token is that guest alone, since an address that was entered proves nothing. A reader whose
    site has verified the address is every participant who has confirmed it; so is the holder of a manage token of
    subscriptions, which was sent to that address.
    """
    if actor.kind == "anonymous":
        raise Unauthorized("Send a guest token, or a JWT of the publication's site.")
    if actor.kind == "subscriber":
        subscriber = find_owner(store, actor)
        return _find_person(store, subscriber["email"] if subscriber else None)
    if actor.kind not in ("guest", "reader"):
        raise Forbidden("This token belongs to no person: send a guest token, or a JWT of the publication's site.")
    caller = find_caller(store, actor)
    if actor.kind == "guest" and (caller is None or caller["erased_at"] is not None):
        raise Unauthorized("This token is unknown.")
    return _find_person(store, actor.reader.email if actor.reader and actor.reader.verified else None, caller)


def _find_person(store: Store, email: str | None, *callers: ParticipantRow | None) -> Person:
    """Find the person with a confirmed address, or the one who is some participants, or both."""
    named = list_by_email(store, email) if email else []
    own = {row["id"]: row for row in named if row["confirmed_at"] is not None}
    own |= {caller["id"]: caller for caller in callers if caller is not None}
    unconfirmed = [row for row in named if row["id"] not in own]
    return Person([own[key] for key in sorted(own)], unconfirmed, email)


def list_comment_ids(store: Store, person: Person) -> list[str]:
    """List the comments that a person wrote, or that have the person's address."""
    ids = set[str]()
    for participant_id in person.ids:
        ids.update(store.execute(sa.select(C.c.id).where(C.c.participant_id == participant_id)).scalars())
    if person.email:
        ids.update(store.execute(sa.select(C.c.id).where(C.c.email == person.email)).scalars())
    return sorted(ids)


def _split(ids: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), BATCH_SIZE):
        yield list(ids[start : start + BATCH_SIZE])


def _read_in_batches(ids: Sequence[str], read: Callable[[list[str]], Iterable[T]]) -> list[T]:
    return [row for batch in _split(ids) for row in read(batch)]


def export_own_data(connection: sa.Connection, actor: Actor) -> JsonObject:
    """Return the data of the caller, in the shape of `PersonalData`."""
    return _export(connection, find_person(connection, actor))


class Named(NamedTuple):
    """Whom an administrator names: by an address, or by the id of somebody of the staff."""

    email: str | None
    person_id: str | None
    pseudonym: str  # in the audit log


def _find_named(store: Store, named: Named) -> tuple[Person, str | None]:
    """Find the person whom an administrator names, and their id if they are of the staff; 404 for an unknown id."""
    staff = find_staff(store, named.email, named.person_id)
    if staff is None:
        if named.person_id is not None:
            raise NotFound
        return _find_person(store, named.email), None
    own_keys = sa.select(KEY.c.id).where(KEY.c.person_id == staff.id)
    keys = sa.select(PARTICIPANT.c.key_id).where(PARTICIPANT.c.key_id.in_(own_keys))
    by_keys = [find_participant_by(store, "key_id", key_id) for key_id in store.execute(keys).scalars()]
    own = [find_participant_by(store, "person_id", staff.id), *by_keys]
    return _find_person(store, staff.email or named.email, *own), staff.id


def export_data_of(connection: sa.Connection, named: Named) -> JsonObject:
    """Return the data of the person whom an administrator names, in the shape of `PersonalData`."""
    person, staff_id = _find_named(connection, named)
    data = _export(connection, person, staff_id)
    if staff_id is None:
        return data
    staff, cut = export_staff(connection, staff_id, MAX_ENTRIES)
    return {**data, "staff": staff, "cut": [*cast("list[str]", data["cut"]), *cut]}


def _export(connection: sa.Connection, person: Person, staff_id: str | None = None) -> JsonObject:
    """Return a person's data, at most `MAX_ENTRIES` of each kind."""
    ids = list_comment_ids(connection, person)
    shown = ids[:MAX_ENTRIES]
    state = sa.case((C.c.shadow, "published"), else_=C.c.state).label(
        "state"
    )  # whom a shadow ban is told, posts elsewhere
    columns = [state if name == "state" else C.c[name] for name in _COMMENT_COLUMNS]
    comments = sa.select(*columns).order_by(C.c.id)
    passages = sa.select(*_PASSAGE_COLUMNS).where(ANCHOR.c.made_by.in_(person.ids))
    data: dict[str, Sequence[object]] = {
        "participants": [{**row, "id": row["public_id"]} for row in (*person.own, *person.unconfirmed)],
        "comments": _read_in_batches(
            shown, lambda batch: connection.execute(comments.where(C.c.id.in_(batch))).mappings()
        ),
        "votes": [row for participant_id in person.ids for row in list_votes(connection, participant_id)],
        "reactions": [row for participant_id in person.ids for row in list_reactions(connection, participant_id)],
        "reports": list_reports_by(connection, person.ids, person.email),
        "appeals": _read_in_batches(shown, lambda batch: list_appeals_about(connection, batch)),
        "comment_revisions": _read_in_batches(shown, lambda batch: list_revisions(connection, batch)),
        "passages": connection.execute(passages).mappings().all(),
        "bans": list_bans_of(connection, person.ids, person.email),
        **_export_mail(connection, person, staff_id),
    }
    cut = [name for name, rows in data.items() if len(rows) > MAX_ENTRIES]
    if len(ids) > MAX_ENTRIES:
        cut.append("comments")
    suppression = find_suppression(connection, person.email) if person.email else None
    more: JsonObject = {"email": person.email, "suppression": suppression, "cut": cut, "staff": None}
    return {**{name: rows[:MAX_ENTRIES] for name, rows in data.items()}, **more}


def _export_mail(connection: sa.Connection, person: Person, staff_id: str | None) -> dict[str, Sequence[object]]:
    """Return a person's subscriptions, and the mails that were sent because of them."""
    subscriber = find_subscriber_by_email(connection, person.email) if person.email else None
    subscriber_id = subscriber["id"] if subscriber else None
    rows = list_personal(connection, subscriber_id, person.ids)
    endpoints = [one for one in (subscriber_id, staff_id) if one is not None]
    mails = sa.select(*_MAIL_COLUMNS).where(DELIVERY.c.channel == "mail", DELIVERY.c.endpoint.in_(endpoints))
    mails = mails.order_by(DELIVERY.c.created_at)
    return {
        "subscriptions": present_subscriptions(connection, rows),
        "mails": connection.execute(mails).mappings().all(),
    }


class ForgetParticipants(Protocol):
    """Deletes what the room of imports, which is beside this one, stores about participants."""

    def __call__(self, session: Session, participant_ids: Sequence[str], /) -> None: ...


def erase_own_data(session: Session, actor: Actor, forget_imported: ForgetParticipants) -> str | None:
    """Erase the data of the caller; return the confirmed e-mail address. Comments with replies become tombstones."""
    _lock(session, find_person(session, actor))
    person = find_person(session, actor)  # read again under the lock
    _erase(session, person, forget_imported)
    if actor.caller is not None:
        delete_answers(session, actor.caller)
    return person.email


def record_export(session: Session, actor: Actor, named: Named) -> None:
    """Record in the audit log that a person's data were exported."""
    require_all_sections(actor, "admin")
    record_action(session, actor, "person.export", "person", named.person_id, {"person": named.pseudonym})


def erase_person(session: Session, actor: Actor, forget_imported: ForgetParticipants, named: Named) -> Person:
    """Erase the data of the person whom an administrator names, and return who that was."""
    require_all_sections(actor, "admin")
    _lock(session, _find_named(session, named)[0])
    person, staff_id = _find_named(session, named)
    record_action(session, actor, "person.erase", "person", named.person_id, {"person": named.pseudonym})
    _erase(session, person, forget_imported)
    if staff_id is not None:
        session.flush()
        erase_staff_data(session, actor, staff_id)
    return person


def _erase(session: Session, person: Person, forget_imported: ForgetParticipants) -> None:
    comment_ids, participants = list_comment_ids(session, person), (*person.own, *person.unconfirmed)
    for comment_id in comment_ids:
        row = lock_comment(session, comment_id)
        set_state(session, row, "removed", by="author")
        erase_comment(session, row)
    erase_moderation(session, person.ids, person.email, [])
    for batch in _split(comment_ids):
        erase_moderation(session, [], None, batch)
    for participant in person.own:
        erase_reactions(session, participant["id"])
        anchors.erase_author(session, participant["id"])
        delete_answers(session, _caller_of(participant))
        erase_participant(session, participant["id"])
    forget_imported(session, [row["id"] for row in participants])
    delete_answers_naming(session, [*comment_ids, *(row["public_id"] for row in participants if row["public_id"])])
    end_for_participants(session, person.ids)
    if person.email is not None:
        clear_unconfirmed_email(session, person.email)
        _erase_mail(session, person.email)


def _erase_mail(session: Session, email: str) -> None:
    """End the subscriptions of an address and cancel its mails; a suppression stays, as a hash."""
    erase_requests(session, email)
    subscriber = find_subscriber_by_email(session, email)
    if subscriber is not None:
        cancel_deliveries(session, channel="mail", endpoint=subscriber["id"])
        erase_subscriber(session, subscriber["id"])


def _lock(session: Session, person: Person) -> None:
    """Lock the participants of a person, so that their concurrent writes wait and then find them erased."""
    ids = sorted(row["id"] for row in (*person.own, *person.unconfirmed))
    query = sa.select(PARTICIPANT.c.id).where(PARTICIPANT.c.id.in_(ids)).order_by(PARTICIPANT.c.id)
    session.execute(query.with_for_update()).all()


def _caller_of(participant: ParticipantRow) -> str:
    """Return the name under which the answers to a participant's idempotency keys are stored."""
    subject = participant["subject"]
    reader = Claims(subject) if subject else None
    actor = Actor("reader", reader=reader) if reader else Actor("guest", participant["id"])
    return actor.caller or ""
