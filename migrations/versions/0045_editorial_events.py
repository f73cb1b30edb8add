"""editorial events: which webhooks receive them, and tasks whose deadline is still to be told"""

from collections.abc import Sequence
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision: str = "0045"
down_revision: str | None = "0044"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("webhook", sa.Column("editorial", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("task", sa.Column("remind_at", _TIME, nullable=True))
    is_told_later = sa.text("remind_at IS NOT NULL")
    op.create_index("ix_task_remind", "task", ["remind_at"], sqlite_where=is_told_later, postgresql_where=is_told_later)
    task = sa.table("task", sa.column("remind_at", _TIME), sa.column("due_at", _TIME), sa.column("done", sa.Boolean()))
    is_coming = task.c.done.is_(False) & (task.c.due_at > datetime.now(UTC))
    op.execute(sa.update(task).where(is_coming).values(remind_at=task.c.due_at))


def downgrade() -> None:
    op.drop_index("ix_task_remind", "task")
    op.drop_column("task", "remind_at")
    op.drop_column("webhook", "editorial")
