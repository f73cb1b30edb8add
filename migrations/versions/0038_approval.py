"""approval of revisions"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0038"
down_revision: str | None = "0037"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ID = sa.String(36).with_variant(sa.Uuid(as_uuid=False), "postgresql")


def upgrade() -> None:
    op.create_table(
        "approval_rule",
        sa.Column("target_id", _ID, nullable=False),
        sa.Column("required", sa.Boolean(), nullable=True),
        sa.Column("roles", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("four_eyes", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("target_id"),
    )
    op.create_table(
        "approval_step",
        sa.Column("id", _ID, nullable=False),
        sa.Column("article_id", _ID, nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("action", sa.String(10), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("actor_id", _ID, nullable=True),
        sa.Column("actor_name", sa.String(200), nullable=False),
        sa.Column("person_id", _ID, nullable=True),
        sa.Column("own", sa.Boolean(), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["article_id"], ["article.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_approval_step_article", "approval_step", ["article_id", "id"])
    op.add_column("article", sa.Column("approval", sa.String(10), nullable=False, server_default="none"))
    op.add_column("article", sa.Column("approval_revision", sa.Integer(), nullable=True))
    op.add_column("article", sa.Column("approval_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("article", sa.Column("approval_by", sa.String(200), nullable=True))
    op.create_index("ix_article_approval", "article", ["approval", "edited_at", "id"])


def downgrade() -> None:
    op.drop_index("ix_article_approval", "article")
    for name in ("approval_by", "approval_at", "approval_revision", "approval"):
        op.drop_column("article", name)
    op.drop_table("approval_step")
    op.drop_table("approval_rule")
