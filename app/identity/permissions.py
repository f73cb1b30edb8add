"""The permission to change what readers see."""

from app.core.problems import Forbidden, Problem, Unauthorized
from app.identity.schemas import ANONYMOUS, Actor

NEEDS_PUBLISH = "Changing what readers see, now or at a set time, requires a key with the scope content:publish."


def refusal(actor: Actor, detail: str) -> Problem:
    """Return the problem for a caller who lacks a permission: 401 without a token, 403 with one that lacks it."""
    return Unauthorized(detail) if actor is ANONYMOUS else Forbidden(detail)


def require_publish(actor: Actor, *section_ids: str | None) -> None:
    """Raise 403 unless the caller may publish in the sections.

    To be called where a change makes a difference to what readers see, now or at a set time.
    """
    if not actor.may("content:publish"):
        raise Forbidden(NEEDS_PUBLISH)
    if not all(actor.may_in(section_id) for section_id in section_ids):
        raise Forbidden("The key is limited to other sections.")
