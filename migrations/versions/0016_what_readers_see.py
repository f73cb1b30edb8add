"""which revision is scheduled, which dates were set by hand, and what articles that readers see have in use"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0016"
down_revision: str | None = "0018"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ARTICLE = sa.table(
    "article",
    *(sa.column(name) for name in "id section_id series_id image_id state due_at".split()),
    sa.column("public", sa.Boolean()),
)
_AUTHORS = sa.table("article_author", sa.column("article_id"), sa.column("author_id"))
_TAGS = sa.table("article_tag", sa.column("article_id"), sa.column("tag_id"))
_USED: dict[str, tuple[sa.ColumnElement[str], sa.FromClause]] = {
    "section": (_ARTICLE.c.section_id, _ARTICLE),
    "series": (_ARTICLE.c.series_id, _ARTICLE),
    "media": (_ARTICLE.c.image_id, _ARTICLE),
    "author": (_AUTHORS.c.author_id, _ARTICLE.join(_AUTHORS, _AUTHORS.c.article_id == _ARTICLE.c.id)),
    "tag": (_TAGS.c.tag_id, _ARTICLE.join(_TAGS, _TAGS.c.article_id == _ARTICLE.c.id)),
}


def upgrade() -> None:
    op.add_column("article", sa.Column("scheduled_revision", sa.Integer(), nullable=True))
    op.add_column("article", sa.Column("backdated", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.execute("UPDATE article SET scheduled_revision = revision WHERE state = 'scheduled'")
    # The server dates an article when it is published, never before it was made: other dates were set by hand.
    op.execute(
        "UPDATE article SET backdated = true "
        "WHERE published_at IS NOT NULL AND (published_at < created_at OR published_revision IS NULL)"
    )
    is_coming = (_ARTICLE.c.state == "published") & _ARTICLE.c.due_at.is_not(None)
    is_shown = _ARTICLE.c.public | (_ARTICLE.c.state == "scheduled") | is_coming
    for name, (term, articles) in _USED.items():
        op.add_column(name, sa.Column("shown", sa.BigInteger(), server_default="0", nullable=False))
        table = sa.table(name, sa.column("id"), sa.column("shown"))
        number = sa.select(sa.func.count()).select_from(articles).where(term == table.c.id, is_shown).correlate(table)
        op.execute(sa.update(table).values(shown=number.scalar_subquery()))


def downgrade() -> None:
    for table in _USED:
        _drop(table, "shown")
    _drop("article", "backdated")
    _drop("article", "scheduled_revision")


def _drop(table: str, column: str) -> None:
    with op.batch_alter_table(table, schema=None) as batch_op:
        batch_op.drop_column(column)
