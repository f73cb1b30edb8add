"""Reading replays."""

import sqlalchemy as sa

from app.kit.schema import table_of
from app.webhooks.tables import WebhookReplay

_REPLAY = table_of(WebhookReplay)


def is_asked(connection: sa.Connection) -> bool:
    """Whether any replay is under way."""
    return connection.execute(sa.select(_REPLAY.c.id).limit(1)).first() is not None


def shown(connection: sa.Connection, replay_id: str) -> sa.RowMapping:
    """One replay that was just asked for."""
    return connection.execute(sa.select(_REPLAY).where(_REPLAY.c.id == replay_id)).mappings().one()
