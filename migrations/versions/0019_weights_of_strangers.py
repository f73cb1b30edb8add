"""votes and reactions of strangers count once for a network address; mails that ask back are counted by ranges"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0019"
down_revision: str | None = "0017"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TARGETS = {"vote": "comment_id", "reaction": "article_id"}
_RANGES = ("near_range", "far_range")


def upgrade() -> None:
    for table, target in _TARGETS.items():
        op.add_column(table, sa.Column("address_hash", sa.String(64), nullable=True))
        # What stands has been counted.
        op.add_column(table, sa.Column("counted", sa.Boolean(), nullable=False, server_default=sa.true()))
        condition = sa.text("address_hash IS NOT NULL")
        op.create_index(
            f"ix_{table}_address",
            table,
            [target, "address_hash"],
            sqlite_where=condition,
            postgresql_where=condition,
        )
    for table in ("subscription_request", "opt_in"):
        for name in _RANGES:
            op.add_column(table, sa.Column(name, sa.String(64), nullable=True))
    for name in _RANGES:
        op.create_index(f"ix_opt_in_{name}", "opt_in", [name, "created_at"])
    op.add_column("comment", sa.Column("address_ranges", sa.String(130), nullable=True))


def downgrade() -> None:
    op.drop_column("comment", "address_ranges")
    for name in _RANGES:
        op.drop_index(f"ix_opt_in_{name}", "opt_in")
    for table in ("subscription_request", "opt_in"):
        for name in _RANGES:
            op.drop_column(table, name)
    for table in _TARGETS:
        op.drop_index(f"ix_{table}_address", table)
        op.drop_column(table, "counted")
        op.drop_column(table, "address_hash")
