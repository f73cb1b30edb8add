"""API keys with sections named by slug or id."""

from typing import cast

from sqlmodel import Session

from app.identity import keys
from app.identity.keys import KeyChanges
from app.identity.schemas import Actor, KeyIn, KeyPatch
from app.publication.tables import Section
from app.publication.terms import require_terms


def _section_ids(session: Session, refs: list[str] | None) -> list[str] | None:
    return None if refs is None else require_terms(session, Section, refs, "/sections")


def create_key(session: Session, actor: Actor, data: KeyIn) -> tuple[str, str]:
    """Create a key; returns its id and the key itself."""
    sections = _section_ids(session, data.sections)
    quotas = data.quota_minute, data.quota_day
    return keys.create_api_key(session, actor, data.name, list(data.scopes), sections, data.expires_at, *quotas)


def change_key(session: Session, actor: Actor, key_id: str, data: KeyPatch) -> str:
    """Update a key (RFC 7396); returns its id."""
    values = cast(KeyChanges, data.model_dump(exclude_unset=True))
    if "sections" in values:
        values["sections"] = _section_ids(session, data.sections)
    return keys.update_api_key(session, actor, key_id, values)
