"""words and risks of comments"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

from app.text.words import list_words

revision: str = "0037"
down_revision: str | None = "0036"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ID = sa.String(36).with_variant(sa.Uuid(as_uuid=False), "postgresql")
_VECTOR = sa.Text().with_variant(TSVECTOR(), "postgresql")
_COMMENT = sa.table("comment", sa.column("id", _ID), sa.column("author_name"), sa.column("text"))
_ENTRY = sa.table("comment_entry", sa.column("comment_id", _ID), sa.column("vector", _VECTOR))
_ROWS_AT_ONCE = 500
_MAX_WORDS = 5000
_CREATE_WORDS = (
    "CREATE VIRTUAL TABLE comment_words USING fts5"
    "(vector, content='comment_entry', content_rowid='key', detail=none, tokenize='ascii')",
    "INSERT INTO comment_words (comment_words, rank) VALUES ('secure-delete', 1)",
    "CREATE TRIGGER comment_entry_inserted AFTER INSERT ON comment_entry "
    "BEGIN INSERT INTO comment_words (rowid, vector) VALUES (new.key, new.vector); END",
    "CREATE TRIGGER comment_entry_deleted AFTER DELETE ON comment_entry "
    "BEGIN INSERT INTO comment_words (comment_words, rowid, vector) VALUES ('delete', old.key, old.vector); END",
)


def upgrade() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    op.add_column("comment", sa.Column("risk", sa.Integer(), server_default="0", nullable=False))
    is_pending = sa.text("state = 'pending'")
    op.create_index(
        "ix_comment_risk", "comment", ["state", "risk", "id"], sqlite_where=is_pending, postgresql_where=is_pending
    )
    op.add_column("moderation_case", sa.Column("risk", sa.Integer(), server_default="0", nullable=False))
    waits = sa.text("waits = 1" if is_sqlite else "waits")
    for name in ("reports", "risk"):
        op.create_index(
            f"ix_moderation_case_{name}",
            "moderation_case",
            [name, "comment_id"],
            sqlite_where=waits,
            postgresql_where=waits,
        )
    op.create_table(
        "comment_entry",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("comment_id", _ID, nullable=False),
        sa.Column("vector", _VECTOR, nullable=False),
        sa.ForeignKeyConstraint(["comment_id"], ["comment.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("comment_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_comment_entry_vector", "comment_entry", ["vector"], postgresql_using="gin")
    for statement in _CREATE_WORDS if is_sqlite else ():
        op.execute(statement)
    _index_comments()


def _index_comments() -> None:
    """Index the comments that there are, the oldest first."""
    bind, last = op.get_bind(), "00000000-0000-0000-0000-000000000000"
    while True:
        query = sa.select(_COMMENT).where(_COMMENT.c.id > sa.literal(last, _ID), _COMMENT.c.text != "")
        rows = bind.execute(query.order_by(_COMMENT.c.id).limit(_ROWS_AT_ONCE)).all()
        if not rows:
            return
        last = rows[-1].id
        entries = [
            {
                "comment_id": row.id,
                "vector": " ".join(dict.fromkeys((*list_words(row.author_name), *list_words(row.text, _MAX_WORDS)))),
            }
            for row in rows
        ]
        bind.execute(sa.insert(_ENTRY), entries)


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.drop_table("comment_words")
    op.drop_table("comment_entry")
    for name in ("risk", "reports"):
        op.drop_index(f"ix_moderation_case_{name}", "moderation_case")
    op.drop_column("moderation_case", "risk")
    op.drop_index("ix_comment_risk", "comment")
    op.drop_column("comment", "risk")
