"""former versions of corrections, merges of terms, and filters of the audit log"""

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision: str = "0018"
down_revision: str | None = "0020"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

AUDIT = {"kind": "subject_kind", "actor": "actor_id", "action": "action"}


def _id() -> sa.types.TypeEngine[str]:
    return sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql")


def upgrade() -> None:
    op.create_table(
        "correction_version",
        sa.Column("id", _id(), nullable=False),
        sa.Column("article_id", _id(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("replaced_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("change", sa.String(length=10), nullable=False),
        sa.Column("actor_id", _id(), nullable=True),
        sa.Column("actor_name", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["article_id"], ["article.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_correction_version_article", "correction_version", ["article_id", "replaced_at", "id"])
    op.create_table(
        "term_merge",
        sa.Column("id", _id(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("source_id", _id(), nullable=False),
        sa.Column("source_slug", sa.String(length=200), nullable=False),
        sa.Column("target_id", _id(), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("actor_kind", sa.String(length=20), nullable=False),
        sa.Column("actor_id", _id(), nullable=True),
        sa.Column("actor_name", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_term_merge_source", "term_merge", ["source_id"], unique=True)
    op.create_index("ix_term_merge_target", "term_merge", ["target_id"])
    op.create_index("ix_term_merge_state", "term_merge", ["state", "id"])
    for name, column in AUDIT.items():
        op.create_index(f"ix_audit_{name}", "audit", [column, "at", "id"])
    _rewrite(lambda n, correction: {"n": n, **correction, "changed_at": correction.get("changed_at")})


def downgrade() -> None:
    _rewrite(lambda _, correction: {name: correction[name] for name in ("at", "kind", "text")})
    for name in AUDIT:
        op.drop_index(f"ix_audit_{name}", "audit")
    op.drop_table("term_merge")
    op.drop_table("correction_version")


def _rewrite(change: Callable[[int, dict[str, Any]], dict[str, Any]]) -> None:
    """Change each correction of each article, given its number, and let cached articles be made again."""
    article = sa.table(
        "article",
        sa.column("id", _id()),
        sa.column("corrections", sa.JSON()),
        sa.column("card_stamp", sa.Integer()),
    )
    bind = op.get_bind()
    some = sa.cast(article.c.corrections, sa.Text) != "[]"
    for row in bind.execute(sa.select(article.c.id, article.c.corrections).where(some)).all():
        corrections = [change(n, correction) for n, correction in enumerate(row.corrections, 1)]
        values = {"corrections": corrections, "card_stamp": 0}
        bind.execute(sa.update(article).where(article.c.id == row.id).values(values))
