"""search"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    op.create_table(
        "search_entry",
        sa.Column("key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "article_id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=False
        ),
        sa.Column("weights", sa.Text(), nullable=False),
        sa.Column("vector", sa.Text().with_variant(TSVECTOR(), "postgresql"), nullable=True),
        sa.ForeignKeyConstraint(["article_id"], ["article.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("article_id"),
    )
    op.create_index("ix_search_entry_vector", "search_entry", ["vector"], postgresql_using="gin")
    if dialect == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE search_words USING fts5"
            "(title, dek, text, stems, content='', contentless_delete=1, tokenize='ascii')"
        )
    else:
        op.execute("ALTER TABLE search_entry SET (toast_tuple_target = 128)")
    # A later migration fills it: the words are made by code that knows the tables as they are then.


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.drop_table("search_words")
    op.drop_table("search_entry")
