"""What facts of the log cause here."""

import sqlalchemy as sa
from sqlmodel import Session

from app.events.schemas import Entry
from app.subscriptions.actions import end
from app.subscriptions.queries import SUBSCRIPTION


def follow_merge(session: Session, entry: Entry) -> None:
    """Let those who followed a term that was merged follow the other one; who follows both already keeps one."""
    into = entry.payload.get("into")
    if not into:
        return
    kind = entry.type.partition(".")[0]
    old, new = f"{kind}:{entry.subject_id}", f"{kind}:{into}"
    other = SUBSCRIPTION.alias("other")
    same = [other.c[name] == SUBSCRIPTION.c[name] for name in ("subscriber_id", "kind", "channel")]
    free = ~sa.exists().where(other.c.target == new, *same)
    session.execute(sa.update(SUBSCRIPTION).where(SUBSCRIPTION.c.target == old, free).values(target=new))
    end(session, SUBSCRIPTION.c.target == old)
