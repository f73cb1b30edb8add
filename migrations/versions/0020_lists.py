"""lists: pages stay out unless asked for, alphabetical order, and what editors sort and filter by"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlmodel import Session

from app.db.columns import ID
from app.search.indexing import rebuild_batch
from app.text.collation import SORT_KEY, collation_key

revision: str = "0020"
down_revision: str | None = "0015"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_INDEXES = {
    "ix_article_published": ("listed_at",),
    "ix_article_updated": ("updated_at",),
    "ix_article_title": (),
    "ix_article_section": ("section_id", "listed_at"),
    "ix_article_series": ("series_id", "listed_at"),
    "ix_article_language": ("language", "listed_at"),
    "ix_article_featured": ("featured", "listed_at"),
}
_NEW_INDEXES = {
    "ix_article_changed": ("public", "updated_at", "id"),
    "ix_article_any": ("listed_at", "id"),
    "ix_article_created": ("created_at", "id"),
    "ix_article_edited": ("edited_at", "id"),
    "ix_article_state": ("state", "edited_at", "id"),
    "ix_revision_actor": ("actor_id", "article_id"),
    "ix_revision_actor_name": ("actor_name", "article_id"),
}
_AHEAD = sa.text("latest_revision > revision")
_TERMS = ("section", "tag", "author", "series")


def upgrade() -> None:
    for table in ("article", "search_entry"):
        op.add_column(table, sa.Column("listed", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute("UPDATE article SET listed = public WHERE public AND type <> 'page'")
    op.execute("UPDATE search_entry SET listed = (SELECT listed FROM article WHERE article.id = article_id)")
    for links in ("article_author", "article_tag"):
        op.execute(f"ALTER TABLE {links} RENAME COLUMN public TO listed")
        op.execute(_mark_pages(links, "listed", listed=False))
    _add_keys()
    _lead_indexes_by("listed", "title_key")
    for name, columns in _NEW_INDEXES.items():
        op.create_index(name, name.split("_")[1], list(columns))
    op.create_index("ix_article_ahead", "article", ["edited_at", "id"], sqlite_where=_AHEAD, postgresql_where=_AHEAD)
    _fill_search()


def downgrade() -> None:
    for name in (*_NEW_INDEXES, "ix_article_ahead"):
        op.drop_index(name, name.split("_")[1])
    _lead_indexes_by("public", "title")
    for table in _TERMS:
        op.drop_index(f"ix_{table}_name", table)
        op.create_index(f"ix_{table}_name", table, ["name", "id"])
        op.drop_column(table, "name_key")
    for column in ("title_key", "edited_at"):
        op.drop_column("article", column)
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


def _lead_indexes_by(column: str, title: str) -> None:
    for name, columns in _INDEXES.items():
        op.drop_index(name, "article")
        *first, last = columns or (title,)
        op.create_index(name, "article", [*first, column, last, "id"])


def _add_keys() -> None:
    """Add the keys of alphabetical order, which no database can make, and the times of the newest revisions."""
    op.add_column(
        "article",
        sa.Column(
            "edited_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("'1970-01-01 00:00:00'")
        ),
    )
    op.execute(
        "UPDATE article SET edited_at = coalesce((SELECT max(revision.created_at) FROM revision "
        "WHERE revision.article_id = article.id), created_at)"
    )
    for table, column in (("article", "title"), *((table, "name") for table in _TERMS)):
        op.add_column(table, sa.Column(f"{column}_key", SORT_KEY, nullable=False, server_default=""))
        _fill_keys(table, column)
    for table in _TERMS:
        op.drop_index(f"ix_{table}_name", table)
        op.create_index(f"ix_{table}_name", table, ["name_key", "id"])


def _fill_keys(table: str, column: str) -> None:
    """Make the keys of all rows, some thousands at a time."""
    connection = op.get_bind()
    rows = sa.table(table, sa.column("id", ID), sa.column(column, sa.String()), sa.column(f"{column}_key", sa.String()))
    fill = sa.update(rows).where(rows.c.id == sa.bindparam("row_id")).values({f"{column}_key": sa.bindparam("key")})
    page = sa.select(rows.c.id, rows.c[column]).order_by(rows.c.id).limit(2000)
    found = connection.execute(page).all()
    while found:
        connection.execute(fill, [{"row_id": row.id, "key": collation_key(row[1])} for row in found])
        found = connection.execute(page.where(rows.c.id > found[-1].id)).all()


def _fill_search() -> None:
    """Index what is public in a store that is older than the search; its words are made here, as no database could."""
    connection = op.get_bind()
    if connection.execute(sa.text("SELECT 1 FROM search_entry LIMIT 1")).first() is not None:
        return
    with Session(connection, join_transaction_mode="create_savepoint") as session:
        after: str | None = "00000000-0000-0000-0000-000000000000"
        while after is not None:
            done = rebuild_batch(session, after)
            after = done[0] if done else None
        session.commit()
