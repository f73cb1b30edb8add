"""Reading and setting the rules of approval, of sections and of the site."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.approval import RULE, ApprovalRule, find_rule
from app.articles.approval_schemas import ApprovalRuleIn
from app.articles.tables import SITE_ID
from app.core.problems import Invalid
from app.db.columns import table_of
from app.db.rows import JsonObject, fetch_row, get_row, insert_into
from app.events.catalog import LoggedEvent, SectionDeleted
from app.identity.audit import record_action
from app.identity.permissions import require_in
from app.identity.schemas import Actor
from app.people.roles import BUILT_IN, find_own_roles
from app.publication.section_tree import lock_tree
from app.publication.tables import Section
from app.publication.terms import find_term, lock_term, require_all_sections
from app.web import etag

_SECTION = table_of(Section)


class _OwnRule(TypedDict):
    target_id: str
    required: bool | None
    roles: list[str] | None
    four_eyes: bool
    version: int


class RuleView(TypedDict):
    """The rule of one level as `ApprovalRuleOut`, and its version for `If-Match`."""

    own: JsonObject
    effective: JsonObject
    version: int


def _present_effective(rule: ApprovalRule) -> JsonObject:
    roles = None if rule.roles is None else sorted(rule.roles)
    return {"required": rule.required, "roles": roles, "four_eyes": rule.four_eyes}


def read_rule(connection: sa.Connection, target_id: str) -> RuleView:
    """Return the rule of a section, or of `SITE_ID`, and the one that applies there."""
    own = fetch_row(connection, sa.select(RULE).where(RULE.c.target_id == target_id), _OwnRule)
    values = own or _OwnRule(target_id=target_id, required=None, roles=None, four_eyes=False, version=0)
    effective = find_rule(connection, None if target_id == SITE_ID else target_id)
    columns: Mapping[str, object] = values
    return {
        "own": {name: columns[name] for name in ("required", "roles", "four_eyes")},
        "effective": _present_effective(effective),
        "version": values["version"],
    }


def find_section_rule(connection: sa.Connection, ref: str) -> RuleView | None:
    """Find the rule of a section by id or slug; None without such a section."""
    section = find_term(connection, sa.select(_SECTION.c.id, _SECTION.c.slug), ref)
    return None if section is None else read_rule(connection, section["id"])


def set_site_rule(session: Session, actor: Actor, data: ApprovalRuleIn, versions: frozenset[int] | None) -> str:
    """Replace the rule of the site."""
    require_all_sections(actor, "admin")
    lock_tree(session)
    return _set_rule(session, actor, "site", SITE_ID, data, versions)


def set_section_rule(
    session: Session, actor: Actor, ref: str, data: ApprovalRuleIn, versions: frozenset[int] | None
) -> str:
    """Replace the rule of a section; returns its id."""
    lock_tree(session)  # before the section, as whoever publishes does
    section = lock_term(session, Section, ref)
    require_in(actor, "admin", section.id)
    return _set_rule(session, actor, "section", section.id, data, versions)


def _set_rule(
    session: Session,
    actor: Actor,
    kind: str,
    target_id: str,
    data: ApprovalRuleIn,
    versions: frozenset[int] | None,
) -> str:
    """Replace a rule; 412 if it has another version. Version 0 means that it was never set.

    The tree is locked, as it is by whoever makes a text public until the commit: no text slips in between.
    """
    insert = insert_into(session, RULE).on_conflict_do_nothing()
    session.execute(insert, {"target_id": target_id, "four_eyes": False, "version": 0})
    is_target = RULE.c.target_id == target_id
    row = get_row(session, sa.select(RULE).where(is_target).with_for_update(), _OwnRule)
    columns: Mapping[str, object] = row
    values = data.model_dump() if data.required is not None else {**ApprovalRuleIn().model_dump()}
    if values["roles"] is not None:
        values["roles"] = sorted(set(values["roles"]))
        _require_roles(session, values["roles"])
    fields = sorted(name for name, value in values.items() if columns[name] != value)
    etag.check_version(row["version"], versions, fields)
    if fields:
        session.execute(sa.update(RULE).where(is_target).values(**values, version=row["version"] + 1))
        record_action(session, actor, "approval.set", kind, None if kind == "site" else target_id, values)
    return target_id


def _require_roles(session: Session, slugs: Sequence[str]) -> None:
    """Raise 422 for a role that does not exist."""
    unknown = set(slugs) - BUILT_IN.keys()
    if unknown and unknown != find_own_roles(session, unknown):
        raise Invalid("There is no such role.", pointer="/roles", code="not_found")


def delete_section_rule(session: Session, entry: LoggedEvent) -> None:
    """Delete the rule of a deleted section; sections are below this floor and emit an event."""
    match entry.event:
        case SectionDeleted(subject_id=section_id):
            session.execute(sa.delete(RULE).where(RULE.c.target_id == section_id))
