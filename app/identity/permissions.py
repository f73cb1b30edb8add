"""The permission to change what readers see."""

from app.core.problems import Forbidden, Problem, Unauthorized
from app.identity.schemas import ANONYMOUS, Actor, Scope

NEEDS_PUBLISH = "Changing what readers see, now or at a set time, requires the scope content:publish."
OTHER_SECTIONS = "The caller has this permission in other sections only."


class SecondFactorRequired(Forbidden, code="second_factor_required", title="Set up a second factor first"):
    """People with the caller's roles need a second factor: set up one-time codes, or a passkey, and sign in with it."""


def refusal(actor: Actor, detail: str) -> Problem:
    """Return the problem for a caller who lacks a permission: 401 without a token, 403 with one that lacks it."""
    if actor.needs_second_factor:
        return SecondFactorRequired("Set up one-time codes at /v1/people/me/totp, or a passkey, and sign in with it.")
    return Unauthorized(detail) if actor is ANONYMOUS else Forbidden(detail)


def require_in(actor: Actor, scope: Scope, section_id: str | None) -> None:
    """Raise 403 unless the caller has the scope in this section; None, for what has no section, needs it everywhere."""
    if not actor.may_in(scope, section_id):
        raise Forbidden(OTHER_SECTIONS)


def require_publish(actor: Actor, *section_ids: str | None) -> None:
    """Raise 403 unless the caller may publish in these sections, or everywhere if none is given.

    To be called where a change makes a difference to what readers see, now or at a set time.
    """
    if not actor.may("content:publish"):
        raise Forbidden(NEEDS_PUBLISH)
    for section_id in section_ids or (None,):
        require_in(actor, "content:publish", section_id)
