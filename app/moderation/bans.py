"""Reading bans, and telling whether somebody has one."""

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import Session

from app.comments.schemas import Banned
from app.comments.tables import Comment
from app.core.clock import now
from app.core.ids import new_id
from app.core.problems import Conflict, Invalid, NotFound
from app.db.columns import Row, affected, table_of
from app.identity.audit import record as audit
from app.identity.participants import PARTICIPANT
from app.identity.schemas import Actor
from app.identity.secrets import TURN
from app.moderation.rule_schemas import BanIn, BanQuery, is_network_address
from app.moderation.tables import Ban
from app.publication.terms import unlimited
from app.web.paging import Sort, fetch

BAN = table_of(Ban)
NEWEST = Sort("-created_at", descending=True)
MOST_VALUES = 11
_AUTHOR = ("public_id", "name", "kind")
_SHOWN = sa.select(
    *(BAN.c[name] for name in "id kind value comment_id reason until created_at created_by".split()),
    *(PARTICIPANT.c[name].label(f"author_{name}") for name in _AUTHOR),
).select_from(BAN.outerjoin(PARTICIPANT, PARTICIPANT.c.id == BAN.c.participant_id))


def plain_email(email: str) -> str:
    """An address as one bans it: in lower case, without what stands after a plus sign."""
    local, _, domain = email.strip().lower().rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"


def hashed_email(email: str) -> str:
    """What is kept of a banned address. Not secret: who knows an address can tell whether it is meant."""
    return f"email:{sha256(plain_email(email).encode()).hexdigest()}"


def _domains(email: str) -> list[str]:
    """The domain of an address and those above it, the top one apart."""
    labels = email.strip().lower().rpartition("@")[2].split(".")[-4:]
    return [".".join(labels[i:]) for i in range(len(labels) - 1)]


def values(participant: Row | None, addresses: tuple[str, ...], email: str | None = None) -> list[str]:
    """All that somebody could be banned by."""
    found = [f"address:{address}" for address in addresses[:2]]
    if participant is not None:
        found.insert(0, f"identity:{participant['id']}")
    known = {email, participant["email"] if participant else None}
    for one in sorted(filter(None, known)):
        found.append(hashed_email(one))
        found += [f"email_domain:{domain}" for domain in _domains(one)]
    return list(dict.fromkeys(found))[:MOST_VALUES]


def parameters(found: list[str]) -> dict[str, Any]:
    """The parameters that `stands` names, for these values."""
    return {f"banned_{i}": found[i] if i < len(found) else None for i in range(MOST_VALUES)}


def stands() -> ColumnElement[bool]:
    """Whether one of the values is banned at the time `at`: for a statement that asks other things as well."""
    given = [sa.bindparam(f"banned_{i}", type_=sa.String()) for i in range(MOST_VALUES)]
    moment = sa.bindparam("at", type_=BAN.c.until.type)
    return sa.exists().where(BAN.c.value.in_(given), BAN.c.until.is_(None) | (BAN.c.until > moment))


_IS_BANNED = sa.select(stands())


def banned(session: Session, participant: Row | None, addresses: tuple[str, ...], email: str | None = None) -> bool:
    """Whether somebody may not take part: the row of `participant`, and hashes of the network address."""
    found = values(participant, addresses, email)
    return bool(found) and bool(session.execute(_IS_BANNED, {**parameters(found), "at": now()}).scalar_one())


def require_not_banned(
    session: Session, participant: Row | None, addresses: tuple[str, ...], email: str | None = None
) -> None:
    """403 `banned` for those who may not take part."""
    if banned(session, participant, addresses, email):
        raise Banned


def present(row: Row) -> dict[str, Any]:
    """A row of bans in the shape of `BanOut`."""
    out = dict(row)
    author = {"id": row["author_public_id"], "name": row["author_name"], "kind": row["author_kind"]}
    out["author"] = author if author["id"] else None
    out["domain"] = row["value"].partition(":")[2] if row["kind"] == "email_domain" else None
    return out


def about(connection: sa.Connection, participant_ids: list[str], email: str | None) -> list[Row]:
    """The bans of somebody: what is told to those who ask what is stored about them."""
    found = [f"identity:{one}" for one in participant_ids] + ([hashed_email(email)] if email else [])
    columns = [BAN.c[name] for name in "kind reason until created_at".split()]
    return list(connection.execute(sa.select(*columns).where(BAN.c.value.in_(found))).mappings())


def page(connection: sa.Connection, asked: BanQuery) -> dict[str, Any]:
    """A page of bans, newest first, those that have ended too."""
    query = _SHOWN if asked.kind is None else _SHOWN.where(BAN.c.kind == asked.kind)
    found = fetch(connection, query, NEWEST, BAN.c.created_at, asked)
    found["data"] = [present(row) for row in found["data"]]
    return found


def find_ban(connection: sa.Connection, ban_id: str) -> dict[str, Any] | None:
    """One ban, also one that has ended, or None."""
    row = connection.execute(_SHOWN.where(BAN.c.id == ban_id)).mappings().first()
    return present(row) if row is not None else None


def shown(connection: sa.Connection, ban_id: str) -> dict[str, Any]:
    """One ban that was just imposed."""
    return present(connection.execute(_SHOWN.where(BAN.c.id == ban_id)).mappings().one())


_C = table_of(Comment)
_SOURCE = sa.select(_C.c.id, _C.c.participant_id, _C.c.address_hash, _C.c.email, _C.c.created_at)
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class AlreadyBanned(Conflict):
    """The very same is banned already; lift that ban first."""

    code, title = "already_banned", "This is banned already"


def salt_ends(moment: datetime) -> datetime:
    """Until when an address hash that was made at a moment can be recognised: its salt serves two turns."""
    turn = TURN.total_seconds()
    return datetime.fromtimestamp((moment.timestamp() // turn + 2) * turn, UTC)


def _of_comment(comment: Row, data: BanIn) -> tuple[str, datetime | None]:
    """What is banned behind a comment, and until when."""
    name = {"identity": "participant_id", "address": "address_hash"}.get(data.kind, "email")
    found = comment[name]
    if found is None:
        raise Invalid(f"The comment tells no {data.kind}.", pointer="/comment_id", code="not_known")
    if data.kind == "address":
        ends = salt_ends(comment["created_at"])
        if ends <= now():
            raise Invalid("Nothing tells its address any more.", pointer="/comment_id", code="not_known")
        return f"address:{found}", min(data.until, ends) if data.until else ends
    return _named(data, found) if name == "email" else f"identity:{found}", data.until


def _named(data: BanIn, value: str) -> str:
    """What is banned by an e-mail address or domain."""
    if data.kind == "email_domain":
        return f"email_domain:{value.lower().rpartition('@')[2]}"
    if "@" not in value[1:]:
        raise Invalid("This is no e-mail address.", pointer="/value", code="invalid")
    return hashed_email(value)


def _target(session: Session, data: BanIn, address: str | None) -> tuple[str, datetime | None]:
    if (data.comment_id is None) == (data.value is None):
        raise Invalid("Name a comment or a value, and not both.", pointer="/comment_id", code="one_of")
    if data.value is not None:
        if data.kind == "address":
            if address is None:
                raise Invalid("Name one IPv4 or IPv6 address; ranges are not taken.", pointer="/value", code="invalid")
            ends = salt_ends(now())
            return f"address:{address}", min(data.until, ends) if data.until else ends
        if not data.kind.startswith("email"):
            raise Invalid("Only addresses and domains are named.", pointer="/value", code="not_wanted")
        if is_network_address(data.value):
            raise Invalid("This is a network address: its kind is `address`.", pointer="/value", code="invalid")
        return _named(data, data.value), data.until
    comment = session.execute(_SOURCE.where(_C.c.id == data.comment_id)).mappings().first()
    if comment is None:
        raise Invalid("There is no such comment.", pointer="/comment_id", code="not_found")
    return _of_comment(comment, data)


def create(session: Session, actor: Actor, data: BanIn, address: str | None = None) -> str:
    """Ban what stands behind a comment, or an e-mail or network address or domain; returns the ban's id.

    `address` is the hash of the network address that is named, under the present salt.
    """
    unlimited(actor)
    moment = now()
    if data.until is not None and data.until <= moment:
        raise Invalid("The end lies in the past.", pointer="/until", code="in_the_past")
    value, until = _target(session, data, address)
    ended = BAN.c.until <= moment
    session.execute(sa.delete(BAN).where(BAN.c.value == value, ended))
    row: dict[str, Any] = {
        "id": new_id(),
        "kind": data.kind,
        "value": value,
        "participant_id": value.partition(":")[2] if data.kind == "identity" else None,
        "comment_id": data.comment_id,
        "reason": data.reason,
        "until": until,
        "created_at": moment,
        "created_by": actor.id,
    }
    insert = _INSERT[session.get_bind().dialect.name](BAN).values(row).on_conflict_do_nothing()
    if session.execute(insert.returning(BAN.c.id)).first() is None:
        raise AlreadyBanned
    audit(session, actor, "ban.create", "ban", str(row["id"]), {"kind": data.kind, "comment_id": data.comment_id})
    return str(row["id"])


def forget(session: Session, participant_ids: list[str], comment_ids: list[str]) -> None:
    """Cut bans off from people who are erased. To be erased lifts no ban that can stand without telling who it is.

    The ban of an identity goes over to the e-mail address that was proven with it, as a hash; where there is none it
    ends with the token that it was for.
    """
    insert = _INSERT[session.get_bind().dialect.name](BAN).on_conflict_do_nothing()
    here = BAN.c.value.in_([f"identity:{one}" for one in participant_ids])
    proven = sa.case((PARTICIPANT.c.confirmed_at.is_not(None), PARTICIPANT.c.email)).label("proven")
    banned = sa.select(BAN, proven).join_from(BAN, PARTICIPANT, PARTICIPANT.c.id == BAN.c.participant_id).where(here)
    found = [dict(row) for row in session.execute(banned).mappings()]
    session.execute(sa.delete(BAN).where(here))
    for row in found:
        if email := row.pop("proven"):
            told = {"kind": "email", "value": hashed_email(email)}
            session.execute(insert, row | told | dict.fromkeys(("participant_id", "comment_id", "reason")))
    theirs = sa.update(BAN).where(BAN.c.comment_id.in_(comment_ids))
    session.execute(theirs.values(comment_id=None, reason=None))


def lift(session: Session, actor: Actor, ban_id: str) -> None:
    """Lift a ban."""
    unlimited(actor)
    if not affected(session.execute(sa.delete(BAN).where(BAN.c.id == ban_id))):
        raise NotFound
    audit(session, actor, "ban.lift", "ban", ban_id, {})
