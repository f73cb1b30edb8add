"""which articles lists hold: pages stay out unless they are asked for"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlmodel import Session

from app.search.actions import rebuild_some

revision: str = "0020"
down_revision: str | None = "0015"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_INDEXES = {
    "ix_article_published": ("listed_at",),
    "ix_article_updated": ("updated_at",),
    "ix_article_title": ("title",),
    "ix_article_section": ("section_id", "listed_at"),
    "ix_article_series": ("series_id", "listed_at"),
    "ix_article_language": ("language", "listed_at"),
    "ix_article_featured": ("featured", "listed_at"),
}


def upgrade() -> None:
    for table in ("article", "search_entry"):
        op.add_column(table, sa.Column("listed", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute("UPDATE article SET listed = public WHERE public AND type <> 'page'")
    op.execute("UPDATE search_entry SET listed = (SELECT listed FROM article WHERE article.id = article_id)")
    for links in ("article_author", "article_tag"):
        op.execute(f"ALTER TABLE {links} RENAME COLUMN public TO listed")
        op.execute(_mark_pages(links, "listed", listed=False))
    _lead_indexes_by("listed")
    op.create_index("ix_article_changed", "article", ["public", "updated_at", "id"])
    _fill_search()


def downgrade() -> None:
    op.drop_index("ix_article_changed", "article")
    _lead_indexes_by("public")
    for links in ("article_author", "article_tag"):
        op.execute(f"ALTER TABLE {links} RENAME COLUMN listed TO public")
        op.execute(_mark_pages(links, "public", listed=True))
    for table in ("article", "search_entry"):
        op.drop_column(table, "listed")


def _mark_pages(table: str, column: str, *, listed: bool) -> sa.Update:
    """Set whether the links of public pages count for lists."""
    article = sa.table("article", sa.column("id"), sa.column("type"), sa.column("public", sa.Boolean()))
    links = sa.table(table, sa.column("article_id"), sa.column(column, sa.Boolean()))
    pages = sa.select(article.c.id).where(article.c.type == "page", article.c.public)
    return sa.update(links).where(links.c.article_id.in_(pages)).values({column: listed})


def _lead_indexes_by(column: str) -> None:
    for name, columns in _INDEXES.items():
        op.drop_index(name, "article")
        op.create_index(name, "article", [*columns[:-1], column, columns[-1], "id"])


def _fill_search() -> None:
    """Index what is public in a store that is older than the search; its words are made here, as no database could."""
    connection = op.get_bind()
    if connection.execute(sa.text("SELECT 1 FROM search_entry LIMIT 1")).first() is not None:
        return
    with Session(connection, join_transaction_mode="create_savepoint") as session:
        after: str | None = "00000000-0000-0000-0000-000000000000"
        while after is not None:
            done = rebuild_some(session, after)
            after = done[0] if done else None
        session.commit()
