"""related links"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "article_term",
        sa.Column("term_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("weight", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("term_id", "n"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "related_rebuild",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("step", sa.String(length=10), nullable=False),
        sa.Column("after", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "related_term",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("stem", sa.String(length=40), nullable=False),
        sa.Column("articles", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("language", "stem", name="uq_related_term"),
    )
    op.create_table(
        "related_choice",
        sa.Column(
            "article_id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=False
        ),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["article_id"], ["article.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("article_id"),
    )
    op.create_table(
        "related_link",
        sa.Column(
            "article_id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=False
        ),
        sa.Column("target_id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=False),
        sa.Column("deferred", sa.Boolean(), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("terms", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["article_id"], ["article.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["target_id"], ["article.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("article_id", "target_id"),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("related_link", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_related_link_target_id"), ["target_id"], unique=False)

    op.create_table(
        "related_pin",
        sa.Column(
            "article_id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=False
        ),
        sa.Column("target_id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["article_id"], ["article.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["target_id"], ["article.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("article_id", "target_id"),
    )
    with op.batch_alter_table("related_pin", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_related_pin_target_id"), ["target_id"], unique=False)

    op.create_table(
        "related_text",
        sa.Column("n", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "article_id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=False
        ),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("listed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author_id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=True),
        sa.Column("terms", sa.JSON(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("stale", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["article_id"], ["article.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("n"),
        sa.UniqueConstraint("article_id"),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("related_text", schema=None) as batch_op:
        batch_op.create_index(
            "ix_related_text_stale",
            ["n"],
            unique=False,
            sqlite_where=sa.text("stale"),
            postgresql_where=sa.text("stale"),
        )


def downgrade() -> None:
    with op.batch_alter_table("related_text", schema=None) as batch_op:
        batch_op.drop_index("ix_related_text_stale", sqlite_where=sa.text("stale"), postgresql_where=sa.text("stale"))

    op.drop_table("related_text")
    with op.batch_alter_table("related_pin", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_related_pin_target_id"))

    op.drop_table("related_pin")
    with op.batch_alter_table("related_link", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_related_link_target_id"))

    op.drop_table("related_link")
    op.drop_table("related_choice")
    op.drop_table("related_term")
    op.drop_table("related_rebuild")
    op.drop_table("article_term")
