"""The permission to change what readers see."""

from app.core.problems import Forbidden
from app.identity.schemas import Actor

NEEDS_PUBLISH = "Changing what readers see, now or at a set time, requires a key with the scope content:publish."


def require_publish(actor: Actor, *section_ids: str | None) -> None:
    """Raise 403 unless the caller may publish in the sections.

    To be called where a change makes a difference to what readers see, now or at a set time.
    """
    if not actor.may("content:publish"):
        raise Forbidden(NEEDS_PUBLISH)
    if not all(actor.may_in(section_id) for section_id in section_ids):
        raise Forbidden("The key is limited to other sections.")
