"""Mails that invite people of the staff."""

import sqlalchemy as sa
from sqlmodel import Session

from app.db.rows import JsonObject
from app.deliveries.outbox import enqueue
from app.deliveries.schemas import NewDelivery
from app.mail.schemas import CHANNEL, OPT_IN_LANE, Content, Letter
from app.people.invitations import find_open_invitation

EVENT = "invitation"


def enqueue_invitation(session: Session, invitation_id: str) -> None:
    """Enqueue the mail of an invitation."""
    delivery = NewDelivery(
        channel=CHANNEL,
        lane=OPT_IN_LANE,
        endpoint=invitation_id,
        event=f"{EVENT}:{invitation_id}",
        what=EVENT,
        content={EVENT: invitation_id},
    )
    enqueue(session, delivery)


def find_invitation_letter(connection: sa.Connection, content: Content) -> Letter | None:
    """Return the letter of an invitation, or None if it cannot be accepted any more."""
    invitee = find_open_invitation(connection, content["invitation"])
    if invitee is None or invitee.email is None:
        return None
    values: JsonObject = {"name": invitee.name, "invitation": content["invitation"]}
    return Letter(invitee.email, invitee.id, EVENT, values, "staff")
