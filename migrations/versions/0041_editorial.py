"""notes on articles, tasks, and who edits what"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0041"
down_revision: str | None = "0040"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ID = sa.String(36).with_variant(sa.Uuid(as_uuid=False), "postgresql")
_TIME = sa.DateTime(timezone=True)


def _make_caller_columns() -> list[sa.Column[str]]:
    return [
        sa.Column("actor_id", _ID, nullable=True),
        sa.Column("actor_name", sa.String(200), nullable=False),
        sa.Column("person_id", _ID, nullable=True),
    ]


def upgrade() -> None:
    op.create_table(
        "note",
        sa.Column("id", _ID, nullable=False),
        sa.Column("article_id", _ID, nullable=False),
        sa.Column("parent_id", _ID, nullable=True),
        sa.Column("text", sa.String(), nullable=False),
        *_make_caller_columns(),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("edited_at", _TIME, nullable=True),
        sa.Column("assignee_id", _ID, nullable=True),
        sa.Column("done_at", _TIME, nullable=True),
        sa.Column("done_by", sa.String(200), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("quote_revision", sa.Integer(), nullable=True),
        sa.Column("quote_start", sa.Integer(), nullable=True),
        sa.Column("quote_end", sa.Integer(), nullable=True),
        sa.Column("exact", sa.String(), nullable=True),
        sa.Column("prefix", sa.String(), nullable=True),
        sa.Column("suffix", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["article_id"], ["article.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["parent_id"], ["note.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_note_article", "note", ["article_id", "created_at", "id"])
    op.create_index("ix_note_parent_id", "note", ["parent_id"])
    op.create_index("ix_note_person_id", "note", ["person_id"])
    op.create_table(
        "task",
        sa.Column("id", _ID, nullable=False),
        sa.Column("title", sa.String(300), nullable=False),
        sa.Column("article_id", _ID, nullable=True),
        sa.Column("assignee_id", _ID, nullable=True),
        sa.Column("due_at", _TIME, nullable=True),
        sa.Column("due_order", _TIME, nullable=False),
        sa.Column("done", sa.Boolean(), nullable=False),
        sa.Column("done_at", _TIME, nullable=True),
        sa.Column("done_by", sa.String(200), nullable=True),
        *_make_caller_columns(),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["article_id"], ["article.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_task_due", "task", ["done", "due_order", "id"])
    op.create_index("ix_task_assignee", "task", ["assignee_id", "done", "due_order", "id"])
    op.create_index("ix_task_article_id", "task", ["article_id"])
    op.create_index("ix_task_person_id", "task", ["person_id"])
    op.create_table(
        "article_lock",
        sa.Column("article_id", _ID, nullable=False),
        *_make_caller_columns(),
        sa.Column("since", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(["article_id"], ["article.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("article_id"),
    )
    op.create_index("ix_article_lock_expires", "article_lock", ["expires_at", "article_id"])
    op.create_index("ix_article_lock_person_id", "article_lock", ["person_id"])


def downgrade() -> None:
    op.drop_table("article_lock")
    op.drop_table("task")
    op.drop_table("note")
