"""Bans: by participant, network address, e-mail address or e-mail domain."""

from datetime import UTC, datetime
from typing import TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.tables import Article
from app.comments.tables import Comment
from app.core.clock import now
from app.core.ids import new_id
from app.core.problems import Conflict, Invalid, NotFound
from app.db.columns import count_affected, table_of
from app.db.rows import JsonObject, fetch_row, fetch_rows, get_row, insert_into
from app.identity.audit import record_action as audit
from app.identity.participants import PARTICIPANT
from app.identity.schemas import Actor
from app.identity.secrets import SALT_PERIOD
from app.moderation.comment_access import is_in_reach
from app.moderation.pipeline import hash_email
from app.moderation.rule_schemas import BanData, BanIn, BanQuery, is_network_address
from app.moderation.tables import Ban
from app.publication.terms import require_all_sections
from app.web.paging import Page, Sort, fetch_page, map_page


class BanRow(BanData):
    """A ban with the banned author, whose columns are null for bans of addresses."""

    id: str
    value: str
    shadow: bool
    comment_id: str | None
    created_by: str | None
    author_public_id: str | None
    author_name: str | None
    author_kind: str | None


class _CommentSource(TypedDict):
    id: str
    participant_id: str | None
    address_hash: str | None
    email: str | None
    created_at: datetime


class _DetachedBan(BanData):
    id: str
    value: str
    participant_id: str | None
    shadow: bool
    comment_id: str | None
    created_by: str | None
    proven_email: str | None


BAN, ARTICLE, _C = table_of(Ban), table_of(Article), table_of(Comment)
MAX_PERSON_BANS = 20
NEWEST = Sort("-created_at", descending=True)
_AUTHOR_COLUMNS = ("public_id", "name", "kind")
_SELECT_BANS = sa.select(
    *(BAN.c[name] for name in "id kind value shadow comment_id reason until created_at created_by".split()),
    *(PARTICIPANT.c[name].label(f"author_{name}") for name in _AUTHOR_COLUMNS),
).select_from(BAN.outerjoin(PARTICIPANT, PARTICIPANT.c.id == BAN.c.participant_id))


def present_ban(row: BanRow) -> JsonObject:
    """Return a ban in the shape of `BanOut`."""
    out: JsonObject = dict(row)
    author = {"id": row["author_public_id"], "name": row["author_name"], "kind": row["author_kind"]}
    out["author"] = author if author["id"] else None
    out["domain"] = row["value"].partition(":")[2] if row["kind"] == "email_domain" else None
    return out


def list_bans_of(connection: sa.Connection, participant_ids: list[str], email: str | None) -> list[BanData]:
    """List somebody's bans, for a copy of their personal data."""
    values = [f"identity:{one}" for one in participant_ids] + ([hash_email(email)] if email else [])
    columns = [BAN.c[name] for name in "kind reason until created_at".split()]
    query = sa.select(*columns).where(BAN.c.value.in_(values), ~BAN.c.shadow)  # who is told of those, posts elsewhere
    return fetch_rows(connection, query, BanData)


def _visible_to(actor: Actor) -> sa.ColumnElement[bool]:
    """Restrict bans for those who moderate some sections: to people who wrote something there."""
    if actor.may_in("comments:moderate", None):
        return sa.true()
    within = sa.select(ARTICLE.c.id).where(is_in_reach(actor))
    return sa.exists().where(_C.c.participant_id == BAN.c.participant_id, _C.c.article_id.in_(within))


def list_bans(connection: sa.Connection, actor: Actor, filters: BanQuery) -> Page[JsonObject]:
    """List the bans that the caller may read, newest first, including expired ones."""
    query = _SELECT_BANS.where(_visible_to(actor))
    if filters.kind is not None:
        query = query.where(BAN.c.kind == filters.kind)
    if filters.state is not None:
        is_active = BAN.c.until.is_(None) | (BAN.c.until > now())
        query = query.where(is_active if filters.state == "active" else ~is_active)
    if filters.shadow is not None:
        query = query.where(BAN.c.shadow == filters.shadow)
    if filters.author is not None:
        query = query.where(PARTICIPANT.c.public_id == filters.author)
    return map_page(fetch_page(connection, query, NEWEST, BAN.c.created_at, filters, BanRow), present_ban)


def list_person_bans(connection: sa.Connection, participant_id: str) -> list[JsonObject]:
    """List the bans of a participant's identity, ended ones too, newest first."""
    query = _SELECT_BANS.where(BAN.c.value == f"identity:{participant_id}").order_by(BAN.c.created_at.desc())
    return [present_ban(row) for row in fetch_rows(connection, query.limit(MAX_PERSON_BANS), BanRow)]


def find_ban(connection: sa.Connection, actor: Actor, ban_id: str) -> JsonObject | None:
    """Return a ban that the caller may read, expired or not, or None."""
    row = fetch_row(connection, _SELECT_BANS.where(BAN.c.id == ban_id, _visible_to(actor)), BanRow)
    return present_ban(row) if row is not None else None


def get_ban(connection: sa.Connection, ban_id: str) -> JsonObject:
    """Return a ban that exists."""
    return present_ban(get_row(connection, _SELECT_BANS.where(BAN.c.id == ban_id), BanRow))


_SELECT_COMMENT = sa.select(_C.c.id, _C.c.participant_id, _C.c.address_hash, _C.c.email, _C.c.created_at)


class AlreadyBanned(Conflict, code="already_banned", title="A ban for this value exists already"):
    """The value is banned already; lift that ban first."""


def address_hash_expiry(moment: datetime) -> datetime:
    """Return when the hash of an address can no longer be compared: salts are kept for two rotation periods."""
    period = SALT_PERIOD.total_seconds()
    return datetime.fromtimestamp((moment.timestamp() // period + 2) * period, UTC)


def _target_of_comment(comment: _CommentSource, data: BanIn) -> tuple[str, datetime | None]:
    """Return the ban value derived from a comment, and when the ban expires."""
    value = {"identity": comment["participant_id"], "address": comment["address_hash"]}.get(data.kind, comment["email"])
    if value is None:
        raise Invalid(f"The comment has no known {data.kind}.", pointer="/comment_id", code="not_known")
    if data.kind == "address":
        ends = address_hash_expiry(comment["created_at"])
        if ends <= now():
            raise Invalid(
                "The comment's network address has expired and cannot be banned any more.",
                pointer="/comment_id",
                code="not_known",
            )
        return f"address:{value}", min(data.until, ends) if data.until else ends
    return f"identity:{value}" if data.kind == "identity" else _target_of_email(data, value), data.until


def _target_of_email(data: BanIn, value: str) -> str:
    """Return the ban value of an e-mail address or domain."""
    if data.kind == "email_domain":
        return f"email_domain:{value.lower().rpartition('@')[2]}"
    if "@" not in value[1:]:
        raise Invalid("Send an e-mail address.", pointer="/value", code="invalid")
    return hash_email(value)


def _find_target(session: Session, data: BanIn, address: str | None) -> tuple[str, datetime | None]:
    if (data.comment_id is None) == (data.value is None):
        raise Invalid("Send either `comment_id` or `value`.", pointer="/comment_id", code="one_of")
    if data.value is not None:
        if data.kind == "address":
            if address is None:
                raise Invalid(
                    "Send a single IPv4 or IPv6 address; ranges are not supported.", pointer="/value", code="invalid"
                )
            ends = address_hash_expiry(now())
            return f"address:{address}", min(data.until, ends) if data.until else ends
        if not data.kind.startswith("email"):
            raise Invalid(
                "`value` is only for the kinds address, email and email_domain.", pointer="/value", code="not_wanted"
            )
        if is_network_address(data.value):
            raise Invalid("This is a network address; use the kind `address`.", pointer="/value", code="invalid")
        return _target_of_email(data, data.value), data.until
    comment = fetch_row(session, _SELECT_COMMENT.where(_C.c.id == data.comment_id), _CommentSource)
    if comment is None:
        raise Invalid("The comment does not exist.", pointer="/comment_id", code="not_found")
    return _target_of_comment(comment, data)


def create_ban(session: Session, actor: Actor, data: BanIn, address: str | None = None) -> str:
    """Ban the author, address or domain behind a comment, or a named address or domain. Return the ban's id.

    `address` is the hash of the named network address under the current salt.
    """
    require_all_sections(actor, "comments:moderate")
    if data.until is not None and data.until <= now():
        raise Invalid("`until` must be in the future.", pointer="/until", code="in_the_past")
    value, until = _find_target(session, data, address)
    participant_id = value.partition(":")[2] if data.kind == "identity" else None
    return _insert_ban(
        session,
        actor,
        {
            "kind": data.kind,
            "value": value,
            "shadow": False,
            "participant_id": participant_id,
            "comment_id": data.comment_id,
            "reason": data.reason,
            "until": until,
        },
    )


def ban_person(
    session: Session, actor: Actor, participant_id: str, *, shadow: bool, until: datetime | None, reason: str | None
) -> str:
    """Ban the identity of a participant; a shadow ban hides what they write instead of refusing it."""
    require_all_sections(actor, "comments:moderate")
    row: JsonObject = {
        "kind": "identity",
        "value": f"identity:{participant_id}",
        "shadow": shadow,
        "participant_id": participant_id,
        "comment_id": None,
        "reason": reason,
        "until": until,
    }
    return _insert_ban(session, actor, row)


def _insert_ban(session: Session, actor: Actor, ban: JsonObject) -> str:
    """Insert a ban in place of one that has ended; 409 `already_banned` for another one."""
    moment = now()
    session.execute(sa.delete(BAN).where(BAN.c.value == ban["value"], BAN.c.until <= moment))
    ban_id = new_id()
    row: JsonObject = {**ban, "id": ban_id, "created_at": moment, "created_by": actor.id}
    insert = insert_into(session, BAN).values(row).on_conflict_do_nothing()
    if session.execute(insert.returning(BAN.c.id)).first() is None:
        raise AlreadyBanned
    audit(session, actor, "ban.create", "ban", ban_id, {"kind": ban["kind"], "comment_id": ban["comment_id"]})
    return ban_id


def erase_bans(session: Session, participant_ids: list[str], comment_ids: list[str]) -> None:
    """Detach bans from participants who are erased, without lifting them where that is possible.

    The ban of an identity becomes a ban of its confirmed e-mail address, as a hash. Without such an address it is
    deleted together with the token it was for.
    """
    insert = insert_into(session, BAN).on_conflict_do_nothing()
    is_theirs = BAN.c.value.in_([f"identity:{one}" for one in participant_ids])
    proven = sa.case((PARTICIPANT.c.confirmed_at.is_not(None), PARTICIPANT.c.email)).label("proven_email")
    banned = (
        sa.select(BAN, proven).join_from(BAN, PARTICIPANT, PARTICIPANT.c.id == BAN.c.participant_id).where(is_theirs)
    )
    rows = fetch_rows(session, banned, _DetachedBan)
    session.execute(sa.delete(BAN).where(is_theirs))
    for row in rows:
        if email := row["proven_email"]:
            kept = {name: row[name] for name in ("id", "until", "shadow", "created_at", "created_by")}
            session.execute(insert, {**kept, "kind": "email", "value": hash_email(email)})
    about_their_comments = sa.update(BAN).where(BAN.c.comment_id.in_(comment_ids))
    session.execute(about_their_comments.values(comment_id=None, reason=None))


def lift_ban(session: Session, actor: Actor, ban_id: str) -> None:
    """Lift a ban."""
    if not end_ban(session, actor, ban_id):
        raise NotFound


def end_ban(session: Session, actor: Actor, ban_id: str) -> bool:
    """Lift a ban; return whether there was one."""
    require_all_sections(actor, "comments:moderate")
    if not count_affected(session.execute(sa.delete(BAN).where(BAN.c.id == ban_id))):
        return False
    audit(session, actor, "ban.lift", "ban", ban_id, {})
    return True
