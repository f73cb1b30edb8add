"""who marked notes and tasks as done, by id

The name alone does not tell two people of one name apart, nor does it follow one who is renamed.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0048"
down_revision: str | None = "0047"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ID = sa.String(36).with_variant(sa.Uuid(as_uuid=False), "postgresql")
_AUDIT = sa.table("audit", *map(sa.column, ("id", "at", "action", "subject_id", "actor_id", "actor_name", "person_id")))


def upgrade() -> None:
    for name in ("note", "task"):
        op.add_column(name, sa.Column("done_by_id", _ID, nullable=True))
        table = sa.table(name, *map(sa.column, ("id", "done_at", "done_by", "done_by_id")))
        # The change is in the audit log, written right after the time that the row has.
        is_it = (_AUDIT.c.subject_id == table.c.id) & (_AUDIT.c.action == f"{name}.change")
        is_it &= (_AUDIT.c.actor_name == table.c.done_by) & (_AUDIT.c.at >= table.c.done_at)
        who = sa.select(sa.func.coalesce(_AUDIT.c.person_id, _AUDIT.c.actor_id)).where(is_it)
        first = who.order_by(_AUDIT.c.at, _AUDIT.c.id).limit(1).scalar_subquery()
        op.execute(sa.update(table).where(table.c.done_by.is_not(None)).values(done_by_id=first))


def downgrade() -> None:
    for name in ("note", "task"):
        op.drop_column(name, "done_by_id")
