"""the people behind keys and actions"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0035"
down_revision: str | None = "0034"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ID = sa.String(36).with_variant(sa.Uuid(as_uuid=False), "postgresql")
_TABLES = (
    "api_key",
    "audit",
    "correction_version",
    "event",
    "moderation_log",
    "participant",
    "revision",
    "term_merge",
)
_INDEXES = {
    "audit": ["person_id", "at", "id"],
    "moderation_log": ["person_id", "at", "id"],
    "revision": ["person_id", "article_id"],
}


def upgrade() -> None:
    for table in _TABLES:
        op.add_column(table, sa.Column("person_id", _ID, nullable=True))
    is_set = sa.text("person_id IS NOT NULL")
    for table, columns in _INDEXES.items():
        op.create_index(f"ix_{table}_person", table, columns, sqlite_where=is_set, postgresql_where=is_set)
    op.create_index("ix_participant_person_id", "participant", ["person_id"], unique=True)


def downgrade() -> None:
    op.drop_index("ix_participant_person_id", "participant")
    for table in _INDEXES:
        op.drop_index(f"ix_{table}_person", table)
    for table in _TABLES:
        op.drop_column(table, "person_id")
