"""The rule for changing what readers see, checked by every action that does."""

from app.core.problems import Forbidden
from app.identity.schemas import Actor

NEEDS_PUBLISH = "This changes what readers see, now or at a set time, and needs a key with the scope content:publish."


def require_publish(actor: Actor, *section_ids: str | None) -> None:
    """Refuse a change of what readers see, now or at a set time: 403 unless the caller may publish in the sections.

    Callers compare what readers would see before the change and after it, and ask only where that differs.
    """
    if not actor.may("content:publish"):
        raise Forbidden(NEEDS_PUBLISH)
    if not all(actor.may_in(section_id) for section_id in section_ids):
        raise Forbidden("The key is limited to other sections.")
