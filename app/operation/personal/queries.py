"""Finding everything that is stored about a person."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.anchors.queries import ANCHOR
from app.comments.queries import C, former_texts
from app.deliveries.lanes.actions import DELIVERY
from app.identity.participants.queries import find, with_email
from app.identity.schemas import Actor
from app.kit.problems import Forbidden, Unauthorized
from app.kit.schema import Row
from app.moderation.appeals.queries import written_about
from app.moderation.bans.queries import about
from app.moderation.reports.queries import written_by
from app.operation.personal.schemas import Data
from app.reactions.queries import reactions_of, votes_of
from app.subscriptions.queries import SUBSCRIPTION, owner, present, subscriber_with
from app.subscriptions.suppressions.queries import of as suppression_of

MOST = 10_000
_MAIL = [DELIVERY.c[name] for name in ("what", "state", "created_at", "finished_at")]
AT_ONCE = 500
_COMMENT = (
    "id article_id parent_id state author_name email source html text notify address_hash created_at edited_at"
).split()
_PASSAGE = [ANCHOR.c[name] for name in "id article_id exact created_at".split()]


class Person(NamedTuple):
    """Whom it is about: their participants, and the e-mail that is proven to be theirs."""

    own: list[Row]  # what they are known to be
    typed: list[Row]  # under which others, or they, merely typed that e-mail
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
        holder = owner(store, actor)
        return _with(store, holder["email"] if holder else None, None)
    if actor.kind not in ("guest", "reader"):
        raise Forbidden("This token stands for no person: send a guest token, or a JWT of the publication's site.")
    me = find(store, actor)
    if actor.kind == "guest" and (me is None or me["erased_at"] is not None):
        raise Unauthorized("This token is unknown.")
    return _with(store, actor.reader.email if actor.reader and actor.reader.verified else None, me)


def person_with(store: sa.Connection | Session, email: str) -> Person:
    """Whoever has proven this address, and all that bears it."""
    return _with(store, email, None)


def _with(store: sa.Connection | Session, email: str | None, me: Row | None) -> Person:
    named = with_email(store, email) if email else []
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
        "votes": [row for one in whom.ids for row in votes_of(connection, one)],
        "reactions": [row for one in whom.ids for row in reactions_of(connection, one)],
        "reports": written_by(connection, whom.ids, whom.email),
        "appeals": _in_parts(shown, lambda part: written_about(connection, part)),
        "comment_revisions": _in_parts(shown, lambda part: former_texts(connection, part)),
        "passages": list(connection.execute(sa.select(*_PASSAGE).where(ANCHOR.c.made_by.in_(whom.ids))).mappings()),
        "bans": about(connection, whom.ids, whom.email),
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
    who = subscriber_with(connection, whom.email) if whom.email else None
    mine = SUBSCRIPTION.c.participant_id.in_(whom.ids)
    if who is not None:
        mine = mine | (SUBSCRIPTION.c.subscriber_id == who["id"])
    rows = connection.execute(sa.select(SUBSCRIPTION).where(mine).order_by(SUBSCRIPTION.c.id)).mappings().all()
    sent = sa.select(*_MAIL).where(DELIVERY.c.channel == "mail", DELIVERY.c.endpoint == (who["id"] if who else ""))
    mails = connection.execute(sent.order_by(DELIVERY.c.created_at)).mappings()
    return {"subscriptions": present(connection, rows), "mails": list(mails)}


def _in_parts(ids: Sequence[str], read: Callable[[list[str]], Any]) -> list[Any]:
    return [row for part in parts(ids) for row in read(part)]
