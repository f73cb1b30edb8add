"""Reading bans, and telling whether somebody has one."""

from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import Session

from app.comments.posting.schemas import Banned
from app.identity.participants.queries import PARTICIPANT
from app.kit.clock import now
from app.kit.paging import Sort, fetch
from app.kit.schema import Row, table_of
from app.moderation.bans.schemas import BanQuery
from app.moderation.bans.tables import Ban

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
