"""Finding everything that is stored about a person."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import sqlalchemy as sa
from sqlmodel import Session

from app.anchors import anchors
from app.anchors.anchors import ANCHOR
from app.comments.lifecycle import erase_comment, set_state
from app.comments.reading import C, list_revisions, lock_comment
from app.core.problems import Forbidden, Unauthorized
from app.db.columns import Row
from app.deliveries.lanes import DELIVERY
from app.deliveries.outbox import cancel_deliveries
from app.identity.audit import record_action
from app.identity.idempotency import delete_answers as forget_answers
from app.identity.idempotency import delete_answers_naming
from app.identity.participants import (
    PARTICIPANT,
    ParticipantRow,
    clear_unconfirmed_email,
    erase_participant,
    find_caller,
    list_by_email,
)
from app.identity.schemas import Actor, Claims
from app.moderation.appeals import list_appeals_about
from app.moderation.bans import list_bans_of
from app.moderation.forgetting import erase_person as forget_cases
from app.moderation.reports import list_reports_by
from app.ops.schemas import Data
from app.publication.terms import require_all_sections
from app.reactions.reactions import erase_reactions as forget_votes
from app.reactions.reactions import list_reactions, list_votes
from app.subscriptions.opt_ins import erase_requests as forget_requests
from app.subscriptions.subscriptions import (
    SUBSCRIPTION,
    end_for_participants,
    erase_subscriber,
    find_owner,
    find_subscriber_by_email,
    present_subscriptions,
)
from app.subscriptions.suppressions import find_suppression as suppression_of

MOST = 10_000
_MAIL = [DELIVERY.c[name] for name in ("what", "state", "created_at", "finished_at")]
AT_ONCE = 500
_COMMENT = (
    "id article_id parent_id state author_name email source html text notify address_hash created_at edited_at"
).split()
_PASSAGE = [ANCHOR.c[name] for name in "id article_id exact created_at".split()]


class Person(NamedTuple):
    """Whom it is about: their participants, and the e-mail that is proven to be theirs."""

    own: list[ParticipantRow]  # what they are known to be
    typed: list[ParticipantRow]  # under which others, or they, merely typed that e-mail
    email: str | None

    @property
    def ids(self) -> list[str]:
        """The ids of those that are known to be theirs."""
        return [row["id"] for row in self.own]


def person(store: sa.Connection | Session, actor: Actor) -> Person:
    """Who is asking: 401 for strangers, 403 for tokens that stand for nobody.

    The holder of a guest token is that guest and nobody else: an e-mail that was typed proves nothing. A reader whose
    site says that the e-mail is theirs is everybody to whom it was proven, and gets what was written under it; so is
    who sends the token to manage subscriptions, which only mail to that address leads to.
    """
    if actor.kind == "anonymous":
        raise Unauthorized("Send a guest token, or a JWT of the publication's site.")
    if actor.kind == "subscriber":
        holder = find_owner(store, actor)
        return _with(store, holder["email"] if holder else None, None)
    if actor.kind not in ("guest", "reader"):
        raise Forbidden("This token stands for no person: send a guest token, or a JWT of the publication's site.")
    me = find_caller(store, actor)
    if actor.kind == "guest" and (me is None or me["erased_at"] is not None):
        raise Unauthorized("This token is unknown.")
    return _with(store, actor.reader.email if actor.reader and actor.reader.verified else None, me)


def person_with(store: sa.Connection | Session, email: str) -> Person:
    """Whoever has proven this address, and all that bears it."""
    return _with(store, email, None)


def _with(store: sa.Connection | Session, email: str | None, me: ParticipantRow | None) -> Person:
    named = list_by_email(store, email) if email else []
    own = {row["id"]: row for row in named if row["confirmed_at"] is not None} | ({me["id"]: me} if me else {})
    typed = [row for row in named if row["id"] not in own]
    return Person([own[key] for key in sorted(own)], typed, email)


def comment_ids(store: sa.Connection | Session, whom: Person) -> list[str]:
    """All comments that they wrote, or that bear their e-mail."""
    found = set[str]()
    for one in whom.ids:
        found.update(store.execute(sa.select(C.c.id).where(C.c.participant_id == one)).scalars())
    if whom.email:
        found.update(store.execute(sa.select(C.c.id).where(C.c.email == whom.email)).scalars())
    return sorted(found)


def parts(ids: Sequence[str]) -> Iterator[list[str]]:
    """So many ids at once as one statement takes."""
    for start in range(0, len(ids), AT_ONCE):
        yield list(ids[start : start + AT_ONCE])


def everything(connection: sa.Connection, actor: Actor) -> Data:
    """What is stored about the caller, as `PersonalData` has it; at most `MOST` of each."""
    return export_person(connection, person(connection, actor))


def export_person(connection: sa.Connection, whom: Person) -> Data:
    """What is stored about somebody, as `PersonalData` has it; at most `MOST` of each."""
    ids = comment_ids(connection, whom)
    shown = ids[:MOST]
    comments = sa.select(*(C.c[name] for name in _COMMENT)).order_by(C.c.id)
    found: Data = {
        "participants": [row | {"id": row["public_id"]} for row in map(dict, (*whom.own, *whom.typed))],
        "comments": _in_parts(shown, lambda part: connection.execute(comments.where(C.c.id.in_(part))).mappings()),
        "votes": [row for one in whom.ids for row in list_votes(connection, one)],
        "reactions": [row for one in whom.ids for row in list_reactions(connection, one)],
        "reports": list_reports_by(connection, whom.ids, whom.email),
        "appeals": _in_parts(shown, lambda part: list_appeals_about(connection, part)),
        "comment_revisions": _in_parts(shown, lambda part: list_revisions(connection, part)),
        "passages": list(connection.execute(sa.select(*_PASSAGE).where(ANCHOR.c.made_by.in_(whom.ids))).mappings()),
        "bans": list_bans_of(connection, whom.ids, whom.email),
        **_mail(connection, whom),
    }
    cut = [name for name, rows in found.items() if len(rows) > MOST]
    if len(ids) > MOST:
        cut.append("comments")
    suppressed = suppression_of(connection, whom.email) if whom.email else None
    rest = {"email": whom.email, "suppression": suppressed, "cut": cut}
    return {**{name: rows[:MOST] for name, rows in found.items()}, **rest}


def _mail(connection: sa.Connection, whom: Person) -> Data:
    """What they subscribe to, and the mails that they were sent because of it."""
    who = find_subscriber_by_email(connection, whom.email) if whom.email else None
    mine = SUBSCRIPTION.c.participant_id.in_(whom.ids)
    if who is not None:
        mine = mine | (SUBSCRIPTION.c.subscriber_id == who["id"])
    rows = connection.execute(sa.select(SUBSCRIPTION).where(mine).order_by(SUBSCRIPTION.c.id)).mappings().all()
    sent = sa.select(*_MAIL).where(DELIVERY.c.channel == "mail", DELIVERY.c.endpoint == (who["id"] if who else ""))
    mails = connection.execute(sent.order_by(DELIVERY.c.created_at)).mappings()
    return {"subscriptions": present_subscriptions(connection, rows), "mails": list(mails)}


def _in_parts(ids: Sequence[str], read: Callable[[list[str]], Any]) -> list[Any]:
    return [row for part in parts(ids) for row in read(part)]


class ForgetParticipants(Protocol):
    """Drops what the room beside this one, of imports, holds of participants."""

    def __call__(self, session: Session, participant_ids: Sequence[str], /) -> None: ...


def erase_me(session: Session, actor: Actor, forget_imported: ForgetParticipants) -> None:
    """Erase the caller: comments to nothing or to tombstones, votes, reports, tokens, and all that names them."""
    _hold(session, person(session, actor))
    _erase(session, person(session, actor), forget_imported)  # as they are now that nobody else writes for them
    if actor.caller is not None:
        forget_answers(session, actor.caller)


def note_export(session: Session, actor: Actor, name: str) -> None:
    """Note in the audit log that somebody's data were handed out; `name` stands for the address."""
    require_all_sections(actor)
    record_action(session, actor, "person.export", "person", None, {"person": name})


def erase_person(
    session: Session, actor: Actor, forget_imported: ForgetParticipants, email: str, name: str
) -> list[str]:
    """Erase whoever has proven an address, and all that bears it; returns the ids of their participants.

    `name` stands for the address in the audit log.
    """
    require_all_sections(actor)
    _hold(session, person_with(session, email))
    whom = person_with(session, email)
    _erase(session, whom, forget_imported)
    record_action(session, actor, "person.erase", "person", None, {"person": name})
    return whom.ids


def _erase(session: Session, whom: Person, forget_imported: ForgetParticipants) -> None:
    written = comment_ids(session, whom)
    for comment_id in written:
        row = lock_comment(session, comment_id)
        set_state(session, row, "removed", by="author")
        erase_comment(session, row)
    forget_cases(session, whom.ids, whom.email, [])
    for part in parts(written):
        forget_cases(session, [], None, part)
    for one in whom.own:
        forget_votes(session, one["id"])
        anchors.erase_author(session, one["id"])
        forget_answers(session, _caller(one))
        erase_participant(session, one["id"])
    forget_imported(session, [row["id"] for row in (*whom.own, *whom.typed)])
    delete_answers_naming(
        session, [*written, *(row["public_id"] for row in (*whom.own, *whom.typed) if row["public_id"])]
    )
    end_for_participants(session, whom.ids)
    if whom.email is not None:
        clear_unconfirmed_email(session, whom.email)
        _forget_mail(session, whom.email)


def _forget_mail(session: Session, email: str) -> None:
    """End what the address subscribes to and what waits to be sent; that it wants no mail stays, as a hash."""
    forget_requests(session, email)
    who = find_subscriber_by_email(session, email)
    if who is not None:
        cancel_deliveries(session, channel="mail", endpoint=who["id"])
        erase_subscriber(session, who["id"])


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
