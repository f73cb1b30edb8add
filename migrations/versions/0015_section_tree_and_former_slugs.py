"""the tree of sections with all its paths, and former slugs of sections, tags, authors and series"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ID = sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql")

_COUNT_SECTIONS = (
    "UPDATE section SET articles = (SELECT count(*) FROM article WHERE public AND section_id = section.id)"  # 0014
)
_COUNT_SECTIONS_WITH_DESCENDANTS = (
    "UPDATE section SET articles = (SELECT count(*) FROM article WHERE public AND type <> 'page' AND section_id IN "
    "(SELECT descendant_id FROM section_closure WHERE ancestor_id = section.id))"
)
_COUNT_WITHOUT_PAGES = (
    "UPDATE series SET articles = "
    "(SELECT count(*) FROM article WHERE public AND type <> 'page' AND series_id = series.id)",
    "UPDATE tag SET articles = (SELECT count(*) FROM article WHERE public AND type <> 'page' AND id IN "
    "(SELECT article_id FROM article_tag WHERE tag_id = tag.id))",
    "UPDATE author SET articles = (SELECT count(*) FROM article WHERE public AND type <> 'page' AND id IN "
    "(SELECT article_id FROM article_author WHERE author_id = author.id))",
)


def upgrade() -> None:
    op.create_table(
        "section_closure",
        sa.Column("ancestor_id", _ID, nullable=False),
        sa.Column("descendant_id", _ID, nullable=False),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["ancestor_id"], ["section.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["descendant_id"], ["section.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("ancestor_id", "descendant_id"),
    )
    op.create_index(
        "ix_section_closure_descendant", "section_closure", ["descendant_id", "depth", "ancestor_id"], unique=False
    )
    op.create_table(
        "former_slug",
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("slug", sa.String(length=200), nullable=False),
        sa.Column("target_id", _ID, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("kind", "slug"),
    )
    op.create_index("ix_former_slug_target_id", "former_slug", ["target_id"], unique=False)
    op.execute(
        "INSERT INTO section_closure (ancestor_id, descendant_id, depth) "
        "WITH RECURSIVE path (ancestor_id, descendant_id, depth) AS ("
        "SELECT id, id, 0 FROM section UNION ALL "
        "SELECT section.parent_id, path.descendant_id, path.depth + 1 FROM path "
        "JOIN section ON section.id = path.ancestor_id WHERE section.parent_id IS NOT NULL"
        ") SELECT ancestor_id, descendant_id, depth FROM path"
    )
    op.execute(_COUNT_SECTIONS_WITH_DESCENDANTS)
    for statement in _COUNT_WITHOUT_PAGES:
        op.execute(statement)
    op.execute("UPDATE publication_stamp SET n = n + 1")  # what stands with a section now shows inside of it, too


def downgrade() -> None:
    op.execute(_COUNT_SECTIONS)
    for statement in _COUNT_WITHOUT_PAGES:
        op.execute(statement.replace(" AND type <> 'page'", ""))
    op.execute("UPDATE publication_stamp SET n = n + 1")
    op.drop_table("former_slug")
    op.drop_table("section_closure")
