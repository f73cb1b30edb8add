"""Erasing a person: whole or not at all, and nobody else's words with them."""

from collections.abc import Callable

import sqlalchemy as sa
from sqlmodel import Session

from app.anchors import actions as anchors
from app.comments.actions import erase as erase_comment
from app.comments.actions import set_state
from app.comments.queries import locked
from app.deliveries.actions import cancel
from app.identity.audit.actions import record
from app.identity.participants.actions import disown, erase
from app.identity.participants.queries import PARTICIPANT
from app.identity.replays.actions import forget as forget_answers
from app.identity.replays.actions import forget_mentions
from app.identity.schemas import Actor, Claims
from app.kit.schema import Row
from app.moderation.actions import forget as forget_cases
from app.operation.personal.queries import Person, comment_ids, parts, person, person_with
from app.publication.actions import unlimited
from app.reactions.actions import forget as forget_votes
from app.subscriptions.actions import forget_participants, forget_subscriber
from app.subscriptions.opt_ins.actions import forget as forget_requests
from app.subscriptions.queries import subscriber_with

Forget = Callable[[Session, list[str]], object]
ALSO: dict[str, Forget] = {}
"""What rooms beside this one hold of participants: `wiring` fills it."""


def erase_me(session: Session, actor: Actor) -> None:
    """Erase the caller: comments to nothing or to tombstones, votes, reports, tokens, and all that names them."""
    _hold(session, person(session, actor))
    _erase(session, person(session, actor))  # as they are now that nobody else writes for them
    if actor.caller is not None:
        forget_answers(session, actor.caller)


def note_export(session: Session, actor: Actor, name: str) -> None:
    """Note in the audit log that somebody's data were handed out; `name` stands for the address."""
    unlimited(actor)
    record(session, actor, "person.export", "person", None, {"person": name})


def erase_person(session: Session, actor: Actor, email: str, name: str) -> list[str]:
    """Erase whoever has proven an address, and all that bears it; returns the ids of their participants.

    `name` stands for the address in the audit log.
    """
    unlimited(actor)
    _hold(session, person_with(session, email))
    whom = person_with(session, email)
    _erase(session, whom)
    record(session, actor, "person.erase", "person", None, {"person": name})
    return whom.ids


def _erase(session: Session, whom: Person) -> None:
    written = comment_ids(session, whom)
    for comment_id in written:
        row = locked(session, comment_id)
        set_state(session, row, "removed", by="author")
        erase_comment(session, row)
    forget_cases(session, whom.ids, whom.email, [])
    for part in parts(written):
        forget_cases(session, [], None, part)
    for one in whom.own:
        forget_votes(session, one["id"])
        anchors.forget(session, one["id"])
        forget_answers(session, _caller(one))
        erase(session, one["id"])
    for also in ALSO.values():
        also(session, [row["id"] for row in (*whom.own, *whom.typed)])
    forget_mentions(session, [*written, *(row["public_id"] for row in (*whom.own, *whom.typed) if row["public_id"])])
    forget_participants(session, whom.ids)
    if whom.email is not None:
        disown(session, whom.email)
        _forget_mail(session, whom.email)


def _forget_mail(session: Session, email: str) -> None:
    """End what the address subscribes to and what waits to be sent; that it wants no mail stays, as a hash."""
    forget_requests(session, email)
    who = subscriber_with(session, email)
    if who is not None:
        cancel(session, channel="mail", endpoint=who["id"])
        forget_subscriber(session, who["id"])


def _hold(session: Session, whom: Person) -> None:
    """Lock the participants: what they were about to write waits, and then finds them gone."""
    ids = sorted(row["id"] for row in (*whom.own, *whom.typed))
    query = sa.select(PARTICIPANT.c.id).where(PARTICIPANT.c.id.in_(ids)).order_by(PARTICIPANT.c.id)
    session.execute(query.with_for_update()).all()


def _caller(participant: Row) -> str:
    """By what name the kept answers of a participant are found."""
    subject = participant["subject"]
    reader = Claims(subject) if subject else None
    actor = Actor("reader", reader=reader) if reader else Actor("guest", participant["id"])
    return actor.caller or ""
