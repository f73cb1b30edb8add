"""API keys with sections named by slug or id."""

from collections.abc import Sequence
from typing import cast

from sqlmodel import Session

from app.core.problems import Invalid
from app.identity import keys
from app.identity.keys import FindGrants, KeyChanges
from app.identity.schemas import Actor, KeyIn, KeyPatch, Scope
from app.publication.tables import Section
from app.publication.terms import require_terms


def _section_ids(session: Session, refs: list[str] | None) -> list[str] | None:
    return None if refs is None else require_terms(session, Section, refs, "/sections")


def _check_owner(
    session: Session, find_grants: FindGrants, person_id: str, scopes: Sequence[str], sections: list[str] | None
) -> None:
    """Raise 422 if there is no such person, or the key would have scopes that they do not have there."""
    granted = find_grants(session.connection(), person_id)
    if granted is None:
        raise Invalid("There is no such person, or they are suspended.", pointer="/person_id", code="not_found")
    owner = Actor("person", person_id, grants=granted)
    for scope in cast("Sequence[Scope]", scopes):
        if not all(owner.may_in(scope, section_id) for section_id in sections or (None,)):
            detail = f"The person does not have the scope {scope} there."
            raise Invalid(detail, pointer="/scopes", code="exceeds_person")


def create_key(session: Session, actor: Actor, find_grants: FindGrants, data: KeyIn) -> tuple[str, str]:
    """Create a key; returns its id and the key itself."""
    sections = _section_ids(session, data.sections)
    if data.person_id is not None:
        _check_owner(session, find_grants, data.person_id, data.scopes, sections)
    limits = data.expires_at, data.quota_minute, data.quota_day
    return keys.create_api_key(session, actor, data.name, list(data.scopes), sections, *limits, data.person_id)


def change_key(session: Session, actor: Actor, find_grants: FindGrants, key_id: str, data: KeyPatch) -> str:
    """Update a key (RFC 7396); returns its id."""
    values = cast(KeyChanges, data.model_dump(exclude_unset=True))
    if "sections" in values:
        values["sections"] = _section_ids(session, data.sections)
    stored = keys.find_api_key(session.connection(), key_id)
    if stored is not None and not values.keys().isdisjoint({"person_id", "scopes", "sections"}):
        person_id = values.get("person_id", stored["person_id"])
        scopes, sections = values.get("scopes", stored["scopes"]), values.get("sections", stored["sections"])
        if person_id is not None:
            _check_owner(session, find_grants, person_id, scopes, sections)
    return keys.update_api_key(session, actor, key_id, values)
