"""a moderator's day: actions and notes on people, shadow bans, canned reasons, grounds of decisions"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0044"
down_revision: str | None = "0043"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ID = sa.String(36).with_variant(sa.Uuid(as_uuid=False), "postgresql")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("comment", sa.Column("shadow", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("comment", sa.Column("removed_in", _ID, nullable=True))
    is_removed = sa.text("removed_in IS NOT NULL")
    op.create_index(
        "ix_comment_removed_in",
        "comment",
        ["removed_in", "created_at", "id"],
        sqlite_where=is_removed,
        postgresql_where=is_removed,
    )
    op.add_column("ban", sa.Column("shadow", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("moderation_log", sa.Column("ground", sa.String(10), nullable=True))
    op.add_column("moderation_log", sa.Column("canned_id", _ID, nullable=True))
    op.create_table(
        "moderation_reason",
        sa.Column("id", _ID, nullable=False),
        sa.Column("title", sa.String(100), nullable=False),
        sa.Column("ground", sa.String(10), nullable=True),
        sa.Column("basis", sa.String(500), nullable=True),
        sa.Column("texts", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("title"),
    )
    op.create_index("ix_moderation_reason_created_at", "moderation_reason", ["created_at"])
    op.create_table(
        "moderation_note",
        sa.Column("id", _ID, nullable=False),
        sa.Column("participant_id", _ID, nullable=False),
        sa.Column("text", sa.String(2000), nullable=False),
        sa.Column("actor_id", _ID, nullable=False),
        sa.Column("person_id", _ID, nullable=True),
        sa.Column("created_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(["participant_id"], ["participant.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_moderation_note_participant", "moderation_note", ["participant_id", "created_at", "id"])
    op.create_table(
        "moderation_action",
        sa.Column("id", _ID, nullable=False),
        sa.Column("participant_id", _ID, nullable=False),
        sa.Column("actor_kind", sa.String(20), nullable=False),
        sa.Column("actor_id", _ID, nullable=True),
        sa.Column("person_id", _ID, nullable=True),
        sa.Column("sections", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("ban_id", _ID, nullable=True),
        sa.Column("ban", sa.String(10), nullable=True),
        sa.Column("until", _TIME, nullable=True),
        sa.Column("reason", sa.String(2000), nullable=True),
        sa.Column("ground", sa.String(10), nullable=True),
        sa.Column("canned_id", _ID, nullable=True),
        sa.Column("remove_all", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("removed", sa.Integer(), nullable=False),
        sa.Column("restored", sa.Integer(), nullable=False),
        sa.Column("after_at", _TIME, nullable=True),
        sa.Column("after_id", _ID, nullable=True),
        sa.Column("due_at", _TIME, nullable=True),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("finished_at", _TIME, nullable=True),
        sa.ForeignKeyConstraint(["participant_id"], ["participant.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_moderation_action_participant", "moderation_action", ["participant_id", "created_at", "id"])
    is_due = sa.text("due_at IS NOT NULL")
    op.create_index(
        "ix_moderation_action_due", "moderation_action", ["due_at"], sqlite_where=is_due, postgresql_where=is_due
    )


def downgrade() -> None:
    op.drop_table("moderation_action")
    op.drop_table("moderation_note")
    op.drop_table("moderation_reason")
    op.drop_column("moderation_log", "canned_id")
    op.drop_column("moderation_log", "ground")
    op.drop_column("ban", "shadow")
    op.drop_index("ix_comment_removed_in", "comment")
    op.drop_column("comment", "removed_in")
    op.drop_column("comment", "shadow")
